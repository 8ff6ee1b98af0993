"""The feed's page to print: the five answers as one HTML file that needs nothing beside it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape

from answers import wording
from answers.pupil_names import Names
from answers.school_answers import SchoolView

TEMPLATES = Path(__file__).resolve().parent / "templates"


@functools.cache
def _template() -> Template:
    """The page's template, read once a process."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(state=wording.state, reason=wording.reason, number=wording.number)
    return environment.get_template("feed.html")


def feed_page(view: SchoolView, names: Names, manifest: dict[str, Any], words_of_day: str) -> bytes:
    """The page as UTF-8 bytes."""
    html = _template().render(view=view, names=names, manifest=manifest, day=words_of_day, plural=wording.plural)
    return html.encode()
