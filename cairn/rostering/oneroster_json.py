"""OneRoster 1.2 as its REST services send it (JSON) into the CSV files of the same standard, which one loader reads.

Standard: 1EdTech OneRoster 1.2, Rostering and Gradebook Services, information model and REST/JSON binding. Only what
the loader keeps is written: no birth date, phone, password, comment or text score.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from cairn.errors import CairnError
from cairn.rostering.oneroster_columns import RACES, REQUIRED

# A record as JSON has it.
Record = Mapping[str, object]
Rows = list[dict[str, str]]
METADATA = "metadata."
# JSON may hold one half of a character alone, no text in UTF-8 can.
_HALF = re.compile("[\ud800-\udfff]")
FLAGS = (*RACES, "demographicRaceTwoOrMoreRaces", "hispanicOrLatinoEthnicity")


def csv_files(
    collections: Mapping[str, Sequence[Record]], mode: str, columns: Collection[str] = ()
) -> dict[str, bytes]:
    """The files of a package by their names, the manifest among them.

    ``collections``: records by what the service calls them (``users``); ``mode``: bulk or delta. ``columns``: the
    district's own columns of people (``metadata.englishLearner``), which JSON has among a record's metadata. In a
    delta a collection without a record has no file. Raises CairnError naming collection and record for what is not of
    the standard.
    """
    files: dict[str, Rows] = {}
    for collection, records in collections.items():
        for file, rows in _READERS[collection](_named(collection, records), columns).items():
            files.setdefault(file, []).extend(rows)
    if mode == "delta":
        files = {file: rows for file, rows in files.items() if rows}
    manifest = [
        {"propertyName": "manifest.version", "value": "1.0"},
        {"propertyName": "oneroster.version", "value": "1.2"},
    ]
    manifest += [{"propertyName": f"file.{file}", "value": mode} for file in sorted(files)]
    written = {f"{file}.csv": _csv(rows, ("sourcedId", *REQUIRED.get(file, ()))) for file, rows in files.items()}
    return written | {"manifest.csv": _csv(manifest, ("propertyName", "value"))}


class _Named:
    """One record, and its name in a message: the collection and its number, never a value."""

    def __init__(self, where: str, record: Record) -> None:
        self.where = where
        self.record = record

    def text(self, name: str, record: Record | None = None) -> str:
        """A value as a cell; empty where there is none. Raises CairnError for what is no single value."""
        return self._cell(name, (self.record if record is None else record).get(name))

    def texts(self, name: str) -> str:
        """A list of values as one cell; a comma within one would make two of it."""
        found = self.record.get(name)
        values = found if isinstance(found, list) else [] if found is None else [found]
        return ",".join(self._cell(name, one).replace(",", " ") for one in values)

    def ids(self, *names: str) -> str:
        """The sourcedIds that the first of these references names, as one cell."""
        for name in names:
            found = self.record.get(name)
            references = found if isinstance(found, list) else [] if found is None else [found]
            if references:
                return ",".join(self._reference(name, one) for one in references)
        return ""

    def children(self, name: str) -> list[Record]:
        """The records within one (roles of a user). Raises CairnError where they are none."""
        found = self.record.get(name)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise CairnError(f"{self.where}: {name} is no list of objects, as the standard has it; nothing was loaded")
        return found

    def common(self, **cells: str) -> dict[str, str]:
        """A row with the three columns that every file begins with."""
        first = {name: self.text(name) for name in ("sourcedId", "status", "dateLastModified")}
        return {**first, **cells}

    def plain(self, *names: str) -> dict[str, str]:
        """Values that are called alike in both forms."""
        return {name: self.text(name) for name in names}

    def own(self, columns: Iterable[str]) -> dict[str, str]:
        """The district's own columns, from the metadata or from beside them."""
        metadata = self.record.get("metadata")
        inner: Record = metadata if isinstance(metadata, dict) else {}
        found = {}
        for column in columns:
            name = column.removeprefix(METADATA)
            value = inner.get(name, inner.get(column, self.record.get(name)))
            if value is not None:
                found[column] = self._cell(column, value)
        return found

    def _reference(self, name: str, found: object) -> str:
        if isinstance(found, dict):
            identity = found.get("sourcedId") or str(found.get("href") or "").rstrip("/").rpartition("/")[2]
            return self._cell(name, identity)
        return self._cell(name, found)

    def _cell(self, name: str, value: object) -> str:
        if value is None:
            return ""
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str | int | float):
            text = str(value)
            if not text.isascii() and _HALF.search(text):
                raise CairnError(f"{self.where}: {name} holds half of a character; nothing was loaded")
            return text
        raise CairnError(f"{self.where}: {name} is no single value, as the standard has it; nothing was loaded")


def _named(collection: str, records: Sequence[Record]) -> list[_Named]:
    return [_Named(f"{collection}, record {number}", record) for number, record in enumerate(records, 1)]


def _org(one: _Named) -> dict[str, str]:
    return one.common(**one.plain("name", "type", "identifier"), parentSourcedId=one.ids("parent"))


def _session(one: _Named) -> dict[str, str]:
    plain = one.plain("title", "type", "startDate", "endDate", "schoolYear")
    return one.common(**plain, parentSourcedId=one.ids("parent"))


def _course(one: _Named) -> dict[str, str]:
    return one.common(
        **one.plain("title", "courseCode"),
        grades=one.texts("grades"),
        subjects=one.texts("subjects"),
        orgSourcedId=one.ids("org"),
    )


