"""The model that is shipped is what its module makes, and says honest things of pupils in a world it never saw."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from cairn.mastery.policy_versions import SharePolicy
from cairn.mastery.share.doubt import interval
from cairn.mastery.share.durable import evidence_on
from cairn.mastery.share.model import SHIPPED, from_rows, is_shipped, on, shipped_rows
from cairn.mastery.share.policy import ask_in_a_week
from cairn.mastery.share.state import COUNT
from simulator.shipped_model import make, worlds

UNSEEN_WORLD = 9_000


@pytest.fixture(scope="module")
def shipped() -> list[dict[str, Any]]:
    return shipped_rows()


def test_the_file_is_what_the_module_makes(shipped: list[dict[str, Any]]) -> None:
    [made], [row] = make(), json.loads(SHIPPED.read_text(encoding="utf-8"))
    assert shipped == [row]
    assert is_shipped(row["model_version"])
    for name, value in made.items():
        if name in ("weights", "reference", "doubt", "easiness"):
            assert row[name] == pytest.approx(value, abs=1e-4), "python -m simulator.shipped_model writes it"
        elif name != "model_version":
            assert row[name] == value


@pytest.mark.parametrize(("family", "least"), [("family-a", 0.85), ("family-b", 0.85)])
def test_it_is_honest_of_competencies_it_does_not_know(
    shipped: list[dict[str, Any]], family: str, least: float
) -> None:
    pupils = worlds(family, 4, 40, UNSEEN_WORLD)
    model = on(from_rows(shipped), pupils.responses)
    evidence = evidence_on(model.head, pupils.responses)
    last = evidence.offsets[1:] - 1
    last = last[evidence.after[last, COUNT] >= 4]
    asked = ask_in_a_week(model, evidence, last, SharePolicy())
    truth = pupils.true_share[evidence.response[last]]
    low, high = interval(asked.logits, asked.spread)
    assert ((truth >= low) & (truth <= high)).mean() >= least
    assert asked.share.mean() == pytest.approx(truth.mean(), abs=0.08)
    called = truth[asked.is_mastered]
    assert called.size == 0 or np.mean(called >= 0.75) >= 0.8, "whom it calls has mastered it"
