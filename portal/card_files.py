"""Scorecards as files that open without a portal: the same template, style and PDF, for boards' papers and for looking
at pages side by side."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from answers.as_published import rules_of
from answers.scorecard_parts import present
from cairn import language
from cairn.errors import CairnError
from cairn.settings import Settings
from portal.charts import drawn
from portal.pages_pilots import card_context
from portal.pdf import scorecard_pdf
from portal.web import HERE, make_environment


def write_cards(settings: Settings, cards: Sequence[dict[str, Any]], folder: Path) -> list[Path]:
    """Write ``ID.html`` and ``ID.pdf`` of each card, the list of them as ``index.html``, and the style beside them.

    Returns the pages, the list first. Raises CairnError where the folder cannot be written.
    """
    rules = rules_of(settings)
    environment = make_environment(settings)
    shown = [present(card, rules) for card in cards]
    frame: dict[str, Any] = {"account": None, "navigation": [], "csrf": "", "pinned": None, "age": None}
    frame |= {"spoken": language.current(), "languages": {}, "layout": "base.html"}
    try:
        shutil.copytree(HERE / "static", folder / "static", dirs_exist_ok=True)
        pages = [folder / "index.html"]
        listed = environment.get_template("pilots.html")
        _write(pages[0], listed.render(title="Pilots", cards=shown, path="", numbers=None, asked_day=None, **frame))
        for card in shown:
            charts = drawn(card)
            page = environment.get_template("pilot.html")
            pages.append(folder / f"{card['pilot_id']}.html")
            _write(pages[-1], page.render(path="", **card_context(card, charts, rules.n_min), **frame))
            releases = {"evaluation": "no release", "learning": str(card["release_id"])}
            pages[-1].with_suffix(".pdf").write_bytes(scorecard_pdf(card, charts, [], releases))
    except OSError as error:
        raise CairnError(f"{folder}: the cards cannot be written ({error.strerror}): name another folder") from error
    return pages


def _write(path: Path, html: str) -> None:
    """A page whose links lead to the files beside it."""
    for portal, file in (("/static/", "static/"), ('href="/pilots"', 'href="index.html"'), ('href="/"', 'href="."')):
        html = html.replace(portal, file)
    path.write_text(html.replace('href="/pilots/', 'href="'), encoding="utf-8")
