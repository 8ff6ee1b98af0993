"""Brings the catalogues up to date with the texts of code and templates: ``python -m portal.catalogue``.

What is new is added without a translation, what is gone is dropped. Texts are those of ``gettext``, ``ngettext``,
``noted``, ``plural`` and of refusals (``HTTPException``), in Python and in templates.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from cairn.language import ENGLISH, LANGUAGES, catalogue_path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("answers", "cairn", "feeds", "loading", "portal")
# A text, or the two forms of one that is counted.
Text = str | tuple[str, str]
# Which argument of a call is a text.
KEYWORDS = {"gettext": None, "noted": None, "_": None, "ngettext": (1, 2), "HTTPException": (2,)}
# plural(count, one) makes the other form by an s.
COUNTED = {"plural": {2: (2,), 3: (2, 3)}}
OPTIONS = {"newstyle_gettext": "true", "trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true"}


def texts() -> dict[Text, list[str]]:
    """Every text that is shown in the language of the page, with the files that it stands in, in their order."""
    found: dict[Text, list[str]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix in (".py", ".html") and "feeds/templates" not in path.as_posix():
                for text in _in_file(path):
                    places = found.setdefault(text, [])
                    if (name := path.relative_to(ROOT).as_posix()) not in places:
                        places.append(name)
    return found


def _in_file(path: Path) -> Iterator[Text]:
    method = "jinja2.ext:babel_extract" if path.suffix == ".html" else "python"
    for keywords in (KEYWORDS, COUNTED):
        for _, text, *_ in extract_from_file(method, path, keywords=keywords, options=OPTIONS):
            if isinstance(text, tuple):
                yield text[0], text[1]
            elif text:
                yield (text, f"{text}s") if keywords is COUNTED else text


def load(code: str) -> Catalog:
    """The catalogue of a language, empty where there is none yet."""
    path = catalogue_path(code)
    if not path.exists():
        return Catalog(locale=code)
    with path.open("rb") as file:
        return read_po(file, locale=code)


def updated(code: str) -> Catalog:
    """The catalogue with exactly the texts of today, and the translations that it has of them."""
    before, now = load(code), Catalog(locale=code, project="Cairn", fuzzy=False)
    for text, places in texts().items():
        known = before.get(text if isinstance(text, str) else text[0])
        translated = known.string if known is not None and known.id == text else None
        now.add(text, translated, locations=[(name, None) for name in places])
    return now


def main() -> None:
    """Write the catalogues."""
    for code in LANGUAGES:
        if code != ENGLISH:
            catalogue_path(code).parent.mkdir(exist_ok=True)
            with catalogue_path(code).open("wb") as file:
                write_po(file, updated(code), width=110, omit_header=False, include_lineno=False, sort_output=False)


if __name__ == "__main__":
    main()
