"""The dbt project's files: sources as the contracts say, every model with a description beside it."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest
import yaml

from lake.share_function import ARGUMENTS, FUNCTION
from releases import dbt_sources

MODELS = sorted(path for kind in ("sql", "py") for path in (dbt_sources.PROJECT / "models").rglob(f"*.{kind}"))


def test_sources_are_not_stale() -> None:
    assert dbt_sources.main(["--check"]) == 0


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_model_and_column_is_described(path: Path) -> None:
    described = yaml.safe_load(path.with_suffix(".yml").read_text(encoding="utf-8"))["models"][0]
    assert described["name"] == path.stem
    assert described["description"].startswith("Overview: ")
    assert "Grain: " in described["description"]
    assert described["columns"]
    assert all(column["description"] for column in described["columns"])


@pytest.mark.parametrize("path", [path for path in MODELS if path.stem.startswith("mart_")], ids=lambda path: path.stem)
def test_marts_declare_their_types(path: Path) -> None:
    described = yaml.safe_load(path.with_suffix(".yml").read_text(encoding="utf-8"))["models"][0]
    assert all(column["data_type"] for column in described["columns"])


def test_macro_of_the_share_has_the_arguments_of_the_function_in_their_order() -> None:
    """All but three are numbers: in another order the function would answer, and wrongly."""
    text = (dbt_sources.PROJECT / "macros" / "durable_share.sql").read_text(encoding="utf-8")
    call = jinja2.Environment().from_string(text).module.durable_share("state", "state.as_of_at")  # type: ignore[attr-defined]
    assert "".join(call.split()) == f"{FUNCTION}({','.join(f'state.{name}' for name in ARGUMENTS)})"
