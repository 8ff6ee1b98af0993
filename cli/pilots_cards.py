"""``cairn pilots cards``: six made pilots side by side, to see whether unequal evidence looks unequal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit, say

# Width and height of a phone's and a desktop's first screen.
SCREENS = {"phone": (390, 844), "desktop": (1280, 900)}


def cards(
    folder: Annotated[Path, typer.Argument(help="Where pages, PDFs and pictures are written.")],
    pictures: Annotated[bool, typer.Option(help="Pictures too, where Chromium and Playwright are there.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Scorecards of six made pilots whose truth is in their title, as pages, PDFs and pictures.

    20 schools an arm, one seed that was not searched for: what the rule says is printed, also where it is not the word
    that the title would suggest.

    Example: cairn pilots cards build/cards
    """
    from cairn.settings import settings
    from pilots.six_pilots import SEED, six_cards
    from portal.card_files import write_cards

    made = six_cards()
    pages = write_cards(settings(), made, folder)
    taken = _pictures(pages) if pictures else []
    result = {
        "seed": SEED,
        "cards": [{key: card[key] for key in ("pilot_id", "title", "recommendation")} for card in made],
        "pages": [str(page) for page in pages],
        "pictures": [str(picture) for picture in taken],
    }
    emit(result, as_json, _text)


def _text(result: dict[str, Any]) -> str:
    lines = [f"{card['title']}: {card['recommendation']}" for card in result["cards"]]
    return "\n".join([*lines, f"open {result['pages'][0]}; pictures: {len(result['pictures'])}"])


def _pictures(pages: list[Path]) -> list[Path]:
    """A picture of each page's first screen and of the whole of it, phone and desktop; none without a browser."""
    from infra.browser import ADVICE, find_chromium

    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        say("no pictures: Playwright is not installed (it comes with the packages for development)")
        return []
    if (chromium := find_chromium()) is None:
        say(f"no pictures: no Chromium that starts on this machine: {ADVICE}")
        return []
    taken = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, (width, height) in SCREENS.items():
            screen = browser.new_page(viewport={"width": width, "height": height})
            for page in pages:
                screen.goto(page.resolve().as_uri())
                for part, whole in (("first-screen", False), ("whole", True)):
                    taken.append(page.with_name(f"{page.stem}-{name}-{part}.png"))
                    screen.screenshot(path=str(taken[-1]), full_page=whole)
        browser.close()
    return taken
