"""What a spreadsheet does to a table, and designs that hold no comparison: said with file, line and column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.pilots.estimators.asking import ask, refused, write

Columns = dict[str, list[object]]
NAMED = ["--outcome", "score", "--treatment", "treated"]


def pupils() -> Columns:
    """Fourteen schools of six pupils, half of them treated."""
    rng = np.random.default_rng(1)
    school = np.repeat(np.arange(14), 6)
    before = rng.normal(450, 20, 84).round(1)
    after = (before + rng.normal(0, 8, 84) + rng.normal(0, 3, 14)[school]).round(1)
    return {
        "school": [f"{one:03d}" for one in school],
        "treated": (school < 7).astype(int).tolist(),
        "before": before.tolist(),
        "score": after.tolist(),
    }


def with_value(column: str, row: int, value: object) -> Columns:
    columns = pupils()
    columns[column][row] = value
    return columns


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("score", "0:45", "line 6, column score: '0:45' is a time as spreadsheets write it"),
        (
            "score",
            "46273",
            "line 6, column score: 46273 stands far from all others and is how spreadsheets",
        ),
        ("score", "9/8/2026", "line 6, column score: '9/8/2026' is a date"),
        ("score", "45%", "line 6, column score: '45%' is a per cent"),
        ("score", "3,5", "line 6, column score: '3,5' is written with a comma"),
        ("score", "inf", "line 6, column score: 'inf' is not a number"),
        ("score", "#DIV/0!", "line 6, column score: '#DIV/0!' is not a number"),
        ("treated", 2, "line 6, column treated: 2 is neither 0 (comparison) nor 1 (treated)"),
        ("treated", "yes", "line 6, column treated: 'yes' is not a number"),
    ],
)
def test_a_value_that_is_no_number_is_named(tmp_path: Path, column: str, value: object, said: str) -> None:
    data = write(tmp_path / "pupils.csv", with_value(column, 4, value))
    found = refused("difference", data, *NAMED)
    assert said in found
    assert "pupils.csv" in found


def all_treated(columns: Columns) -> None:
    columns["treated"] = [1] * 84


def pretest_of_one_arm(columns: Columns) -> None:
    columns["before"] = ["" if arm else score for arm, score in zip(columns["treated"], columns["before"], strict=True)]


def one_school(columns: Columns) -> None:
    columns["treated"] = [int(school == "003") for school in columns["school"]]


def same_score(columns: Columns) -> None:
    columns["score"] = [500] * 84


def score_by_arm(columns: Columns) -> None:
    columns["score"] = [500 + 10 * int(str(arm)) for arm in columns["treated"]]


def same_pretest(columns: Columns) -> None:
    columns["before"] = [450] * 84


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (all_treated, "column treated: all rows are treated, so there is nothing to compare"),
        (pretest_of_one_arm, "no row is treated once rows with a missing value are left out"),
        (one_school, "one school is the whole treated arm"),
        (same_score, "column score: all 84 values are 500: nothing varies"),
        (score_by_arm, "determine it exactly"),
        (same_pretest, "column before: it is constant"),
    ],
)
@pytest.mark.parametrize("method", ["auto", "cr1", "cr2", "cr3", "wild", "permutation"])
def test_a_comparison_that_cannot_be_had_is_refused(
    tmp_path: Path, harm: Callable[[Columns], None], said: str, method: str
) -> None:
    columns = pupils()
    harm(columns)
    options = ["--covariates", "before", "--cluster", "school", "--inference", method]
    assert said in refused("difference", write(tmp_path / "p.csv", columns), *NAMED, *options)


def test_thousands_are_read_and_said(tmp_path: Path) -> None:
    columns = pupils()
    columns["score"] = [f"{1000 + float(str(score)):,.1f}" for score in columns["score"]]
    plain = ask("difference", write(tmp_path / "plain.csv", pupils()), *NAMED)
    found = ask("difference", write(tmp_path / "commas.csv", columns), *NAMED)
    assert found["estimates"][0]["estimate"] == pytest.approx(plain["estimates"][0]["estimate"], abs=1e-9)
    assert (
        "score: 84 numbers with a comma between thousands were read as 1,250 = 1250 (first on line 2)"
        in found["warnings"]
    )


def test_ids_are_text_and_007_is_not_7(tmp_path: Path) -> None:
    columns = pupils()
    columns["school"] = ["7" if school == "006" else school for school in columns["school"]]
    columns["school"] = ["007" if school == "008" else school for school in columns["school"]]
    found = ask("difference", write(tmp_path / "p.csv", columns), *NAMED, "--cluster", "school")
    assert found["clusters"] == 13
    assert "school is read as text: '007' and '7' are two different ids" in found["warnings"]


def test_missing_values_are_counted_and_lost_schools_named(tmp_path: Path) -> None:
    columns = pupils()
    for row, word in enumerate(["", "NA", "n/a", "NaN", ".", "null", "NULL", "#N/A"]):
        columns["before"][row] = word
    columns["score"][20] = ""
    data = write(tmp_path / "p.csv", columns)
    found = ask("difference", data, *NAMED, "--covariates", "before", "--cluster", "school")
    assert (found["n"], found["clusters"]) == (75, 13)
    assert "9 of 84 rows were left out for a missing value (score 1, before 8)" in found["warnings"]
    assert "no row of school 000 is complete: left out with all its rows" in found["warnings"]


def test_few_pupils_are_labelled(tmp_path: Path) -> None:
    columns = {name: values[36:48] for name, values in pupils().items()}
    found = ask("difference", write(tmp_path / "p.csv", columns), *NAMED)
    assert "only 6 rows in an arm, fewer than the 10" in " ".join(found["warnings"])


def test_an_unknown_column_brings_the_nearest(tmp_path: Path) -> None:
    data = write(tmp_path / "p.csv", pupils())
    assert "no column 'scroe'; did you mean 'score'?" in refused(
        "difference", data, "--outcome", "scroe", "--treatment", "treated"
    )
    assert "did you mean 'school'?" in refused("difference", data, *NAMED, "--cluster", "schol")
    assert "columns are school, treated, before, score" in refused("difference", data, *NAMED, "--covariates", "zzz")
    assert "has two roles" in refused("difference", data, *NAMED, "--covariates", "score")
    assert "known are auto, classical" in refused("difference", data, *NAMED, "--inference", "magic")
    assert "needs the clusters" in refused("difference", data, *NAMED, "--inference", "cr2")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1: no header"),
        (b"score,treated\n", "no rows after the header"),
        (b"score;treated\n1;0\n", "separated by semicolons"),
        (b"score,treated,score\n1,0,2\n", "column 'score' is there twice"),
        (b"score,treated\n1,0\n1,0,5\n", "line 3: 3 values for 2 columns"),
        ("score,treated\n\u00e9,0\n".encode("latin-1"), "is not UTF-8"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "p.csv").write_bytes(content)
    assert said in refused("difference", tmp_path / "p.csv", *NAMED)
    assert "cannot be read" in refused("difference", tmp_path / "absent.csv", *NAMED)


def test_schools_of_both_arms_cannot_be_permuted(tmp_path: Path) -> None:
    data = write(tmp_path / "p.csv", with_value("treated", 4, 0))
    said = refused("difference", data, *NAMED, "--cluster", "school", "--inference", "permutation")
    assert "its school has rows of both arms" in said
    found = ask("difference", data, *NAMED, "--cluster", "school")
    assert found["method"] == "cr2"
    assert "treatment varies within school" in " ".join(found["warnings"])


def test_levels_of_a_factor_are_text_and_each_has_a_mean(tmp_path: Path) -> None:
    columns = pupils()
    columns["grade"] = [("3", "03", "4")[row % 3] for row in range(84)]
    found = ask("difference", write(tmp_path / "p.csv", columns), *NAMED, "--factors", "grade", "--inference", "hc1")
    assert [one["term"] for one in found["estimates"]] == ["treated", "intercept", "grade 3", "grade 4"]


def test_an_outcome_of_yes_and_no_brings_the_index_for_shares(tmp_path: Path) -> None:
    """WWC's worked share of .8 against .5, .840178 without the correction for 84 pupils."""
    columns = pupils()
    arms = [row for row in range(84) if columns["treated"][row] == 1], [row for row in range(84) if row >= 42]
    columns["score"] = [0] * 84
    for arm, share in zip(arms, (0.8, 0.5), strict=True):
        for row in arm[: round(share * 40)]:
            columns["score"][row] = 1
    columns = {name: [*values[:40], *values[42:82]] for name, values in columns.items()}
    found = ask("difference", write(tmp_path / "p.csv", columns), *NAMED)
    assert f"is {0.840178400678722 * (1 - 3 / (4 * 80 - 9)):.3f}, unadjusted" in " ".join(found["warnings"])
