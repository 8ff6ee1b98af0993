"""Where Chromium is: browser tests and screenshots need one, the platform does not.

``python -m infra.browser`` prints its path, or ends with 1 and one line that says what to do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
ADVICE = "run 'make chromium' (Debian: apt-get install chromium)"


def runs(browser: str) -> bool:
    """Whether the program starts: Ubuntu's package ``chromium-browser`` is a file that only points to a snap."""
    try:
        return subprocess.run([browser, "--version"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def find_chromium() -> str | None:
    """Path of the system's Chromium, or of one in Playwright's own folder; None where there is none that starts."""
    on_path = [found for name in NAMES if (found := shutil.which(name))]
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache" / "ms-playwright"))
    own = sorted(folder.glob("chromium-*/chrome-linux*/chrome"), reverse=True)
    own += sorted(folder.glob("chromium-*/chrome-mac*/*.app/Contents/MacOS/*"), reverse=True)
    return next((path for path in [*on_path, *map(str, own)] if runs(path)), None)


if __name__ == "__main__":
    browser = find_chromium()
    if browser is None:
        sys.exit(f"error: no Chromium that starts on this machine: {ADVICE}")
    print(browser)  # noqa: T201
