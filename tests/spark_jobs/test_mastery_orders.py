"""Any order of arrival, with voids and late answers, leaves what one fold of all evidence gives."""

from __future__ import annotations

from pathlib import Path

import pytest

from cairn.mastery.share.doubt import Doubt
from tests.cairn.mastery.rich_model import ONE_GROUP, TWO_GROUPS, rich_model
from tests.spark_jobs.mastery_orders import compare

# A pair whose row lay alone in a file of its own was not found, in one of a thousand orders.
NEWER_FILE_OF_ONE_ROW = 705


@pytest.mark.parametrize("doubt", [ONE_GROUP, TWO_GROUPS])
def test_the_order_of_arrival_does_not_matter(tmp_path: Path, doubt: Doubt) -> None:
    found = compare(tmp_path, rich_model(doubt), [*range(20), NEWER_FILE_OF_ONE_ROW])
    assert found["different"] == []
    assert found["decisions"] > 200, "the worlds must be such that something is decided"
