"""A real build shows each pair's share as of its data date: Python's number, lower and less sure on a later date."""

from __future__ import annotations

import math
import shutil
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest

import lake
from cairn.calendar import DistrictCalendar
from cairn.errors import CairnError
from cairn.mastery.config import load_config
from cairn.mastery.ledger import newest
from cairn.mastery.share.columns import shares_at
from cairn.mastery.share.formula import GAP_DAYS
from cairn.mastery.share.model import from_rows
from cairn.settings import Settings
from releases import learning, store
from spark_jobs import night_record
from spark_jobs.night_record import STATE
from tests.marts.small_roster import DATA_DATE

pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(600)]
SHARES = ("expected_share", "share_low", "share_high")


def shown(warehouse: Path) -> dict[tuple[str, str], tuple[float, ...]]:
    """(share, low, high) by pupil and competency, as the release has them."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(
            f"select student_key, competency_id, {', '.join(SHARES)} from mart_student_competency"
        ).fetchall()
    return {(pupil, competency): tuple(shares) for pupil, competency, *shares in rows}


def by_python(settings: Settings, data_date: date) -> dict[tuple[str, str], tuple[float, ...]]:
    """The same from gold's rows as the newest night left them, at the end of the local day."""
    night = night_record.newest(settings)
    assert night is not None
    rows = newest(lake.read(settings, STATE, partitions=lake.EVERY, version=night.versions[STATE]), ("pair_key",))
    at_seconds = np.full(rows.num_rows, DistrictCalendar.load(settings).day_bounds(data_date)[1].timestamp())
    model = from_rows(lake.read(settings, "gold.mastery_model").to_pylist())
    level = load_config(settings).interval_level
    shares = shares_at(rows, model, at_seconds, level, GAP_DAYS)
    pairs = zip(rows["student_key"].to_pylist(), rows["competency_id"].to_pylist(), strict=True)
    return {pair: tuple(float(part[place]) for part in shares) for place, pair in enumerate(pairs)}


def log_odds_width(shares: tuple[float, ...]) -> float:
    """How wide the interval is where doubt lives; as a share it is squeezed against 0 and 1."""
    _, low, high = (math.log(share / (1.0 - share)) for share in shares)
    return high - low


def agree(found: dict[tuple[str, str], tuple[float, ...]], expected: dict[tuple[str, str], tuple[float, ...]]) -> None:
    assert len(found) == 5
    for pair, shares in found.items():
        assert shares == pytest.approx(expected[pair], rel=0.0, abs=1e-9), pair


def test_every_mart_has_the_share_of_the_data_date(small_lake: Settings, release: store.Release) -> None:
    found = shown(release.path)
    agree(found, by_python(small_lake, DATA_DATE))
    with duckdb.connect(str(release.path), read_only=True) as connection:
        others = connection.execute(
            f"""select student_key, competency_id, {", ".join(SHARES)} from mart_moves_on
            union all by name select student_key, competency_id, expected_share from mart_needs_adult"""
        ).fetchall()
    assert len(others) == 4
    for pupil, competency, share, *interval in others:
        whole = found[pupil, competency]
        assert share == whole[0]
        assert tuple(interval) in (tuple(whole[1:]), (None, None))


def test_a_later_data_date_lowers_the_share_and_no_row_is_written(
    small_lake: Settings, release: store.Release, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home")
    shutil.copytree(small_lake.home, settings.home)
    versions = night_record.present_versions(settings)
    later = DATA_DATE + timedelta(days=30)
    built = learning.build(settings, later)
    before, after = shown(release.path), shown(built.path.with_name(learning.BUILT))
    agree(after, by_python(settings, later))
    assert night_record.present_versions(settings) == versions, "time alone rewrites nothing"
    for pair, shares in after.items():
        assert shares[0] < before[pair][0], pair
        assert log_odds_width(shares) > log_odds_width(before[pair]), pair


def test_a_build_that_lacks_a_model_says_which(small_lake: Settings, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    shutil.copytree(small_lake.home, settings.home)
    lake.restore(settings, "gold.mastery_model", 0)
    with pytest.raises(CairnError, match=r"stg_mastery_state error: .*mastery_model has no version share-rich"):
        learning.build(settings, DATA_DATE)
