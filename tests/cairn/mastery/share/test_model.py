"""The model of nights says what the fit says, in rows and back, and falls back where the fit met nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from cairn.errors import CairnError
from cairn.mastery import arrow
from cairn.mastery.share.durable import (
    DurableShare,
    Evidence,
    durable_share,
    evidence_on,
    fit_durable,
    predict_next,
    reference_logits,
)
from cairn.mastery.share.formula import PATTERNS, REFERENCE_POINTS, WEIGHTS, logits_after, shares_with_interval
from cairn.mastery.share.model import GENERAL, ShareModel, from_fit, from_rows, item_rows, on
from tests.cairn.mastery.share.simulated import SKILLS, Simulated, simulate

NOBODYS = frozenset({"i3"})


@pytest.fixture(scope="module")
def taught() -> Simulated:
    return simulate(1, 120)


@pytest.fixture(scope="module")
def fitted(taught: Simulated) -> DurableShare:
    return fit_durable(taught.data)


@pytest.fixture(scope="module")
def rows(fitted: DurableShare, taught: Simulated) -> list[dict[str, Any]]:
    return from_fit(fitted, taught.data)


@pytest.fixture(scope="module")
def model(fitted: DurableShare, taught: Simulated, rows: list[dict[str, Any]]) -> ShareModel:
    return from_rows(rows, item_rows(fitted, taught.data))


@pytest.fixture(scope="module")
def evidence(fitted: DurableShare) -> Evidence:
    return evidence_on(fitted.head, simulate(2, 40).data)


def test_the_model_says_what_the_fit_says(fitted: DurableShare, model: ShareModel, evidence: Evidence) -> None:
    names = [evidence.data.skills[code] for code in evidence.skill]
    row, days = model.rows(names), np.linspace(0.0, 90.0, evidence.skill.size)
    asked = evidence.after, evidence.pupil_after, days, row
    logit = logits_after(*asked, model.weights, model.patterns, model.skills)
    told = reference_logits(fitted.head, evidence.after, evidence.pupil_after, evidence.skill, days)
    np.testing.assert_allclose(logit[:, None] + model.reference[row], told, rtol=0, atol=1e-9)
    share, low, high = shares_with_interval(*asked, model.arrays, 0.9)
    whole = durable_share(fitted.head, evidence.after, evidence.pupil_after, evidence.skill, days)
    np.testing.assert_allclose(share, whole, rtol=0, atol=1e-9)
    assert ((low <= share) & (share <= high)).all()


def test_items_are_found_by_the_codes_that_nights_give_them(fitted: DurableShare, model: ShareModel) -> None:
    names = pa.array(["i0", "i17", None, "never seen"])
    codes = arrow.item_codes(names, np.array([1, 1, 20_700, 1]))
    row = np.array([1, 1, 1, 2])
    found = model.easiness_of(codes, row)
    np.testing.assert_allclose(found[:2], fitted.head.easiness.item[[0, 17]], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(found[2:], model.easiness[row[2:]])


def test_rows_make_the_same_rows_again(model: ShareModel, rows: list[dict[str, Any]]) -> None:
    general, *own = rows
    assert [row["competency_id"] for row in rows] == [GENERAL, *(f"s{n}" for n in range(SKILLS))]
    assert {row["model_version"] for row in rows} == {model.version}
    assert model.version.startswith("share-")
    assert (len(general["weights"]), len(general["reference"])) == (WEIGHTS + PATTERNS, REFERENCE_POINTS)
    np.testing.assert_array_equal(np.r_[model.weights, model.patterns], general["weights"])
    np.testing.assert_array_equal(model.doubt.numbers, general["doubt"])
    for row in own:
        place = model.row_of[row["competency_id"]]
        np.testing.assert_array_equal(model.skills[place], row["weights"])
        np.testing.assert_array_equal(model.reference[place], row["reference"])
        assert (model.easiness[place], row["doubt"]) == (row["easiness"], None)
    again = from_rows(reversed(rows))
    assert again.version == model.version
    np.testing.assert_array_equal(again.skills, model.skills)


def test_other_evidence_is_another_version(fitted: DurableShare, taught: Simulated) -> None:
    data = taught.data
    one, other = (from_fit(fitted, part)[0] for part in (data, data.of(data.user > 0)))
    assert one["model_version"] != other["model_version"]


def test_what_the_fit_did_not_meet_is_general(fitted: DurableShare, taught: Simulated) -> None:
    seen = taught.data.of(taught.data.skill != 2)
    model = from_rows(from_fit(fit_durable(seen), seen), item_rows(fitted, seen, NOBODYS))
    assert model.rows(["s2", "s1", "of another framework"]).tolist() == [0, model.row_of["s1"], 0]
    np.testing.assert_array_equal(model.skills[0], 0.0)
    lowest, highest = model.easiness[1:].min(), model.easiness[1:].max()
    assert lowest < model.easiness[0] < highest
    [code] = arrow.item_codes(pa.array(["i3"]), np.array([1]))
    assert model.easiness_of(np.array([code]), np.array([1])) == model.easiness[1], "an item that stands for no name"


def test_a_version_is_judged_as_the_fit_is(fitted: DurableShare, model: ShareModel, evidence: Evidence) -> None:
    """In the codes of other responses: skills in another order, items that the model does not know."""
    data = evidence.data
    turned = replace(
        data,
        skill=SKILLS - 1 - data.skill,
        skills=data.skills[::-1],
        items=["new" if name == "i5" else name for name in data.items],
    )
    as_before, there = on(model, data), on(model, turned)
    known = data.item != 5
    np.testing.assert_allclose(
        as_before.head.easiness.logits(data), fitted.head.easiness.logits(data), rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(
        there.head.easiness.logits(turned)[known], fitted.head.easiness.logits(data)[known], rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(there.head.easiness.logits(turned)[~known], model.easiness[model.row_of["s0"]])
    every = np.arange(evidence.response.size)
    told = predict_next(fitted.head, evidence, every)
    np.testing.assert_allclose(predict_next(as_before.head, evidence, every), told, rtol=0, atol=1e-9)
    assert as_before.doubt == model.doubt


def test_a_fit_without_times_is_no_model_of_nights(taught: Simulated) -> None:
    timeless = replace(taught.data, at_seconds=np.full(taught.data.user.size, np.nan), has_times=False)
    with pytest.raises(CairnError, match="tell no times"):
        from_fit(fit_durable(timeless), timeless)
    with pytest.raises(CairnError, match="no row '\\*'"):
        from_rows([])
