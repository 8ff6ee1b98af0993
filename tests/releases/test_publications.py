"""Publications: on fixed days, audited against all before, blocked with the cells named; and what a page reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta

import duckdb
import pytest

import lake
from cairn.errors import CairnError
from cairn.privacy_dates import PublicationRules, publication_rules
from cairn.protection.attack import MOST, Claims, Interval, intervals
from cairn.protection.audit import claims_of
from cairn.protection.published import from_json
from cairn.settings import Settings
from cli.main import main
from releases import evaluation, learning, publications
from tests.pilots.released_pilots import release_pilots
from tests.pilots.simulated_marts import simulated_pilots
from tests.releases.small_release import insert, make, publish_unseen

MONDAY = date(2026, 11, 23)
# The review's two nights: pupils whose plan holds the competency, and those who have mastered it.
FIRST_NIGHT = {"M.RP.1": (33, 2), "M.MD.5": (121, 17)}
SECOND_NIGHT = {"M.RP.1": (42, 5), "M.MD.5": (127, 20)}


def release(settings: Settings, day: date, pupils: Mapping[str, tuple[int, int]], schools: tuple[int, int]) -> None:
    """A published learning release: a subject of its own for each competency, pupils of two schools."""
    draft = make(settings, day)
    with duckdb.connect(str(draft.path.with_name(learning.BUILT))) as connection:
        for name, (count, mastered) in pupils.items():
            insert(connection, "mart_competency", {"competency_id": name, "subject": name})
            for table, columns in (
                ("mart_pupil_plan", f"student_key, subject) select 'p' || i, '{name}'"),
                (
                    "mart_student_competency",
                    "student_key, competency_id, state) select 'p' || i,"
                    f" '{name}', case when i < {mastered} then 'mastered' else 'developing' end",
                ),
            ):
                connection.execute(f"insert into {table} ({columns} from range({count}) as t(i)")
        for school, count in zip(("s1", "s2"), schools, strict=True):
            connection.execute("update mart_school set pupils = ? where school_id = ?", [count, school])
        connection.execute(
            "insert into mart_needs_adult (school_id, student_key) select 's1', 'p' || i from range(4) as t(i)"
        )
    publish_unseen(settings, draft)


def district(settings: Settings, counts: str) -> Settings:
    """The settings with a district that publishes on Mondays."""
    folder = settings.home / "district"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "privacy.yaml").write_text(f"n_min: 10\npublications:\n  weekday: monday\n  counts: {counts}\n")
    return settings.model_copy(update={"district_dir": folder})


NINE, SIX = "competency M.RP.1 pupils", "competency M.MD.5 pupils"


def net_between(settings: Settings) -> dict[str, Interval]:
    """By number of the competency table: how many more it is in the second of two publications, as far as somebody
    works out who has both and knows the rules (linear programmes over both days at once)."""
    first, second = publications.published(settings, "learning")
    both = Claims()
    for day, publication in (("before", first), ("after", second)):
        said = claims_of([publication.table("competency")])
        both.bounds |= {f"{day} {name}": bound for name, bound in said.bounds.items()}
        both.equal += [{f"{day} {name}": weight for name, weight in form.items()} for form in said.equal]
        both.at_most += [{f"{day} {name}": weight for name, weight in form.items()} for form in said.at_most]
    wanted = [name.removeprefix("after ") for name in both.bounds if name.startswith("after competency")]
    for name in wanted:
        both.bounds[f"net {name}"] = (-MOST, MOST)
        both.equal.append({f"after {name}": 1.0, f"before {name}": -1.0, f"net {name}": -1.0})
    found = intervals(both, [f"net {name}" for name in wanted])
    return {name.removeprefix("net "): interval for name, interval in found.items()}


def careless_publication(settings: Settings) -> None:
    """What the blocked numbers would have been, beside the publication that stands, for the attacker to read."""
    folder = publications.kind_dir(settings, "learning")
    careless = json.loads(next(folder.glob("publication-*.json")).read_text())
    careless["publication_date"] = (MONDAY + timedelta(days=7)).isoformat()
    for table in careless["tables"]:
        for key, row in table["rows"] if table["name"] == "competency" else ():
            count = SECOND_NIGHT[key[0]][0]
            row["pupils"] |= {"text": str(count), "value": count, "low": count, "high": count}
    (folder / "publication-learning-careless.json").write_text(json.dumps(careless))


def test_the_second_of_two_nights_is_blocked_and_the_first_stands(settings: Settings) -> None:
    exact = district(settings, "exact")
    release(exact, MONDAY, FIRST_NIGHT, (60, 63))
    first = publications.make(exact, "learning")
    assert (first.state, publications.make(exact, "learning").state) == (publications.MADE, publications.STANDS)
    release(exact, MONDAY + timedelta(days=1), SECOND_NIGHT, (60, 63))
    assert publications.make(exact, "learning").state == publications.NOT_DUE, "numbers change on Mondays"
    named = {str(one.cell) for one in publications.check(exact, "learning").failures}
    assert named == {"competency M.RP.1 pupils", "competency M.MD.5 pupils"}
    release(exact, MONDAY + timedelta(days=7), SECOND_NIGHT, (60, 63))
    second = publications.make(exact, "learning")
    assert second.state == publications.BLOCKED and {str(one.cell) for one in second.failures} == named
    assert "differs from the publication of 2026-11-23 by fewer than 10 pupils" in second.reason
    stands = publications.standing(exact, "learning")
    assert stands is not None and stands.publication_date == MONDAY
    assert stands.table("competency").text("pupils", "M.RP.1") == "33"
    rows = publications.ledger(exact)
    assert [(row["is_blocked"], row["cells_failed"]) for row in rows] == [(True, 2), (False, 0)]
    assert set(json.loads(str(rows[0]["failed_cells"]))) == named
    gates = lake.read(exact, "ops.gate_result").to_pylist()
    red = [row for row in gates if row["gate"] == "before_publication" and not row["is_passed"]]
    assert [(row["rule_id"], row["severity"]) for row in red] == [("publication.earlier", "warning")]
    careless_publication(exact)
    assert (net_between(exact)[NINE], net_between(exact)[SIX]) == ((9, 9), (6, 6)), "what blocking has prevented"


def test_rounded_numbers_go_on_and_tell_of_nobody_who_came(settings: Settings) -> None:
    rounded = district(settings, "rounded")
    assert publications.read_publication(rounded) is None
    with pytest.raises(CairnError, match="no learning release"):
        publications.make(rounded, "learning")
    release(rounded, MONDAY, FIRST_NIGHT, (60, 7))
    assert publications.after_release(rounded, "learning") == "publication-learning-2026-11-23 is published"
    release(rounded, MONDAY + timedelta(days=7), SECOND_NIGHT, (64, 7))
    assert publications.make(rounded, "learning").state == publications.MADE
    # Decision 33: whoever has both days is left ten possible numbers of those who came or went, and of those who did
    # not: of pupils, of those who have mastered it, and of those with a review due.
    net = net_between(rounded)
    assert net[NINE] == (1, 19) and net[SIX][0] <= 6 <= net[SIX][1] and len(net) == 10
    assert {name for name, (low, high) in net.items() if high - low + 1 < 10} == set()
    told = publications.read_publication(rounded)
    assert told is not None and told.next_date == MONDAY + timedelta(days=14)
    competency, schools = told.table("competency"), told.table("school_overview")
    assert [competency.text(name, "M.MD.5") for name in ("pupils", "mastered")] == ["130", "15 %"]
    assert [competency.text(name, "M.RP.1") for name in ("pupils", "mastered")] == ["40", "30 % or fewer"]
    assert [schools.text("pupils", key) for key in ("s1", "s2", "*")] == ["60", "–", "70"]
    assert schools.text("need_adult", "s1") == "20 % or fewer"
    assert told.table("rollout_school").text("pupils_planned", "x", "y") == "–", "nothing of it was published yet"


def test_pilots_have_one_base_on_every_page(settings: Settings) -> None:
    release_pilots(settings, simulated_pilots(seed=7))
    evaluation.build_and_publish(settings)
    done = publications.make(settings, "evaluation")
    assert done.state == publications.MADE, done.reason
    told = publications.read_publication(settings)
    assert told is not None
    pilot = "fraction-studio"
    planned = told.table("rollout_school").text("pupils_planned", pilot, "*")
    assert planned == told.table("pilot_counts").text("pupils_planned", pilot) != "–"
    assert planned == told.table("pilot_school").text("pupils", pilot, "*treatment")
    for key, row in told.table("rollout_school").rows.items():
        if key[1] != "*":
            assert told.table("pilot_school").text("pupils", *key) == row["pupils_planned"].text
            assert all(cell.text.split()[0].rstrip("%") not in {"0", "100"} for cell in row.values())
    path = publications.kind_dir(settings, "evaluation") / f"{done.publication_id}.json"
    assert from_json(json.loads(path.read_text())).tables == told.tables
    assert path.stat().st_mode & 0o077 == 0


def test_the_days_on_which_numbers_may_change(settings: Settings) -> None:
    weekly = PublicationRules(10)
    assert weekly.next_date(date(2026, 11, 27)) == date(2026, 11, 30)
    assert weekly.next_date(MONDAY) == date(2026, 11, 30)
    assert PublicationRules(10, every_weeks=2).next_date(MONDAY) == date(2026, 12, 7)
    assert publication_rules(district(settings, "exact")).counts_to == 1
    for wrong, said in (
        ("publications: weekly", "has the keys"),
        ("publications: {weekday: moonday}", "write one of monday"),
        ("publications: {every_weeks: 0}", "write 'every_weeks: 1'"),
        ("publications: {counts: about}", "write rounded or exact"),
    ):
        own = district(settings, "exact")
        (own.district_dir / "privacy.yaml").write_text(f"n_min: 10\n{wrong}\n")
        with pytest.raises(CairnError, match=said):
            publication_rules(own)


def test_the_commands_say_what_was_published_and_what_would_be(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    release(settings, MONDAY, FIRST_NIGHT, (60, 63))
    for verb, state in (("check", "made"), ("make", "made"), ("make", "stands")):
        with pytest.raises(SystemExit) as done:
            main(["publications", verb, "--json"])
        (said,) = json.loads(capsys.readouterr().out)["publications"]
        assert (done.value.code, said["state"], said["failed_cells"]) == (0, state, [])
        assert (said["kind"], said["next_date"]) == ("learning", "2026-11-30")
    with pytest.raises(SystemExit):
        main(["publications", "list", "--json"])
    (row,) = json.loads(capsys.readouterr().out)["publications"]
    assert (row["publication_id"], row["stands"]) == ("publication-learning-2026-11-23", True)
    with pytest.raises(SystemExit) as wrong:
        main(["publications", "make", "--kind", "weekly"])
    assert wrong.value.code == 2 and "use one of learning, evaluation" in capsys.readouterr().err
