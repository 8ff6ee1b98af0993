"""Brings the catalogues up to date with the texts of code and templates: ``python -m portal.catalogue``.

What is new is added without a translation, what is gone is dropped. Texts are those of ``gettext``, ``ngettext``,
``noted``, ``plural`` and of refusals (``HTTPException``), in Python and in templates, and the titles of metrics.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from answers.metrics import metrics
from cairn.language import ENGLISH, LANGUAGES, catalogue_path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("answers", "cairn", "feeds", "loading", "portal")
# Mails are in English.
IN_ENGLISH = re.compile(r"feeds/templates/.*")
# A text, or the two forms of one that is counted.
Text = str | tuple[str, str]
# Which argument of a call is a text, as Babel has it.
Keywords = Mapping[str, Any]
KEYWORDS: Keywords = {"gettext": None, "noted": None, "_": None, "ngettext": (1, 2), "HTTPException": (2,)}
# plural(count, one) makes the other form by an s.
COUNTED: Keywords = {"plural": {2: (2,), 3: (2, 3)}}
OPTIONS = {"newstyle_gettext": "true", "trimmed": "true", "trim_blocks": "true", "lstrip_blocks": "true"}


def texts() -> dict[Text, list[str]]:
    """Every text that is shown in the language of the page, with the files that it stands in, in their order."""
    found: dict[Text, list[str]] = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in (".py", ".html") and not IN_ENGLISH.fullmatch(name):
                for text in _in_file(path):
                    places = found.setdefault(text, [])
                    if name not in places:
                        places.append(name)
    for metric in metrics().values():
        found.setdefault(metric.title, []).append(f"schemas/metrics/{metric.kind}.yaml")
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
    before, now = load(code), Catalog(locale=code)
    now.header_comment = f"# {LANGUAGES[code]}. Written by hand; kept in step by python -m portal.catalogue."
    for text, places in texts().items():
        known = before.get(text if isinstance(text, str) else text[0])
        translated = known.string if known is not None and known.id == text else None
        now.add(text, translated, locations=[(name, 0) for name in places])
    return now


def written(catalogue: Catalog) -> bytes:
    """A catalogue as its file has it: no dates and no addresses, so that it changes only with its texts."""
    content = BytesIO()
    write_po(content, catalogue, width=118, include_lineno=False, omit_header=True)
    head = (
        f'{catalogue.header_comment}\nmsgid ""\nmsgstr ""\n"Language: {catalogue.locale_identifier}\\n"\n'
        f'"Plural-Forms: {catalogue.plural_forms}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
    )
    return head.encode() + content.getvalue()


def main() -> None:
    """Write the catalogues."""
    for code in LANGUAGES:
        if code != ENGLISH:
            catalogue_path(code).write_bytes(written(updated(code)))


if __name__ == "__main__":
    main()