def _class(one: _Named) -> dict[str, str]:
    return one.common(
        **one.plain("title", "classCode", "classType"),
        grades=one.texts("grades"),
        subjects=one.texts("subjects"),
        courseSourcedId=one.ids("course"),
        schoolSourcedId=one.ids("school"),
        termSourcedIds=one.ids("terms"),
    )


def _enrollment(one: _Named) -> dict[str, str]:
    return one.common(
        **one.plain("role", "primary", "beginDate", "endDate"),
        classSourcedId=one.ids("class"),
        schoolSourcedId=one.ids("school"),
        userSourcedId=one.ids("user"),
    )


def _users(records: Sequence[_Named], columns: Collection[str]) -> dict[str, Rows]:
    users: Rows = []
    roles: Rows = []
    profiles: Rows = []
    for one in records:
        users.append(
            one.common(
                **one.plain("enabledUser", "username", "givenName", "familyName", "identifier", "email"),
                # JSON calls a preferred name by its place, CSV by its kind.
                preferredGivenName=one.text("preferredFirstName"),
                preferredFamilyName=one.text("preferredLastName"),
                grades=one.texts("grades"),
                primaryOrgSourcedId=one.ids("primaryOrg"),
                **one.own(columns),
            )
        )
        roles += _roles(one)
        profiles += _profiles(one)
    return {"users": users, "roles": roles, "userProfiles": profiles}


def _roles(one: _Named) -> Rows:
    """Roles of a user: 1.2 has a list of them, 1.1 one word and the orgs beside it."""
    given = one.children("roles")
    if not given and one.text("role"):
        given = [{"roleType": "primary", "role": one.record["role"], "org": one.ids("orgs", "org").split(",")[0]}]
    rows = []
    for number, role in enumerate(given, 1):
        of = _Named(f"{one.where}, role {number}", role)
        plain = of.plain("roleType", "role", "beginDate", "endDate")
        row = one.common(**plain, userSourcedId=one.text("sourcedId"), orgSourcedId=of.ids("org"))
        rows.append({**row, "sourcedId": f"{row['sourcedId']}/{number}"})
    return rows


def _profiles(one: _Named) -> Rows:
    """Accounts of a user in vendors' apps, one row a credential; what it is opened with is read past."""
    rows = []
    for number, profile in enumerate(one.children("userProfiles"), 1):
        of = _Named(f"{one.where}, profile {number}", profile)
        plain = of.plain("profileType", "vendorId", "applicationId")
        for place, credential in enumerate(of.children("credentials"), 1):
            row = one.common(**plain, username=of.text("username", credential), userSourcedId=one.text("sourcedId"))
            rows.append({**row, "sourcedId": f"{row['sourcedId']}/{number}/{place}"})
    return rows


def _demographics(records: Sequence[_Named], columns: Collection[str]) -> dict[str, Rows]:
    return {"demographics": [one.common(**one.plain("sex", *FLAGS), **one.own(columns)) for one in records]}


def _line_item(one: _Named) -> dict[str, str]:
    return one.common(
        **one.plain("title", "assignDate", "dueDate", "resultValueMin", "resultValueMax"),
        classSourcedId=one.ids("class"),
        categorySourcedId=one.ids("category"),
        academicSessionSourcedId=one.ids("academicSession", "gradingPeriod"),
        schoolSourcedId=one.ids("school"),
    )


def _results(records: Sequence[_Named], _: Collection[str]) -> dict[str, Rows]:
    results: Rows = []
    objectives: Rows = []
    for one in records:
        results.append(
            one.common(
                **one.plain("scoreStatus", "score", "scoreDate"),
                lineItemSourcedId=one.ids("lineItem"),
                studentSourcedId=one.ids("student"),
                classSourcedId=one.ids("class"),
            )
        )
        for place, group in enumerate(one.children("learningObjectiveSet"), 1):
            of = _Named(f"{one.where}, learningObjectiveSet {place}", group)
            for number, scored in enumerate(of.children("learningObjectiveResults"), 1):
                identity = {"sourcedId": f"{one.text('sourcedId')}/{place}/{number}"}
                row = one.common(resultSourcedId=one.text("sourcedId"), source=of.text("source"))
                plain = {name: of.text(name, scored) for name in ("learningObjectiveId", "score")}
                objectives.append({**row, **identity, **plain})
    return {"results": results, "resultLearningObjectiveIds": objectives}


def _plainly(file: str, convert: Callable[[_Named], dict[str, str]]) -> Callable[..., dict[str, Rows]]:
    def read(records: Sequence[_Named], _: Collection[str]) -> dict[str, Rows]:
        return {file: [convert(one) for one in records]}

    return read


_READERS: dict[str, Callable[[Sequence[_Named], Collection[str]], dict[str, Rows]]] = {
    "orgs": _plainly("orgs", _org),
    "academicSessions": _plainly("academicSessions", _session),
    "courses": _plainly("courses", _course),
    "classes": _plainly("classes", _class),
    "users": _users,
    "enrollments": _plainly("enrollments", _enrollment),
    "demographics": _demographics,
    "lineItems": _plainly("lineItems", _line_item),
    "results": _results,
}


def _csv(rows: Rows, header: Sequence[str]) -> bytes:
    """Rows as CSV in UTF-8; columns in the order in which they first come."""
    columns = list(dict.fromkeys([*header, *(name for row in rows for name in row)]))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")
