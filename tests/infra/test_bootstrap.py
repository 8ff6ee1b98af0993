"""The bootstrap on a machine that lacks what it brings: a PATH of a few tools, an apt-get that notes what it is asked.

The installers are imitations because a test must not change the machine; shell, Python and the finders are real.
"""

from __future__ import annotations

import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from cairn.settings import REPOSITORY

TOOLS = ("sh", "dirname", "mkdir", "cat", "cksum", "tr", "rm", "touch", "grep", "sed", "chmod")
SYSTEM_JAVA = "/usr/lib/jvm"


def program(path: Path, script: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@dataclass
class Machine:
    """A folder that holds a checkout, a home and the only folder of programs."""

    root: Path

    @property
    def bin(self) -> Path:
        """The folder that PATH names."""
        return self.root / "bin"

    @property
    def checkout(self) -> Path:
        """The repository's copy."""
        return self.root / "checkout"

    def has_apt(self, installs: str = "") -> None:
        """Give it apt-get and root; ``installs`` is what an installation does."""
        program(self.bin / "id", "echo 0")
        program(self.bin / "apt-get", f'echo "$@" >>"{self.root}/apt.txt"\n{installs}')

    def asked(self, name: str = "apt") -> list[str]:
        """What an installer was asked, call by call."""
        path = self.root / f"{name}.txt"
        return path.read_text().splitlines() if path.exists() else []

    def run(self, part: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """One part of the bootstrap, in this machine's environment alone."""
        return subprocess.run(
            [str(self.bin / "sh"), "infra/bootstrap.sh", part],
            cwd=self.checkout,
            env={"PATH": str(self.bin), "HOME": str(self.root / "home"), **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with Python's environment and nothing else: no Java, no browser, no apt-get, not root."""
    found = Machine(tmp_path)
    found.bin.mkdir()
    for tool in TOOLS:
        path = shutil.which(tool)
        assert path, f"{tool} is everywhere"
        (found.bin / tool).symlink_to(path)
    program(found.bin / "id", "echo 1000")
    for room in ("infra", "cairn"):
        shutil.copytree(REPOSITORY / room, found.checkout / room, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("requirements.lock", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, found.checkout)
    # The one place of this machine's Java that PATH and JAVA_HOME do not decide.
    java = found.checkout / "infra" / "java.py"
    assert SYSTEM_JAVA in java.read_text()
    java.write_text(java.read_text().replace(SYSTEM_JAVA, str(tmp_path / "jvm")))
    program(found.checkout / ".venv/bin/python", f'exec "{REPOSITORY}/.venv/bin/python" "$@"')
    program(found.checkout / ".venv/bin/playwright", f'echo "$@" >>"{tmp_path}/playwright.txt"; exit 1')
    return found


def mark_as_set_up(machine: Machine) -> None:
    """The environment as after a first run, so that a run goes on to what comes after it."""
    program(machine.checkout / ".venv/bin/cairn", "")
    locked = "cat requirements.lock pyproject.toml infra/uv.lock infra/bootstrap.sh | cksum | tr ' ' '-'"
    done = subprocess.run(["sh", "-c", locked], cwd=machine.checkout, capture_output=True, text=True, check=True)
    (machine.checkout / ".venv/.cairn-lock").write_text(done.stdout)
    # What comes after Java (jars, kernels) is no part of these tests: an empty module each.
    (machine.checkout / "infra/jars.py").write_text("")
    (machine.checkout / "cairn/mastery/warm.py").write_text(
        f"open({str(machine.root / 'warm.txt')!r}, 'a').write('w\\n')"
    )


def test_a_missing_chromium_is_installed(machine: Machine) -> None:
    machine.has_apt(f"echo '#!{machine.bin}/sh' >{machine.bin}/chromium; chmod +x {machine.bin}/chromium")
    done = machine.run("chromium", CI="true")
    assert done.returncode == 0, done.stderr
    assert machine.asked() == ["install -y -q --no-install-recommends chromium"]
    assert machine.run("chromium", CI="true").returncode == 0
    assert len(machine.asked()) == 1, "a browser that is there is not installed again"


def test_a_browser_that_does_not_start_does_not_count(machine: Machine) -> None:
    program(machine.bin / "chromium-browser", "echo 'requires the chromium snap' >&2; exit 1")
    (machine.root / "home/.cache/ms-playwright/chromium_headless_shell-1").mkdir(parents=True)
    machine.has_apt()
    done = machine.run("chromium")
    assert machine.asked() == ["install -y -q --no-install-recommends chromium"]
    assert machine.asked("playwright") == ["install chromium"]
    assert done.returncode == 0 and "browser tests will be skipped" in done.stderr


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("false", 0), ("true", 1), ("1", 1)])
def test_no_browser_to_be_had_is_a_failure_under_ci(machine: Machine, ci: str, status: int) -> None:
    done = machine.run("chromium", CI=ci)
    assert done.returncode == status
    assert machine.asked("playwright") == ["install chromium"]
    assert ("error: no Chromium can be had, and under CI no test is skipped" in done.stderr) == bool(status)


def test_a_missing_java_is_installed(machine: Machine) -> None:
    mark_as_set_up(machine)
    java = machine.root / "jvm/new/bin/java"
    java.parent.mkdir(parents=True)
    machine.has_apt(
        f"printf '#!{machine.bin}/sh\\necho openjdk version \\\\\"17.0.1\\\\\"\\n' >{java}; chmod +x {java}"
    )
    done = machine.run("environment")
    assert done.returncode == 0, done.stderr
    assert machine.asked() == ["install -y -q --no-install-recommends openjdk-17-jre-headless"]
    assert machine.asked("warm") == ["w"]


def test_a_java_that_cannot_be_had_is_one_line(machine: Machine) -> None:
    mark_as_set_up(machine)
    done = machine.run("environment")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: no Java 17 found: install Java 17 or newer")
    machine.has_apt("exit 100")
    done = machine.run("environment")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "error: Java could not be installed: see build/apt.log"


def test_kernels_are_compiled_again_when_their_code_is_gone(machine: Machine) -> None:
    mark_as_set_up(machine)
    program(machine.bin / "java", "echo 'openjdk version \"17.0.1\"'")
    for _ in range(2):
        assert machine.run("environment").returncode == 0
    assert machine.asked("warm") == ["w"]
    shutil.rmtree(machine.checkout / "cairn/mastery/__pycache__")
    assert machine.run("environment").returncode == 0
    assert machine.asked("warm") == ["w", "w"]


def test_a_missing_python_is_one_line_that_names_the_one_found(machine: Machine) -> None:
    done = machine.run("environment")
    assert done.returncode == 1
    assert done.stderr.startswith("error: Python 3.11 is needed and not found (python3 is missing)")
    program(machine.bin / "python3", '[ "$1" = -V ] || exit 1; echo Python 3.9.2')
    done = machine.run("environment")
    assert done.returncode == 1
    assert "(python3 is Python 3.9.2" in done.stderr and len(done.stderr.splitlines()) == 1


def test_no_function_of_the_bootstrap_is_named_as_a_program() -> None:
    """A function with a program's name answers for it to `command -v` and stands in its way when it is called."""
    script = (REPOSITORY / "infra/bootstrap.sh").read_text().splitlines()
    assert not [line for line in script if "command -v" in line and not line.startswith("#")]
    functions = [line.split("(")[0] for line in script if line.endswith("() {") or "() { " in line]
    assert {"program", "install_chromium", "install_java"} <= set(functions)
    assert not set(functions) & {"java", "chromium", "python", "python3", "uv", "playwright", "id", "apt-get"}
