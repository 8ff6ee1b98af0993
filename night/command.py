"""A task of Airflow's as one ``cairn`` command: a list of arguments, never a line for a shell.

What comes from outside (the key of a partition, the id of a pilot) is parsed before it becomes an argument: whoever
may trigger a run must not be able to run anything else.
"""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from typing import Any

from cairn.errors import CairnError, UsageError

LOG = logging.getLogger(__name__)
# As schemas/pilots/plan.schema.json has it.
_PILOT_ID = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")


def as_day(text: str) -> str:
    """A data date as YYYY-MM-DD. Raises UsageError for anything that is not a date."""
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except (AttributeError, ValueError):
        raise UsageError(f"{str(text)[:40]!r} is no date: give the data date as YYYY-MM-DD") from None


def as_pilot_id(text: str) -> str:
    """The id of a pilot. Raises UsageError for anything that a plan could not be called."""
    if not isinstance(text, str) or not _PILOT_ID.fullmatch(text):
        raise UsageError(f"{str(text)[:40]!r} is no id of a pilot: see 'cairn pilots list'")
    return text


def run_cairn(*arguments: str) -> None:
    """Run one command and pass on what it says, line by line, to the task's log.

    Raises CairnError with its last words where it fails. The command is ended with the task.
    """
    last = ""
    with subprocess.Popen(_command(arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last = line.rstrip() or last
                LOG.info("%s", line.rstrip())
            status = process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
    if status != 0:
        raise CairnError(f"cairn {' '.join(arguments)} failed ({status}): {last}")


def ask_cairn(*arguments: str) -> dict[str, Any]:
    """Run one command with ``--json`` and return its answer. Raises CairnError where it fails."""
    done = subprocess.run(_command([*arguments, "--json"]), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise CairnError(f"cairn {' '.join(arguments)} failed ({done.returncode}): see the lines above")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "cli.main", *arguments]
