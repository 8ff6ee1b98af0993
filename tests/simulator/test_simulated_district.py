"""The simulated district: its bytes repeat, its books add up, its statements are what they claim to be."""

from __future__ import annotations

import contextlib
import csv
import gzip
import hashlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from cairn.calendar import DistrictCalendar
from cairn.district import load_district_yaml
from cairn.errors import UsageError
from cairn.evidence.activity import Arrival, Reader, Refusal
from cairn.evidence.caliper import open_envelope, read_element
from cairn.evidence.meaning import Vocabulary
from cairn.evidence.xapi import read_statement
from cairn.keys import DistrictKeys
from cairn.rostering.case import read_case
from cairn.rostering.items import read_items
from cairn.rostering.items_named import Competencies
from cairn.rostering.layout_rows import read_assessments, read_facts, read_overrides
from cairn.rostering.layouts import load_layout
from cairn.rostering.oneroster import read_roster
from cairn.settings import Settings
from cairn.teacher_words import load_teacher_words
from simulator import generate
from simulator.dates import Dates, school_days


@pytest.fixture(scope="module")
def district(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "district"
    assert generate(out, 4, 60, 20, 11)["pilots"] == 2
    return out


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return total.hexdigest()


def _lines(district: Path) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for path in sorted((district / "activity").rglob("*.gz")):
        found.setdefault(path.name.split(".")[0], []).extend(gzip.decompress(path.read_bytes()).splitlines())
    return found


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(district: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", 4, 60, 20, 11)
    generate(tmp_path / "other", 4, 60, 20, 12)
    assert _digest(tmp_path / "again") == _digest(district)
    assert _digest(tmp_path / "other") != _digest(district)


def test_lines_agree_with_the_truth_and_the_books(district: Path) -> None:
    events = pq.read_table(district / "truth" / "events.parquet").to_pandas()
    faults = orjson.loads((district / "truth" / "faults.json").read_bytes())
    lines = _lines(district)
    assert sum(map(len, lines.values())) == len(events) == faults["totals"]["sent"]
    for column in ("sent", "accepted", "duplicate", "conflict", "rejected", "late"):
        assert sum(row[column] for row in faults["books"]) == faults["totals"][column]
    for source, found in lines.items():
        expected = events[events.source_id == source]
        assert len(found) == len(expected)
        for line, row in zip(found, expected.itertuples(), strict=True):
            if row.fault == "broken_json":
                with pytest.raises(orjson.JSONDecodeError):
                    orjson.loads(line)
                continue
            statement = orjson.loads(line)
            statement = statement["data"][0] if "data" in statement else statement
            assert statement["id"].removeprefix("urn:uuid:") == row.statement_id


def test_every_kind_of_fault_happens_even_in_a_small_district(district: Path) -> None:
    events = pq.read_table(district / "truth" / "events.parquet").to_pandas()
    kinds = {"", "duplicate", "conflict", "void", "missing_actor", "bad_verb", "bad_score", "bad_timestamp"}
    assert kinds | {"broken_json"} == set(events.fault)
    assert 0.02 < events.is_late.mean() < 0.08
    first = events.drop_duplicates("statement_id")
    assert not first.fault.isin(["duplicate", "conflict"]).any(), "a copy came before its original"
    assert set(events.counts_as) >= {"attempt", "engagement", "voided", "void", "duplicate", "conflict", "rejected"}


def test_attempts_carry_what_the_truth_says(district: Path) -> None:
    events = pq.read_table(district / "truth" / "events.parquet").to_pandas()
    by_id = events[events.counts_as == "attempt"].set_index("statement_id")
    for line in _lines(district)["tallypath"]:
        if b"answered" not in line or not line.endswith(b"}"):
            continue
        statement = orjson.loads(line)
        if statement["id"] not in by_id.index:
            continue
        row = by_id.loc[statement["id"]]
        assert statement["object"]["id"] == row.item_id
        extensions = statement["context"]["extensions"]
        assert extensions["https://cairn.example/xapi/extensions/school"] == row.school_id
        assert statement["result"].get("success") in (True, False) or row.score in (0.25, 0.5, 0.75)
        if statement["result"]["score"]["scaled"] != row.score:
            assert (events[events.statement_id == statement["id"]].fault == "conflict").any()


def test_enrolments_cover_moves_and_a_same_day_return(district: Path) -> None:
    with (district / "roster" / "enrollments.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["role"] == "student"]
    by_pupil: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_pupil.setdefault(row["userSourcedId"], []).append(row)
    assert len(by_pupil) == 60
    assert any(len({r["schoolSourcedId"] for r in found}) == 2 for found in by_pupil.values())
    assert any(
        a["endDate"] and a["endDate"] == b["beginDate"] and a["classSourcedId"] == b["classSourcedId"]
        for found in by_pupil.values()
        for a in found
        for b in found
    )


def test_one_source_falls_silent_at_the_end(district: Path) -> None:
    silent = orjson.loads((district / "truth" / "faults.json").read_bytes())["silent"]
    events = pq.read_table(district / "truth" / "events.parquet").to_pandas()
    worked = events[events.source_id == silent["source_id"]].work_date.astype(str)
    assert len(worked) > 0
    assert worked.max() < silent["from_date"] < events.work_date.astype(str).max()


def test_knowing_makes_right_answers(district: Path) -> None:
    events = pq.read_table(district / "truth" / "events.parquet").to_pandas()
    attempts = events[(events.counts_as == "attempt") & (events.attempt_number == 1)]
    ability = pq.read_table(district / "truth" / "students.parquet").to_pandas().set_index("student_id").ability
    share = attempts.groupby("student_id").score.mean()
    assert np.corrcoef(share, ability[share.index])[0, 1] > 0.3


def test_sources_and_plans_name_schools_of_the_roster(district: Path) -> None:
    with (district / "roster" / "orgs.csv").open() as file:
        schools = {row["sourcedId"] for row in csv.DictReader(file) if row["type"] == "school"}
    for source in yaml.safe_load((district / "sources.yaml").read_text())["sources"]:
        assert set(source["schools"]) <= schools
        assert source["format"] in ("xapi", "caliper")
    for path in (district / "pilots").glob("*.yaml"):
        arms = yaml.safe_load(path.read_text())["analysis"]["arms"]
        assert set(arms["treatment"]) | set(arms["comparison"]) <= schools


def test_wrong_sizes_and_full_folders_are_refused(district: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one school"):
        generate(tmp_path / "a", 5, 3, 10, 1)
    with pytest.raises(UsageError, match="school days"):
        generate(tmp_path / "a", 1, 3, 500, 1)
    with pytest.raises(UsageError, match="not empty"):
        generate(district, 4, 60, 20, 11)


@pytest.mark.parametrize(("schools", "students", "days", "pilots"), [(1, 5, 1, 0), (2, 8, 12, 1), (3, 20, 35, 1)])
def test_small_districts_are_districts_too(tmp_path: Path, schools: int, students: int, days: int, pilots: int) -> None:
    assert generate(tmp_path / "small", schools, students, days, 3)["pilots"] == pilots


def test_with_24_schools_pilots_have_six_schools_an_arm(tmp_path: Path) -> None:
    generate(tmp_path / "d", 24, 240, 5, 7)
    pilots = orjson.loads((tmp_path / "d" / "truth" / "pilots.json").read_bytes())["pilots"]
    assert [(p["effect_sd"], len(p["treatment"]), len(p["comparison"])) for p in pilots] == [(0.15, 6, 6), (0.0, 6, 6)]


def test_the_gateway_takes_what_the_truth_says_it_takes(district: Path, settings: Settings) -> None:
    """Read by the platform's own parsers: refusals are exactly the malformed lines, and attempts agree."""
    reader = Reader(DistrictKeys.load(settings), Vocabulary.load(settings))
    scopes = {
        s["source_id"]: frozenset(s["schools"])
        for s in yaml.safe_load((district / "sources.yaml").read_text())["sources"]
    }
    events = pq.read_table(district / "truth" / "events.parquet").to_pandas()
    for source, found in _lines(district).items():
        arrival = Arrival(source, scopes[source], datetime(2026, 11, 1, tzinfo=UTC), settings.zone)
        for line, row in zip(found, events[events.source_id == source].itertuples(), strict=True):
            record = None
            with contextlib.suppress(Refusal, orjson.JSONDecodeError):
                body = orjson.loads(line)
                if "sensor" in body:
                    record = read_element(open_envelope(body)[0], arrival, reader)
                else:
                    record = read_statement(body, arrival, reader)
            assert (record is None) == (row.counts_as == "rejected"), row.fault
            if record is None:
                continue
            assert record["org_id"] == row.school_id
            assert record["class_id"] == row.class_id
            assert pd.Timestamp(record["event_time"]) == row.event_time.floor("ms")
            if row.counts_as == "completion":
                assert (record["activity_type"], record["duration_ms"]) == ("completion", row.duration_ms)
            if row.counts_as == "attempt":
                kept = ("attempt", row.item_id, row.correct, row.score, row.attempt_number, row.hints, row.duration_ms)
                names = (
                    "activity_type",
                    "item_id",
                    "success",
                    "score_scaled",
                    "attempt_number",
                    "hints",
                    "duration_ms",
                )
                assert tuple(record[name] for name in names) == kept


def test_the_simulated_year_is_the_shipped_calendar(settings: Settings) -> None:
    calendar = DistrictCalendar.load(settings)
    days = school_days()
    assert all(calendar.is_school_day(day) for day in days)
    span = [days[0] + timedelta(days=k) for k in range((days[-1] - days[0]).days + 1)]
    assert [day for day in span if calendar.is_school_day(day)] == days


@pytest.mark.parametrize("today", [date(2026, 11, 22), date(2027, 1, 4), date(2027, 7, 14), date(2026, 9, 8)])
@pytest.mark.parametrize("count", [15, 60])
def test_a_moved_year_ends_on_the_last_school_day(today: date, count: int, settings: Settings) -> None:
    dates = Dates.of(count, today - timedelta(days=1))
    calendar = DistrictCalendar.from_mapping(dates.configuration(), "calendar.yaml", settings.timezone)
    assert len(dates.days) == count
    assert dates.last == calendar.previous_school_day(today)
    assert list(dates.days) == calendar.school_days(dates.year_start, dates.last)
    assert dates.year_start < dates.year_half < dates.year_end


def test_every_file_is_read_without_a_problem(district: Path, settings: Settings) -> None:
    """By the platform's own parsers and layouts: nothing refused, no column unknown."""
    roster = read_roster(district / "roster", load_district_yaml(settings, "identity.yaml"))
    assert [str(problem) for problem in roster.problems] == []
    assert roster.row_count > 60
    framework = read_case(district / "competencies.json")
    assert (framework.problems, framework.prerequisites) == ([], 38)
    loaded = Competencies({row["competency_id"] for row in framework.competencies})
    alignments = read_items(district / "items.csv", loaded)
    assert alignments.problems == []
    for window in ("fall", "winter"):
        layout = load_layout(settings, "cairn_interim", "assessments")
        file = read_assessments(district / "assessments" / f"{window}.csv", layout)
        assert (file.problems, file.unknown_columns, file.missing_columns) == ([], [], [])
        assert len(file.rows) == file.row_count > 0
    rollout = ("training", "readiness", "support", "pupil_groups")
    for name in ("dosage", "costs", "milestones", "actions", "group_locks", "attendance", *rollout):
        layout = load_layout(settings, f"cairn_{name}", "facts")
        file = read_facts(district / "facts" / f"{name}.csv", layout)
        assert (file.problems, file.unknown_columns) == ([], []), name
        assert len(file.rows) == file.row_count
    ids = {row["competency_id"] for row in framework.competencies}
    layout = load_layout(settings, "cairn_overrides", "overrides")
    words = read_overrides(district / "facts" / "overrides.csv", layout, ids)
    assert (words.problems, words.unknown_columns) == ([], [])
    assert {row.columns["said"] for row in words.rows} >= {"mastered", "not_yet"}
    assert {row.columns["reason"] for row in words.rows if row.columns["reason"]} <= set(
        load_teacher_words(settings).override_reasons
    )
