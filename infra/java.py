"""Where Java is: the one thing a machine must have that Python cannot bring.

``python -m infra.java`` prints its path, or ends with 1 and one line that says what to do.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from cairn.errors import CairnError

NEEDED_MAJOR = 17
ADVICE = (
    f"install Java {NEEDED_MAJOR} or newer (Debian, Ubuntu: apt-get install openjdk-17-jre-headless; "
    "macOS: brew install openjdk@17), or set JAVA_HOME to it"
)


def java_major(java: Path) -> int | None:
    """Major version that ``java -version`` prints (``1.8.0`` counts as 8); None where it does not run."""
    try:
        shown = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(\d+)(?:\.(\d+))?', shown.stderr + shown.stdout)
    if shown.returncode != 0 or match is None:
        return None
    return int(match[2]) if match[1] == "1" and match[2] else int(match[1])


def _candidates() -> list[Path]:
    found: list[Path] = []
    if home := os.environ.get("JAVA_HOME"):
        found.append(Path(home) / "bin" / "java")
    if on_path := shutil.which("java"):
        found.append(Path(on_path))
    # macOS keeps a stub on PATH and tells through java_home where the real one is.
    helper = Path("/usr/libexec/java_home")
    if helper.exists():
        told = subprocess.run([str(helper), "-v", f"{NEEDED_MAJOR}+"], capture_output=True, text=True, check=False)
        if told.returncode == 0:
            found.append(Path(told.stdout.strip()) / "bin" / "java")
    found += sorted(Path("/usr/lib/jvm").glob("*/bin/java"), reverse=True)
    return [path for path in found if path.exists()]


def find_java() -> Path:
    """The first Java of at least ``NEEDED_MAJOR``: JAVA_HOME, PATH, macOS's java_home, /usr/lib/jvm.

    Raises CairnError with what to install where there is none.
    """
    seen: list[str] = []
    for java in _candidates():
        major = java_major(java)
        if major is not None and major >= NEEDED_MAJOR:
            return java
        seen.append(f"{java} is {major}")
    raise CairnError(f"no Java {NEEDED_MAJOR} found{' (' + ', '.join(seen) + ')' if seen else ''}: {ADVICE}")


if __name__ == "__main__":
    try:
        print(find_java())  # noqa: T201
    except CairnError as error:
        sys.exit(f"error: {error}")
