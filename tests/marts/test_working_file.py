"""dbt's working file: a build begins without the remains of another and leaves none."""

from __future__ import annotations

import pytest

from cairn.settings import Settings
from releases import store, warehouse

pytestmark = [pytest.mark.warehouse, pytest.mark.timeout(600)]


def test_a_build_over_the_remains_of_another_leaves_nothing(small_lake: Settings, release: store.Release) -> None:
    assert release.path.exists(), "built where another had left its file and folder (conftest)"
    folder = warehouse.building_path(small_lake).parent
    assert not folder.exists() or list(folder.iterdir()) == []
