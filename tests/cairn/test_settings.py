"""Settings: cairn.toml, environment over it, flags over both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from cairn.errors import UsageError
from cairn.settings import Settings


def test_environment_wins_over_file_and_flags_over_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cairn.toml").write_text('timezone = "America/Denver"\nspark_driver_memory = "3g"\n')
    assert Settings().timezone == "America/Denver"
    monkeypatch.setenv("CAIRN_TIMEZONE", "America/New_York")
    assert Settings().timezone == "America/New_York"
    assert Settings(timezone="UTC").timezone == "UTC"
    assert Settings().spark_driver_memory == "3g"


def test_home_is_absolute_so_that_a_change_of_folder_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAIRN_HOME", "data")
    assert Settings().home == tmp_path / "data"


def test_an_address_comes_from_the_running_stack_and_its_absence_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(LookupError, match="cairn up"):
        settings.address("gateway")
    settings.stack_state_path.parent.mkdir(parents=True)
    settings.stack_state_path.write_text(json.dumps({"services": {"gateway": {"address": "http://127.0.0.1:1/"}}}))
    assert settings.address("gateway") == "http://127.0.0.1:1/"


def test_the_lake_can_lie_in_an_object_store(settings: Settings) -> None:
    assert settings.lake == str(settings.home / "lake")
    assert Settings(lake_url="s3://district/lake/").lake == "s3://district/lake"


def test_another_process_gets_all_settings_secrets_in_the_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Services and executors get their settings by the environment: a masked secret there would be a wrong one."""
    given = Settings(
        home=tmp_path / "elsewhere",
        lake_url="s3://district/lake",
        object_store_secret=SecretStr("the-secret"),
        spark_options={"spark.speculation": "true"},
        trusted_proxies=["10.0.0.0/8"],
        portal_hosts=["cairn.district.example", "*.cairn.example"],
    )
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == given
    assert "the-secret" not in repr(given)


def test_a_lake_that_is_no_folder_and_not_s3_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"lake_url: gs:// is not supported: use a folder or s3://bucket/prefix"):
        Settings(home=tmp_path, lake_url="gs://district/lake")
    assert Settings(home=tmp_path, lake_url=str(tmp_path / "lake")).is_on_object_store is False
