"""Airflow's REST API: a CLI call of Airflow costs 7 s, a request some milliseconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date
from typing import Any

import httpx

from cairn.errors import CairnError
from cairn.settings import Settings

END_STATES = ("success", "failed")
NIGHTLY = "nightly_mastery"


class AirflowClient:
    """A client of one Airflow. Every call raises CairnError with what to do where Airflow refuses or is away."""

    def __init__(self, settings: Settings) -> None:
        try:
            self.address = settings.address("airflow").rstrip("/")
        except LookupError as error:
            raise CairnError(str(error)) from error
        self._token = ""

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
        """One request; a token that is missing or has run out is fetched and the request made once more."""
        for _ in range(2):
            try:
                # A connection a request, so that none is left open; plain HTTP here: no certificates to load.
                with httpx.Client(timeout=30, trust_env=False, verify=False) as client:
                    if not self._token:
                        answer = client.get(f"{self.address}/auth/token").raise_for_status()
                        self._token = answer.json()["access_token"]
                    reply = client.request(
                        method,
                        f"{self.address}/api/v2/{path}",
                        json=body,
                        params=params,
                        headers={"Authorization": f"Bearer {self._token}"},
                    )
            except (httpx.HTTPError, KeyError) as error:
                raise CairnError(f"Airflow at {self.address} does not answer ({error}): see 'cairn status'") from error
            if reply.status_code != 401:
                break
            self._token = ""
        if reply.status_code >= 400:
            detail = " ".join(reply.text.split())[:200]
            raise CairnError(f"Airflow refused {method} {path}: {reply.status_code} {detail}")
        found: dict[str, Any] = reply.json() if reply.content else {}
        return found

    def dags(self) -> dict[str, dict[str, Any]]:
        """dag_id -> what Airflow knows of it."""
        return {row["dag_id"]: row for row in self._request("GET", "dags", limit=100)["dags"]}

    def wait_for_dag(self, dag_id: str, timeout_seconds: float = 120.0) -> None:
        """Return when the DAG has been read from its file. Raises CairnError with its import error, or when late."""
        deadline = time.monotonic() + timeout_seconds
        while dag_id not in self.dags():
            errors = self.import_errors()
            if errors:
                raise CairnError(f"a DAG file cannot be read: {errors[0][:300]}")
            if time.monotonic() > deadline:
                raise CairnError(
                    f"Airflow has not read {dag_id} in {timeout_seconds:.0f} s: see 'cairn logs airflow-dag-processor'"
                )
            time.sleep(1)

    def import_errors(self) -> list[str]:
        """File and last line of each DAG file that cannot be read."""
        rows = self._request("GET", "importErrors")["import_errors"]
        return [f"{row['filename']}: {row['stack_trace'].strip().splitlines()[-1]}" for row in rows]

    def unpause(self, dag_id: str) -> None:
        """Let the scheduler run the DAG."""
        self._request("PATCH", f"dags/{dag_id}", {"is_paused": False}, update_mask="is_paused")

    def trigger_dag(self, dag_id: str, data_date: date | str | None = None, conf: dict[str, Any] | None = None) -> str:
        """Start a run, of the partition ``data_date`` where given; returns its run id."""
        body: dict[str, Any] = {"logical_date": None, "conf": conf or {}}
        if data_date is not None:
            body["partition_key"] = str(data_date)
        return str(self._request("POST", f"dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def runs(self, dag_id: str = "~", data_date: date | str | None = None) -> list[dict[str, Any]]:
        """Runs of a DAG (all DAGs with ``~``), newest first; those of one data date where given."""
        rows: list[dict[str, Any]] = self._request("GET", f"dags/{dag_id}/dagRuns", limit=100, order_by="-run_after")[
            "dag_runs"
        ]
        return [row for row in rows if data_date is None or row["partition_key"] == str(data_date)]

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Task instances of a run: task_id, map_index, state, start_date, end_date and more."""
        rows: list[dict[str, Any]] = self._request("GET", f"dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=200)[
            "task_instances"
        ]
        return rows

    def wait(
        self,
        dag_id: str,
        run_id: str,
        timeout_seconds: float = 900.0,
        report: Callable[[str, str], None] = lambda task_id, state: None,
    ) -> dict[str, Any]:
        """Return the run when it has ended well; ``report`` is told each task's change of state.

        Raises CairnError with the failed tasks where it fails, and where it takes longer than ``timeout_seconds``.
        """
        deadline = time.monotonic() + timeout_seconds
        seen: dict[str, str] = {}
        while True:
            run = self._request("GET", f"dags/{dag_id}/dagRuns/{run_id}")
            for row in self.tasks(dag_id, run_id):
                name = row["task_id"] + (f"[{row['map_index']}]" if row["map_index"] >= 0 else "")
                if row["state"] and seen.get(name) != row["state"]:
                    seen[name] = row["state"]
                    report(name, row["state"])
            if run["state"] == "success":
                return run
            if run["state"] in END_STATES:
                failed = ", ".join(name for name, state in seen.items() if state == "failed") or "no task"
                raise CairnError(f"{dag_id} failed in {failed}: see {self.run_address(dag_id, run_id)}")
            if time.monotonic() > deadline:
                raise CairnError(
                    f"{dag_id} has not ended after {timeout_seconds:.0f} s: {self.run_address(dag_id, run_id)}"
                )
            time.sleep(1.0)

    def wait_for_partition(self, dag_id: str, data_date: date | str, timeout_seconds: float = 300.0) -> dict[str, Any]:
        """Wait until the run that a release started for this data date exists and has ended well; returns it."""
        deadline = time.monotonic() + timeout_seconds
        while not (runs := self.runs(dag_id, data_date)):
            if time.monotonic() > deadline:
                raise CairnError(
                    f"no run of {dag_id} for {data_date} after {timeout_seconds:.0f} s: see {self.address}"
                )
            time.sleep(1.0)
        return self.wait(dag_id, runs[0]["dag_run_id"], max(1.0, deadline - time.monotonic()))

    def run_address(self, dag_id: str, run_id: str) -> str:
        """The page of a run."""
        return f"{self.address}/dags/{dag_id}/runs/{run_id}"

    def run_night(
        self,
        data_date: date | str,
        timeout_seconds: float = 900.0,
        report: Callable[[str, str], None] = lambda task_id, state: None,
    ) -> dict[str, Any]:
        """Run ``nightly_mastery`` for a data date and wait for it."""
        self.wait_for_dag(NIGHTLY)
        return self.wait(NIGHTLY, self.trigger_dag(NIGHTLY, data_date), timeout_seconds, report)
