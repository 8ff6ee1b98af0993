"""The portal's fixture release serves the feeds as well: published once, copied for each test."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from cairn.settings import Settings
from feeds.write import write
from tests.portal.fixture_release import publish_fixture


@pytest.fixture(scope="session")
def published_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the fixture release."""
    home = tmp_path_factory.mktemp("feeds") / "home"
    publish_fixture(Settings(home=home))
    return home


@pytest.fixture
def published(settings: Settings, published_home: Path) -> Settings:
    """The test's own copy of that home."""
    shutil.copytree(published_home, settings.home)
    return settings


@pytest.fixture(scope="session")
def written_home(tmp_path_factory: pytest.TempPathFactory, published_home: Path) -> Settings:
    """A home with the fixture release and its feeds; for tests that only read."""
    home = tmp_path_factory.mktemp("written") / "home"
    shutil.copytree(published_home, home)
    settings = Settings(home=home)
    write(settings)
    return settings


def rows_of(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV."""
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))
