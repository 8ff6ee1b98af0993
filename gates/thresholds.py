"""Thresholds of the hand-written rules: ``gates/rules/<gate>.yaml``, or the district's own ``gates_<gate>.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cairn.district import load_yaml_mapping
from cairn.settings import Settings


def thresholds(settings: Settings, gate: str) -> dict[str, Any]:
    """The gate's thresholds; a top-level key in the district's file takes the place of the one here."""
    here = load_yaml_mapping(Path(__file__).parent / "rules" / f"{gate}.yaml")
    own = settings.district_dir / f"gates_{gate}.yaml"
    return here | load_yaml_mapping(own) if own.is_file() else here
