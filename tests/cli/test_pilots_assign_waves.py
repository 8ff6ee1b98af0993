"""``cairn pilots assign`` of a plan in waves: the set of orders, the draw, its record, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import lake
from cairn.settings import Settings
from cli.main import main
from pilots import assignment
from pilots.allocation_sets import LEAST, MOST
from pilots.order_sets import WaveBlock, balanced_orders, group_differences, possible_orders
from pilots.plan import Plan
from tests.cli.test_pilots_assign import draft, run, traits

STARTS = ["2026-08-31", "2026-09-21", "2026-10-12"]


def in_waves(folder: Path, schools: int, treated: int, **assignment_part: object) -> Path:
    """A draft whose schools with the change start in three waves."""
    path = draft(folder, schools, treated, **assignment_part)
    raw = yaml.safe_load(path.read_text())
    raw["analysis"]["wave_starts"] = STARTS
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    return path


def pasted(path: Path, found: dict[str, str]) -> Plan:
    """The plan with what the draw printed."""
    raw, part = yaml.safe_load(path.read_text()), yaml.safe_load(found["yaml"])["analysis"]
    raw["analysis"] |= part | {"assignment": raw["analysis"]["assignment"] | part["assignment"]}
    return Plan(json.loads(json.dumps(raw, default=str)))


def test_an_order_of_waves_is_drawn_recorded_and_replayed(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, schools = in_waves(tmp_path, 14, 7), traits(tmp_path, 14)
    status, found, _ = run(capsys, path, "--schools", schools, "--seed", 7)
    assert (status, found["what"], found["is_new"]) == (0, "orders", True)
    assert LEAST <= found["allocations"] <= MOST
    assert found["possible_allocations"] == 14 * 13 * 12 * 11 * 10 * 9 * 8 / (6 * 2 * 2)
    assert found["smallest_p"] == pytest.approx(1 / found["allocations"])
    assert all(abs(one["difference_sd"]) <= found["limit_sd"] + 1e-9 for one in found["balance"])
    assert [one["trait"] for one in found["balance"][:4]] == [
        "pupils, held back",
        *(f"pupils, wave {n}" for n in (1, 2, 3)),
    ]
    waves = found["drawn"]["waves"]
    assert sorted(waves.values()) == [1, 1, 1, 2, 2, 3, 3], "earlier waves are larger where they cannot be alike"
    assert sorted(waves) == found["drawn"]["treatment"]
    rows = lake.read(settings, "gold.pilot_allocation").to_pylist()
    assert len({(tuple(row["treatment"]), tuple(row["waves"])) for row in rows}) == len(rows) == found["allocations"]

    plan = pasted(path, found)
    draw = assignment.standing_draw(settings, plan.pilot_id)
    assert draw is not None and assignment.assignment_problem(plan, draw) is None
    orders = assignment.orders_over(plan, draw)
    assert orders is not None
    assert orders[0].tolist() == [waves.get(school, 0) for school in sorted(plan.arms)]
    _, again, _ = run(capsys, path, "--schools", schools, "--seed", 7)
    assert (again["is_new"], again["drawn"]) == (False, found["drawn"])
    monkeypatch.setenv("CAIRN_HOME", str(tmp_path / "elsewhere"))
    from cairn.settings import settings as process_settings

    process_settings.cache_clear()
    _, elsewhere, _ = run(capsys, path, "--schools", schools, "--seed", 7)
    assert (elsewhere["is_new"], elsewhere["drawn"]) == (True, found["drawn"]), "same file and seed, same draw"


def test_waves_that_are_not_as_drawn_are_refused(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, schools = in_waves(tmp_path, 12, 6), traits(tmp_path, 12)
    _, found, _ = run(capsys, path, "--schools", schools, "--seed", 2)
    raw = json.loads(pasted(path, found).canonical)
    waves = raw["analysis"]["waves"]
    first, last = (next(school for school, wave in waves.items() if wave == one) for one in (1, 3))
    waves[first], waves[last] = 3, 1
    plan = Plan(raw)
    draw = assignment.standing_draw(settings, plan.pilot_id)
    problem = assignment.assignment_problem(plan, draw)
    assert problem is not None and first in problem and last in problem
    assert assignment.orders_over(plan, draw) is None
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(SystemExit):
        main(["pilots", "freeze", str(path)])
    assert "Take the arms that were drawn (and the waves)" in " ".join(capsys.readouterr().err.split())
    # Other waves are another design, and not a draw that is on record.
    code, _, told = run(capsys, draft(tmp_path, 12, 6), "--schools", schools)
    assert (code, "of other schools, blocks or numbers" in told) == (1, True)


def test_waves_go_on_from_block_to_block_and_each_needs_a_school(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, schools = in_waves(tmp_path, 12, 6), traits(tmp_path, 12)
    _, found, _ = run(capsys, path, "--schools", schools, "--seed", 2, "--blocks", 3)
    assert sorted(found["drawn"]["waves"].values()) == [1, 1, 2, 2, 3, 3]
    draw = assignment.standing_draw(settings, found["pilot_id"])
    assert draw is not None
    for block in yaml.safe_load(found["yaml"])["analysis"]["assignment"]["blocks"]:
        inside = np.sort(draw.orders[:, [draw.schools.index(school) for school in block]], axis=1)
        assert (inside == inside[0]).all(), "each block keeps the sizes of its waves"
    code, _, told = run(capsys, in_waves(tmp_path, 12, 2), "--schools", schools, "--again", "fewer")
    assert (code, "no school would start in wave 3" in told, "draft.yaml:" in told) == (1, True, True)


@hypothesis_settings(max_examples=10, deadline=None)
@given(sizes=st.sampled_from([(6, 2, 2, 2), (4, 3, 3), (2, 1, 1, 1), (8, 4, 4, 4)]), number=st.integers(0, 10**6))
def test_the_set_keeps_sizes_and_balance_and_a_test_over_it_is_exact(sizes: tuple[int, ...], number: int) -> None:
    """Of all orders that the set allows, at most alpha reject at alpha where the change does nothing."""
    schools = sum(sizes)
    rng = np.random.default_rng(number)
    block = WaveBlock(tuple(range(schools)), sizes)
    values = rng.normal(size=(schools, 2))
    found = balanced_orders(values, [block], number)
    assert len(np.unique(found.orders, axis=0)) == len(found.orders) >= min(LEAST, possible_orders([block]))
    assert [(found.orders == group).sum(axis=1).tolist() for group in range(len(sizes))] == [
        [size] * len(found.orders) for size in sizes
    ]
    inside = found.orders[0] == 1
    expected = (values[inside].mean(axis=0) - values[~inside].mean(axis=0)) / values.std(axis=0, ddof=1)
    assert group_differences(found.orders, values, [block])[0, :, 1] == pytest.approx(expected)
    assert found.limit is None or float(np.abs(found.differences).max()) <= found.limit + 1e-9
    outcome = rng.normal(size=schools) ** 3
    effect = np.abs(np.where(found.orders > 0, outcome / np.maximum(found.orders, 1), 0.0).sum(axis=1))
    p = (effect[None, :] >= effect[:, None] - 1e-12).mean(axis=1)
    assert float((p <= 0.05).mean()) <= 0.05 + 1e-12
