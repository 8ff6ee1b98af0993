"""A district's pickup.yaml, small packages, and a run of the pick-up as its outcomes by source."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import lake
from cairn.settings import Settings
from loading.history import CURRENT
from loading.pickup.run import SourceOutcome, run_pickup

Configure = Callable[..., None]
RunPickup = Callable[..., dict[str, SourceOutcome]]
USERS = [f"u{n},,,true,user{n},Given{n},Family{n},u{n}@alder.example,s1" for n in range(3)]


@pytest.fixture
def configure(settings: Settings) -> Configure:
    """``configure(drop={...}, ...)`` writes pickup.yaml with these sources, in this order."""

    def write(**sources: Mapping[str, Any]) -> None:
        settings.district_dir.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(
            {"sources": {name.replace("_", "-"): raw for name, raw in sources.items()}}, sort_keys=False
        )
        (settings.district_dir / "pickup.yaml").write_text(text)

    return write


@pytest.fixture
def pick_up(settings: Settings) -> RunPickup:
    """``pick_up("drop", again=True)``: outcomes by source."""

    def run(*names: str, **options: bool) -> dict[str, SourceOutcome]:
        return {one.name: one for one in run_pickup(settings, names, **options)}

    return run


def roster_zip(path: Path, users: list[str] = USERS, mode: str = "bulk") -> Path:
    """A package of version 1.2 with one school, one class and these users, each enrolled."""
    ids = [user.split(",")[0] for user in users]
    files = {
        "manifest": ["propertyName,value", "oneroster.version,1.2"],
        "orgs": ["sourcedId,status,dateLastModified,name,type", "s1,,,One,school"],
        "classes": ["sourcedId,status,dateLastModified,title,schoolSourcedId", "c1,,,A,s1"],
        "users": [
            "sourcedId,status,dateLastModified,enabledUser,username,givenName,familyName,email,primaryOrgSourcedId",
            *users,
        ],
        "roles": [
            "sourcedId,status,dateLastModified,userSourcedId,roleType,role,orgSourcedId",
            *(f"r{one},,,{one},primary,student,s1" for one in ids),
        ],
        "enrollments": [
            "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,beginDate,endDate",
            *(f"e{one},,,c1,s1,{one},student,," for one in ids),
        ],
    }
    files["manifest"] += [f"file.{name},{mode}" for name in files if name != "manifest"]
    beside = path.with_name(f".{path.name}")
    with zipfile.ZipFile(beside, "w") as archive:
        for name, lines in files.items():
            archive.writestr(f"{name}.csv", "\n".join(lines) + "\n")
    beside.rename(path)
    return path


def people(settings: Settings) -> int:
    """People on the roster now."""
    return int(lake.read(settings, "silver.person", ["student_key"], CURRENT).num_rows)


def states(outcome: SourceOutcome) -> list[tuple[str, str]]:
    """Name and state of each file."""
    return [(file.name, file.state) for file in outcome.files]


def put_away(settings: Settings, source: str, where: str) -> list[str]:
    """Names in archive or quarantine, without the instant that they begin with."""
    folder = settings.pickup_dir / source / where
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir() if path.is_file())
    return sorted(path.name.partition("-")[2] for path in folder.iterdir())


def grow(path: Path) -> None:
    """Another byte, as of a copy under way."""
    with path.open("ab") as file:
        file.write(b"x")
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 1))
