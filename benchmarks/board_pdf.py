"""Board PDFs under veraPDF, PDF/UA-1: ``python -m benchmarks.board_pdf FILE.pdf ...``; exits 1 where one is not clean.

Needs Maven and a JDK. Files come of ``cairn pilots cards`` or of a portal's ``/pilots/ID.pdf``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent / "verapdf"


def main(files: list[str]) -> int:
    """Validate the files; returns 1 where one breaks a rule, 2 where the tools are not there."""
    if not files or not (shutil.which("mvn") and shutil.which("java")):
        sys.stderr.write("name PDF files, and have Maven (mvn) and a JDK (java) on the path\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="cairn-verapdf-") as name:
        path = Path(name) / "classpath"
        command = ["mvn", "-B", "-q", "-f", str(HERE / "pom.xml"), "dependency:build-classpath"]
        subprocess.run([*command, f"-Dmdep.outputFile={path}"], check=True, stdout=subprocess.DEVNULL)
        found = path.read_text(encoding="utf-8").strip()
    return subprocess.run(["java", "-cp", found, str(HERE / "Check.java"), *files], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
