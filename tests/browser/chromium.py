"""The browser of the browser tests and screenshots as Playwright drives it; infra/browser.py finds it."""

from __future__ import annotations

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
