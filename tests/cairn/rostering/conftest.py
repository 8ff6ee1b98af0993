"""Small OneRoster packages, written by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from cairn.district import EXAMPLES, load_yaml_mapping

# After sourcedId, status and dateLastModified, with which every file begins.
HEADERS = {
    "orgs": "name,type,identifier,parentSourcedId",
    "classes": "title,grades,courseSourcedId,schoolSourcedId,termSourcedIds,subjects",
    "users": "enabledUser,username,givenName,familyName,email,grades,primaryOrgSourcedId",
    "roles": "userSourcedId,roleType,role,orgSourcedId",
    "enrollments": "classSourcedId,schoolSourcedId,userSourcedId,role,beginDate,endDate",
    "demographics": "sex,asian,white,hispanicOrLatinoEthnicity,metadata.englishLearner",
}


@pytest.fixture
def identity() -> dict[str, Any]:
    """The example identity.yaml."""
    return load_yaml_mapping(EXAMPLES / "identity.yaml")


@pytest.fixture
def package(tmp_path: Path) -> Callable[..., Path]:
    """``package({"users": ["u1,..."]}, modes={"users": "delta"})`` writes a 1.2 folder and returns it."""

    def write(files: Mapping[str, list[str]], modes: Mapping[str, str] | None = None, name: str = "roster") -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        said = dict.fromkeys(files, "bulk") | dict(modes or {})
        lines = ["propertyName,value", "oneroster.version,1.2", *(f"file.{file},{mode}" for file, mode in said.items())]
        (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
        for file, rows in files.items():
            (folder / f"{file}.csv").write_text(
                "\n".join([f"sourcedId,status,dateLastModified,{HEADERS[file]}", *rows]) + "\n"
            )
        return folder

    return write
