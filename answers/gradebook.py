"""A feed's OneRoster package as the records of the Gradebook Service (REST), for systems that ask for JSON.

Standard: 1EdTech OneRoster Gradebook Service 1.2, REST/JSON binding; read only. A line item names its session as
``academicSession`` and, for readers of 1.1, as ``gradingPeriod`` too. Classes, users and sessions are references into
the district's own roster: their ``href`` names the thing, it is not served here.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections import defaultdict
from functools import lru_cache
from pathlib import Path
from typing import Any

Record = dict[str, Any]
Rows = list[dict[str, str]]
COLLECTIONS = ("categories", "lineItems", "results", "scoreScales")


def records(package: Path, collection: str, modified_at: str, base: str) -> list[Record]:
    """The records of a collection, in the order of the package. ``base``: address of the service."""
    return _Package(package, modified_at, base).of(collection)


class _Package:
    def __init__(self, path: Path, modified_at: str, base: str) -> None:
        self._path, self._modified_at, self._base = path, modified_at, base

    def of(self, collection: str) -> list[Record]:
        convert = {
            "categories": self._category,
            "lineItems": self._line_item,
            "results": self._result,
            "scoreScales": self._score_scale,
        }[collection]
        self._scales = {
            row["lineItemSourcedId"]: row["scoreScaleSourcedId"] for row in self._rows("lineItemScoreScales")
        }
        self._item_objectives = _by(self._rows("lineItemLearningObjectiveIds"), "lineItemSourcedId")
        self._result_objectives = _by(self._rows("resultLearningObjectiveIds"), "resultSourcedId")
        return [self._common(row) | convert(row) for row in self._rows(collection)]

    def _rows(self, name: str) -> Rows:
        return _read(str(self._path), self._path.stat().st_mtime_ns, name)

    def _common(self, row: dict[str, str]) -> Record:
        return {"sourcedId": row["sourcedId"], "status": "active", "dateLastModified": self._modified_at}

    def _ref(self, kind: str, sourced_id: str) -> Record:
        return {"href": f"{self._base}/{kind}/{sourced_id}", "sourcedId": sourced_id, "type": kind}

    def _category(self, row: dict[str, str]) -> Record:
        return {"title": row["title"], "weight": float(row["weight"])}

    def _line_item(self, row: dict[str, str]) -> Record:
        session = self._ref("academicSession", row["academicSessionSourcedId"])
        objectives: dict[str, list[str]] = defaultdict(list)
        for one in self._item_objectives[row["sourcedId"]]:
            objectives[one["source"]].append(one["learningObjectiveId"])
        scale = self._scales.get(row["sourcedId"])
        return {
            "title": row["title"],
            "description": row["description"],
            "assignDate": f"{row['assignDate']}T00:00:00.000Z",
            "dueDate": f"{row['dueDate']}T00:00:00.000Z",
            "class": self._ref("class", row["classSourcedId"]),
            "school": self._ref("org", row["schoolSourcedId"]),
            "category": self._ref("category", row["categorySourcedId"]),
            "academicSession": session,
            "gradingPeriod": session,
            "resultValueMin": float(row["resultValueMin"]),
            "resultValueMax": float(row["resultValueMax"]),
            "learningObjectiveSet": [
                {"source": source, "learningObjectiveIds": ids} for source, ids in objectives.items()
            ],
        } | ({"scoreScale": self._ref("scoreScale", scale)} if scale else {})

    def _result(self, row: dict[str, str]) -> Record:
        objectives: dict[str, Rows] = _by(self._result_objectives[row["sourcedId"]], "source")
        record: Record = {
            "lineItem": self._ref("lineItem", row["lineItemSourcedId"]),
            "student": self._ref("user", row["studentSourcedId"]),
            "class": self._ref("class", row["classSourcedId"]),
            "scoreStatus": row["scoreStatus"],
            "textScore": row["textScore"],
            "scoreDate": row["scoreDate"],
            "learningObjectiveSet": [
                {
                    "source": source,
                    "learningObjectiveResults": [
                        {
                            "learningObjectiveId": one["learningObjectiveId"],
                            "score": float(one["score"]),
                            "textScore": one["textScore"],
                        }
                        for one in found
                    ],
                }
                for source, found in objectives.items()
            ],
        }
        record |= {name: row[name] for name in ("inProgress", "incomplete", "late", "missing")}
        record |= {"score": float(row["score"])} if row["score"] else {}
        return record | ({"comment": row["comment"]} if row["comment"] else {})

    def _score_scale(self, row: dict[str, str]) -> Record:
        pairs = [pair.strip("{}").split(":") for pair in row["scoreScaleValue"].split(",")]
        return {
            "title": row["title"],
            "type": row["type"],
            "course": self._ref("course", row["courseSourcedId"]),
            "class": self._ref("class", row["classSourcedId"]),
            "scoreScaleValue": [{"itemValueLHS": left, "itemValueRHS": right} for left, right in pairs],
        }


@lru_cache(maxsize=16)
def _read(path: str, _changed: int, name: str) -> Rows:
    """Rows of one file of the package; none where it is absent. A page of many asks for the same file again."""
    with zipfile.ZipFile(path) as archive:
        if f"{name}.csv" not in archive.namelist():
            return []
        with archive.open(f"{name}.csv") as file:
            return list(csv.DictReader(io.TextIOWrapper(file, "utf-8", newline="")))


def _by(rows: Rows, column: str) -> dict[str, Rows]:
    found: dict[str, Rows] = defaultdict(list)
    for row in rows:
        found[row[column]].append(row)
    return found
