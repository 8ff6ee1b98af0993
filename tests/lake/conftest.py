"""What the lake's tests share: places where a lake can lie."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cairn.settings import Settings

Place = Callable[[str], Settings]


@pytest.fixture(scope="module", params=["folder"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """``place("x")``: settings of an empty lake of its own, on each kind of store."""
    root = tmp_path_factory.mktemp(str(request.param))
    return lambda name: Settings(home=root / name)
