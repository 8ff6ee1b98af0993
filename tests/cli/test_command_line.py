"""The command line teaches: every command has help with an example, errors are one line, exit statuses are kept."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import Any

import pytest
import typer.main

from cli.main import COMMANDS, NOUNS, main


def commands() -> list[tuple[str, Any]]:
    """Every command a person can type, with its click command."""
    found = []
    for noun, (module, _) in NOUNS.items():
        group: Any = typer.main.get_group(importlib.import_module(module).app)
        found += [(f"{noun} {verb}", command) for verb, command in leaves(group)]
    for name, (module, _) in COMMANDS.items():
        group = typer.main.get_group(importlib.import_module(module).app)
        found.append((name, group.commands[name]))
    return found


def leaves(group: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """Commands of a group and of the groups in it."""
    out = []
    for verb, command in group.commands.items():
        if hasattr(command, "commands"):
            out += leaves(command, f"{prefix}{verb} ")
        else:
            out.append((prefix + verb, command))
    return out


@pytest.mark.parametrize(("name", "command"), commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_help_teaches_with_an_example(name: str, command: Any) -> None:
    assert command.help, f"cairn {name} says nothing of itself"
    assert f"Example: cairn {name.split(' ')[0]}" in " ".join(command.help.split()), f"cairn {name} shows no example"


@pytest.mark.parametrize(("name", "command"), commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_option_is_explained(name: str, command: Any) -> None:
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert parameter.help, f"cairn {name} {parameter.opts}"


def test_help_of_the_whole_lists_every_noun(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["--help"])
    assert done.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (*NOUNS, *COMMANDS))


def test_wrong_use_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(["roster", "nonsense"])
    assert done.value.code == 2


def test_a_refusal_is_one_line_without_traceback(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CAIRN_HOME", str(tmp_path))
    with pytest.raises(SystemExit) as done:
        main(["roster", "load", str(tmp_path / "absent.zip")])
    assert done.value.code in (1, 2)
    shown = capsys.readouterr()
    assert "Traceback" not in shown.err
    assert "absent.zip" in " ".join(shown.err.split())


def test_help_imports_no_engine() -> None:
    code = """
import sys
from cli.main import main
try:
    main(['--help'])
except SystemExit:
    heavy = {'pyspark', 'pandas', 'airflow', 'great_expectations', 'duckdb', 'dbt', 'numba'}
    print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
