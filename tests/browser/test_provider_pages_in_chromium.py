"""Signing in and out by a provider: its pages have no axe finding and fit a phone, also where it does not answer."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cairn.settings import Settings
from portal.app import create_app
from tests.browser.served import serving
from tests.browser.test_every_page_in_chromium import NARROW, WIDER

pytestmark = pytest.mark.browser


@pytest.fixture
def base(tmp_path: Path) -> Iterator[str]:
    """A portal that knows a provider of which nothing answers."""
    secret = tmp_path / "client-secret"
    secret.write_text("not a secret", encoding="utf-8")
    with socket.socket() as nobody:
        # Bound and not listening: whoever asks is refused at once.
        nobody.bind(("127.0.0.1", 0))
        settings = Settings(
            home=tmp_path / "home",
            oidc_issuer=f"http://127.0.0.1:{nobody.getsockname()[1]}",
            oidc_client_id="cairn",
            oidc_client_secret_file=str(secret),
            oidc_label="District Sign-On",
        )
        with serving(create_app(settings), "critical") as address:
            yield address


def test_no_axe_finding_and_no_sideways_scroll(browser: Any, base: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for scheme in ("light", "dark"):
        context = browser.new_context(viewport=NARROW, color_scheme=scheme, locale="es-US")
        page = context.new_page()
        for path, says in (("/login", "District Sign-On"), ("/signed-out", "cierre el navegador")):
            assert page.goto(base + path).status == 200, path
            assert says in page.inner_text("main")
            found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
            assert [one["id"] for one in found] == [] and page.evaluate(WIDER) <= 0, (path, scheme)
        context.close()
