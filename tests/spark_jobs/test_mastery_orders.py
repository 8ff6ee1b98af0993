"""Any order of arrival, with voids and late answers, leaves what one fold of all evidence gives."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from cairn.mastery.share.doubt import Doubt
from tests.cairn.mastery.rich_model import ONE_GROUP, TWO_GROUPS, rich_model
from tests.spark_jobs.mastery_orders import START, compare
from tests.spark_jobs.policy_files import FIRST, STRICTER, listed

# A pair whose row lay alone in a file of its own was not found, in one of a thousand orders.
NEWER_FILE_OF_ONE_ROW = 705


@pytest.mark.parametrize("doubt", [ONE_GROUP, TWO_GROUPS])
def test_the_order_of_arrival_does_not_matter(tmp_path: Path, doubt: Doubt) -> None:
    found = compare(tmp_path, rich_model(doubt), [*range(20), NEWER_FILE_OF_ONE_ROW])
    assert found["different"] == []
    assert found["decisions"] > 200, "the worlds must be such that something is decided"


def test_nor_does_it_where_policies_change_by_subject_and_date(tmp_path: Path) -> None:
    policy = listed(
        {"id": "math", "subject": "math", "effective_from": START + timedelta(days=30), **STRICTER},
        {"id": "math-again", "subject": "math", "effective_from": START + timedelta(days=90), **FIRST},
        {"id": "others", "effective_from": START + timedelta(days=50), **STRICTER},
    )
    found = compare(tmp_path, rich_model(ONE_GROUP), range(25), policy)
    assert found["different"] == []
    assert found["decisions"] > 200
