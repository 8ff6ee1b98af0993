"""The demo's steps: each calls what a person can call, is recorded when done, and is not done twice.

The simulated district is only a sender: its files go in by the same loaders, gateway and nights as a school's.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import yaml

from cairn.errors import CairnError
from cairn.settings import Settings

NIGHT_TIMEOUT_SECONDS = 900.0
COUNTS = ("sent", "accepted", "duplicate", "rejected", "conflict")


class Demo:
    """One demo in one home: what was asked for, what is done, when each step ended (seconds since the start)."""

    def __init__(
        self,
        settings: Settings,
        *,
        schools: int,
        students: int,
        days: int,
        seed: int,
        report: Callable[[str], None],
        last_date: date | None = None,
        pilots: int = 2,
    ) -> None:
        """``last_date``: the simulated days end with the last school day up to it; in a fixed year where None.

        ``pilots`` is 2 or 6. A demo that was begun keeps the dates it was begun with.
        """
        self.settings = settings
        self.size = {"schools": schools, "students": students, "days": days, "seed": seed}
        # Homes of before there were six have no word on it.
        self.size |= {"pilots": pilots} if pilots != 2 else {}
        self.report = report
        self.began = time.monotonic()
        self.district = settings.home / "simulated"
        self.gateway_ready = threading.Event()
        self.noting = threading.Lock()
        self.state_path = settings.home / "demo.json"
        self.state: dict[str, Any] = {"size": self.size, "last_date": str(last_date) if last_date else None, "done": {}}
        if self.state_path.exists():
            self.state = json.loads(self.state_path.read_text())
            if self.state["size"] != self.size:
                raise CairnError(
                    f"{settings.home} holds a demo of another size ({self.state['size']}): "
                    "use the same options, or another CAIRN_HOME"
                )

    def run(self) -> dict[str, Any]:
        """All steps; returns addresses, accounts, the ledger's totals and times."""
        with ThreadPoolExecutor(1) as pool:
            # The stack starts while the district is made and loaded: sending needs its gateway, only nights need all.
            stack = pool.submit(self._start_stack)
            self._once("simulate", self._simulate)
            self._once("load", self._load)
            self._once("sources", self._sources)
            self._once("accounts", self._accounts)
            self._once("draw schools", self._draw)
            self._once("freeze pilots", self._freeze)
            first, last = self._nights()
            while not (self.gateway_ready.wait(0.2) or stack.done()):
                pass
            if stack.done():
                stack.result()  # a stack that did not come up says so here, not as a gateway that is away
            self._once("send until the first night", lambda: self._send(until=first))
            stack.result()
        self._once(f"night {first}", lambda: self._night(first))
        self._once("send the last day", lambda: self._send(until=None))
        self._once(f"night {last}", lambda: self._night(last))
        self._once("feeds", lambda: self._feeds(last))
        self._once("documentation", self._documentation)
        return self._result()

    def _once(self, name: str, step: Callable[[], Any]) -> None:
        if name in self.state["done"]:
            return
        self.report(f"[{time.monotonic() - self.began:5.0f} s] {name} …")
        value = step()
        self.state["done"][name] = {"at_seconds": round(time.monotonic() - self.began, 1), "result": value}
        self._save()

    def _save(self) -> None:
        self.state_path.parent.mkdir(parents=True, exist_ok=True)
        beside = self.state_path.with_suffix(".writing")
        # The demo accounts' passwords stand here, so that a second run can show them.
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self.state, file, indent=1)
        beside.replace(self.state_path)

    def _start_stack(self) -> None:
        from infra import stack

        def on_ready(name: str) -> None:
            if name == "gateway":
                self.gateway_ready.set()

        stack.up(self.settings, report=lambda line: self.report(f"          {line}"), on_ready=on_ready)

    def _simulate(self) -> dict[str, Any]:
        from cli.simulate import draw_as_assign
        from simulator.district import generate

        size = self.size
        last = date.fromisoformat(self.state["last_date"]) if self.state.get("last_date") else None
        made = generate(
            self.district,
            size["schools"],
            size["students"],
            size["days"],
            size["seed"],
            last_date=last,
            pilots=size.get("pilots", 2),
            draw=draw_as_assign,
        )
        own = self.settings.district_dir / "calendar.yaml"
        if last and not own.exists():
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.district / "calendar.yaml", own)
        return dict(made)

    def _load(self) -> dict[str, Any]:
        """Roster, competencies, items, assessments and facts, as a district's systems would hand them over."""
        import loading

        done: dict[str, Any] = {
            "roster": loading.load_roster(self.settings, self.district / "roster"),
            "competencies": loading.load_competencies(self.settings, self.district / "competencies.json"),
            "items": loading.load_items(self.settings, self.district / "items.csv"),
            "resources": loading.load_resources(self.settings, self.district / "resources.csv"),
        }
        for path in sorted((self.district / "assessments").glob("*.csv")):
            done[path.stem] = loading.load_assessments(self.settings, path, "cairn_interim")
        for path in sorted((self.district / "facts").glob("*.csv")):
            done[path.stem] = loading.load_facts(self.settings, path, f"cairn_{path.stem}")
        return {name: counts.get("rows") or counts.get("items") for name, counts in done.items()}

    def _sources(self) -> list[str]:
        from streaming.sources import Mode, SourceRegistry

        registry = SourceRegistry(self.settings)
        known = {source.source_id for source in registry.all()}
        wanted = yaml.safe_load((self.district / "sources.yaml").read_text())["sources"]
        for source in wanted:
            if source["source_id"] not in known:
                mode = Mode(source.get("mode", Mode.PARTIAL))  # districts of before there were modes name none
                registry.add(source["source_id"], schools=source["schools"], save_token=True, mode=mode)
        registry.close()
        return [source["source_id"] for source in wanted]

    def _accounts(self) -> list[dict[str, str]]:
        import lake
        from answers.accounts import add_account

        orgs = lake.read(self.settings, "silver.org", columns=["org_id", "org_type"]).to_pylist()
        school = min(org["org_id"] for org in orgs if org["org_type"] == "school")
        wanted: tuple[tuple[str, str, dict[str, str]], ...] = (
            ("leader", "school_leader", {"school_id": school}),
            ("teacher", "teacher", {"teacher_key": self._a_teacher(school)}),
            ("central", "central_office", {}),
            ("engineer", "engineer", {}),
        )
        return [
            {"name": name, "role": role, "password": add_account(self.settings, name, role, replace=True, **own)}
            for name, role, own in wanted
        ]

    def _a_teacher(self, school_id: str) -> str:
        """Key of the school's teacher who has most classes; of two the first by key."""
        import lake

        among = (
            pc.field("recorded_to").is_null() & (pc.field("school_id") == school_id) & (pc.field("role") == "teacher")
        )
        rows = lake.read(self.settings, "silver.enrollment", ["student_key", "class_id"], among).to_pylist()
        classes = Counter(key for key, _ in {(row["student_key"], row["class_id"]) for row in rows})
        return str(min(classes, key=lambda key: (-classes[key], key)))

    def _draw(self) -> list[str]:
        """What ``cairn pilots assign`` records of the plans whose schools were drawn by it: the set and the draw."""
        from pilots.assignment import assign, need_as_drawn
        from pilots.draft import read_draft
        from pilots.plan import load_plan
        from pilots.school_traits import from_lake
        from simulator.pilot_kinds import DRAWN

        paths = [path for path in sorted((self.district / "pilots").glob("*.yaml")) if path.stem in DRAWN]
        for path in paths:
            draft = read_draft(path)
            assign(self.settings, draft, from_lake(self.settings, draft, date.today()))
            need_as_drawn(self.settings, load_plan(path))
        return [path.stem for path in paths]

    def _freeze(self) -> list[str]:
        """Freeze the plans on the day on which the simulated district assigned its schools: its year is over by now,
        and a plan frozen today would rightly be called late."""
        from pilots.plan import load_plan
        from pilots.registry import freeze_file

        paths = sorted((self.district / "pilots").glob("*.yaml"))
        for path in paths:
            assigned = date.fromisoformat(load_plan(path).analysis["assignment"]["assigned_on"])
            freeze_file(self.settings, path, now=datetime.combine(assigned, clock_time(12), UTC))
        return [path.stem for path in paths]

    def _nights(self) -> tuple[date, date]:
        """The last two school days of the simulated district: the two nights of the demo."""
        from cairn.calendar import DistrictCalendar

        last = max(date.fromisoformat(path.name) for path in (self.district / "activity").iterdir())
        return DistrictCalendar.load(self.settings).previous_school_day(last), last

    def _send(self, until: date | None) -> dict[str, int]:
        """Post what arrives up to a day (all of it where None), each source by itself as apps do."""
        sent = set(self.state.setdefault("sent_files", []))
        files: dict[str, list[Path]] = {}
        for path in sorted((self.district / "activity").glob("*/*.jsonl.gz")):
            is_due = until is None or date.fromisoformat(path.parent.name) <= until
            if is_due and self._key(path) not in sent:
                files.setdefault(path.name.split(".")[0], []).append(path)
        with ThreadPoolExecutor(max(1, len(files))) as pool:
            counts = [count for done in pool.map(self._send_source, files, files.values()) for count in done]
        totals = {name: sum(count[name] for count in counts) for name in COUNTS}
        self.report("          " + ", ".join(f"{name} {count:,}" for name, count in totals.items()))
        return totals

    def _key(self, path: Path) -> str:
        return f"{path.parent.name}/{path.name}"

    def _send_source(self, source: str, paths: list[Path]) -> list[dict[str, Any]]:
        from streaming.client import send

        counts = []
        for path in paths:
            counts.append(send(self.settings, path, source))
            # Noted file by file: a demo cut off here goes on with the next one.
            with self.noting:
                self.state["sent_files"].append(self._key(path))
                self._save()
        return counts

    def _night(self, data_date: date) -> dict[str, Any]:
        """The night by Airflow's own scheduler, then the evaluation that its release triggers."""
        from infra.airflow_client import AirflowClient
        from releases import store

        client = AirflowClient(self.settings)
        client.run_night(data_date, NIGHT_TIMEOUT_SECONDS, lambda task, state: self.report(f"          {task} {state}"))
        release = store.current(self.settings, "learning")
        if release is None or str(release.data_date) != str(data_date):
            raise CairnError(f"the night of {data_date} published nothing: see 'cairn night status --date {data_date}'")
        self.state.setdefault("first_page_seconds", round(time.monotonic() - self.began, 1))
        self.report(f"          {release.release_id} is out: {self.settings.address('portal')}")
        for dag_id in ("pilot_evaluation", "rollout_metrics"):
            client.wait_for_partition(dag_id, data_date, NIGHT_TIMEOUT_SECONDS)
        evaluation = store.current(self.settings, "evaluation")
        if evaluation is None or evaluation.based_on != release.release_id:
            raise CairnError(f"no evaluation of {release.release_id} came out: see pilot_evaluation in Airflow")
        self.report(f"          {evaluation.release_id} is out: {self.settings.address('portal')}pilots")
        return {"release_id": release.release_id, "evaluation_id": evaluation.release_id}

    def _feeds(self, data_date: date) -> dict[str, Any]:
        from infra.airflow_client import AirflowClient

        client = AirflowClient(self.settings)
        client.wait_for_dag("feeds_0600")
        client.wait("feeds_0600", client.trigger_dag("feeds_0600"), 300.0)
        folder = self.settings.feeds_dir / data_date.isoformat()
        return {"schools": sum(1 for path in folder.iterdir() if path.is_dir()), "path": str(folder)}

    def _documentation(self) -> None:
        from releases.learning import write_docs

        write_docs(self.settings)

    def _result(self) -> dict[str, Any]:
        from spark_jobs.intake_ledger import ledger, totals

        portal = self.settings.address("portal")
        accounts = self.state["done"]["accounts"]["result"]
        self.state.setdefault("seconds", round(time.monotonic() - self.began, 1))
        self._save()
        return {
            "addresses": {
                "portal": portal,
                "pilots": f"{portal}pilots",
                "rollout": f"{portal}rollout",
                "operations": f"{portal}operations",
                "airflow": self.settings.address("airflow"),
                "gateway": self.settings.address("gateway"),
                "feeds (folder)": self.state["done"]["feeds"]["result"]["path"],
            },
            "accounts": accounts,
            "ledger": totals(ledger(self.settings)),
            # Of the run that did the work: a second one only shows the addresses.
            "first_page_seconds": self.state["first_page_seconds"],
            "seconds": self.state["seconds"],
        }
