"""The check-up says what is wrong and what to do about it, one line each."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cairn.errors import CairnError
from cairn.settings import Settings
from infra import doctor, java


def _fake_java(folder: Path, version: str) -> Path:
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-01-01' >&2\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.mark.parametrize(("version", "major"), [("17.0.15", 17), ("1.8.0_402", 8), ("21", 21)])
def test_a_java_says_its_version_in_many_ways(tmp_path: Path, version: str, major: int) -> None:
    assert java.java_major(_fake_java(tmp_path, version)) == major


def test_an_old_java_is_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = _fake_java(tmp_path, "11.0.2")
    monkeypatch.setattr(java, "_candidates", lambda: [old])
    with pytest.raises(CairnError, match=r"no Java 17 found \(.* is 11\): install Java 17 or newer"):
        java.find_java()


def test_wrong_python_and_little_memory_are_one_line_each() -> None:
    python = doctor.check_python((3, 12))
    assert (python.is_fine, python.detail.splitlines()) == (False, [python.detail])
    assert "3.12, and 3.11 is needed" in python.detail
    memory = doctor.check_memory(4 * 1024**3)
    assert not memory.is_fine and memory.detail.startswith("4.0 GiB, and 8 are needed")
    assert doctor.check_memory(8 * 1024**3).is_fine


def test_a_package_other_than_locked_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("psutil==0.0.1 \\\n    --hash=sha256:0\nonly-on-windows==1 ; sys_platform == 'win32' \\\n")
    found = doctor.check_environment(lock)
    assert not found.is_fine and "psutil is" in found.detail and "not 0.0.1 (1 differ)" in found.detail


def test_missing_jars_say_make_setup(tmp_path: Path) -> None:
    found = doctor.check_jars(Settings(home=tmp_path / "h", cache_dir=tmp_path / "empty"))
    assert not found.is_fine and found.detail.endswith("run 'make setup'")


def test_a_stack_that_is_down_is_fine(settings: Settings) -> None:
    assert doctor.check_stack(settings) == doctor.Check("stack", True, "down")
