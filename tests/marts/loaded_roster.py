"""A roster as a district delivers it: a OneRoster folder with a class a school, loaded by the loader itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import loading
from cairn.settings import Settings


def load_people(settings: Settings, folder: Path, people: Mapping[str, tuple[str, str]], when: datetime) -> None:
    """Pupil to school and grade, everybody enrolled since the first day of school."""
    folder.mkdir()
    schools = sorted({school for school, _ in people.values()})
    files: dict[str, list[str]] = {
        "orgs": ["sourcedId,name,type", *(f"{school},{school},school" for school in schools)],
        "classes": ["sourcedId,title,schoolSourcedId", *(f"c-{school},Class,{school}" for school in schools)],
        "users": [
            "sourcedId,enabledUser,username,givenName,familyName,grades,primaryOrgSourcedId",
            *(f"{pupil},true,{pupil},A,B,{grade},{school}" for pupil, (school, grade) in people.items()),
        ],
        "roles": [
            "sourcedId,userSourcedId,roleType,role,orgSourcedId",
            *(f"r-{pupil},{pupil},primary,student,{school}" for pupil, (school, _) in people.items()),
        ],
        "enrollments": [
            "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role,beginDate,endDate",
            *(f"e-{pupil},c-{school},{school},{pupil},student,2026-08-17," for pupil, (school, _) in people.items()),
        ],
    }
    files["manifest"] = ["propertyName,value", "oneroster.version,1.2", *(f"file.{name},bulk" for name in files)]
    for name, lines in files.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    result = loading.load_roster(settings, folder, recorded_at=when)
    assert result["rejected"] == 0, result["problems"]
