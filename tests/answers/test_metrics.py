"""One number, one definition: the metrics are whole, of columns that are there, and refuse what cannot be."""

from __future__ import annotations

from dataclasses import fields

import pytest
import yaml

from answers import metrics, metrics_reference
from cairn.settings import REPOSITORY
from pilots.rollout import MORE_UNITS, UNITS, Figures

MARTS = REPOSITORY / "dbt_project" / "models" / "marts"


def _columns() -> set[str]:
    """Every column of a mart, as ``mart.column``."""
    found = set()
    for path in MARTS.glob("*/mart_*.yml"):
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
            found |= {f"{model['name']}.{column['name']}" for column in model["columns"]}
    return found


def test_each_metric_is_of_a_column_that_is_there() -> None:
    assert not {one.source for one in metrics.metrics().values()} - _columns()


def test_every_figure_of_a_rollout_is_defined_with_its_unit() -> None:
    units = {one.name: UNITS.get(one.name, one.name.partition("_")[0]) for one in fields(Figures)} | MORE_UNITS
    assert {name: metrics.metrics()[name].unit for name in units} == units


def test_the_reference_is_fresh() -> None:
    assert metrics_reference.REFERENCE.read_text(encoding="utf-8") == metrics_reference.render()


@pytest.mark.parametrize("share", [1.01, -0.01])
def test_no_share_over_a_hundred_is_printed(share: float) -> None:
    with pytest.raises(ValueError, match=r"pupils_reached_share is .* lies between 0 and 1"):
        metrics.text("pupils_reached_share", share)


def test_numbers_are_printed_by_their_unit() -> None:
    told = {"pupils_reached_share": 1.0, "cost_usd": 18400.0, "support_hours": 2.25, "cost_per_pupil_usd": 49.731}
    assert [metrics.text(name, value) for name, value in told.items()] == ["100 %", "$18,400", "2.2", "$49.73"]
    assert metrics.metrics()["changes"].counted("1") == "1 pair of pupil and topic"
