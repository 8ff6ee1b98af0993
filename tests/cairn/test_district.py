"""A configuration file is parsed once and no oftener, and never told as it was before."""

from __future__ import annotations

import os
from pathlib import Path

from cairn import district


def test_a_file_is_kept_until_it_is_another_and_is_the_callers_own(tmp_path: Path) -> None:
    path = tmp_path / "privacy.yaml"
    path.write_text("n_min: [10]\n")
    os.utime(path, (1, 1))
    first = district.load_yaml_mapping(path)
    first["n_min"].append("changed by the caller")
    kept = district._kept.cache_info()
    assert district.load_yaml_mapping(path) == {"n_min": [10]}
    assert district._kept.cache_info().hits == kept.hits + 1
    path.write_text("n_min: [12]\n")
    assert district.load_yaml_mapping(path) == {"n_min": [12]}


def test_a_file_just_written_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "privacy.yaml"
    for n_min in range(10, 40):
        path.write_text(f"n_min: {n_min}\n")
        assert district.load_yaml_mapping(path) == {"n_min": n_min}
