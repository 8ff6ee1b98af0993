"""Files of OneRoster beside the roster: results become facts, the others are counted, and the load says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cairn.rostering.oneroster import read_roster
from cairn.rostering.oneroster_known import Known

FILES = {
    "manifest": "propertyName,value\noneroster.version,1.2\n",
    "lineItems": "sourcedId,title,classSourcedId,resultValueMax\nl1,Quiz,c1,10\n",
    "categories": "sourcedId,title\ncat,Homework\n",
    "userProfiles": "sourcedId,userSourcedId\n",
    "lineItemLearningObjectiveIds": "sourcedId,lineItemSourcedId,source,learningObjectiveId\nx,l1,case,k1\n",
    "results": (
        "sourcedId,status,lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment\n"
        "r1,,l1,u1,fully graded,8.5,2026-09-14,a kind word about the pupil\n"
        "r2,,l1,u2,exempt,,2026-09-14,\n"
        "r3,,l1,u3,graded,8,2026-09-14,\n"
        "r4,tobedeleted,l1,u4,,,,\n"
    ),
    "resultLearningObjectiveIds": (
        "sourcedId,resultSourcedId,source,learningObjectiveId,score,textScore\n"
        "o1,r1,case,k1,3,good\no2,r9,case,k1,3,\no3,r1,unknown,k2,,fair\n"
    ),
}


def test_results_are_facts_and_the_rest_is_counted(tmp_path: Path, identity: dict[str, Any]) -> None:
    for name, text in FILES.items():
        (tmp_path / f"{name}.csv").write_text(text)
    known = Known().with_classes([{"class_id": "c1", "school_id": "s1", "session_ids": None}])
    roster = read_roster(tmp_path, identity, known)
    section = roster.sections["silver.fact"]
    told = [(row["fact_type"], row["sourced_id"], row["name"], row["value"], row["text_value"]) for row in section.rows]
    assert told == [
        ("gradebook_result", "u1", "l1", 8.5, "fully_graded"),
        ("gradebook_result", "u2", "l1", None, "exempt"),
        ("learning_objective_result", "u1", "k1", 3.0, "case"),
    ]
    assert {row["school_id"] for row in section.rows} == {"s1"}
    assert len({row["fact_id"] for row in section.rows}) == 3
    assert (len(section.ended_ids), section.is_bulk) == (1, False)
    assert "kind word" not in str(section.rows)
    assert (roster.files, roster.row_count, roster.rejected) == (6, 10, 3)
    refused = [str(problem) for problem in roster.problems if problem.is_rejected]
    assert [text.split(":")[:2] for text in refused] == [
        ["results.csv", "4"],
        ["resultLearningObjectiveIds.csv", "3"],
        ["resultLearningObjectiveIds.csv", "4"],
    ]
    counted = {problem.file: problem.reason for problem in roster.problems if "counted" in problem.reason}
    assert sorted(counted) == [
        "categories.csv",
        "lineItemLearningObjectiveIds.csv",
        "lineItems.csv",
    ]
    assert counted["lineItems.csv"] == "1 rows read and counted; nothing of the file is stored"
