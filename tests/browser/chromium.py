"""The browser of the browser tests and screenshots: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

# No network of its own, no GPU, no sandbox (tests run as root in containers).
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


def find_chromium() -> str | None:
    """Path of the system's Chromium, or of one in Playwright's own folder; None where there is neither."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    folder = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache" / "ms-playwright"))
    found_own = sorted(folder.glob("chromium-*/chrome-linux*/chrome"))
    return str(found_own[-1]) if found_own else None


def launch(playwright: Any, path: str) -> Any:
    """A headless Chromium."""
    return playwright.chromium.launch(executable_path=path, args=ARGUMENTS)


def sign_in(page: Any, base: str, name: str, password: str) -> None:
    """Fill the sign-in form as a person does."""
    page.goto(f"{base}/login")
    page.fill("#name", name)
    page.fill("#password", password)
    page.click("main button[type=submit]")
    page.wait_for_load_state("load")
