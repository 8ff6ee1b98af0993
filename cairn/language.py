"""The language of the page that is being made: English as the code has it, other languages by GNU gettext catalogues.

A catalogue is ``cairn/languages/CODE.po``; it is read when it is first needed, so nothing has to be compiled or kept in
step. The language is one request's (a context variable): what is made outside a page, as feeds and mail, is in English.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER = Path(__file__).resolve().parent / "languages"
ENGLISH = "en"
# By code, each in its own words: what the link to it says.
LANGUAGES = {ENGLISH: "English", "es": "Español"}
_CURRENT: ContextVar[str] = ContextVar("language", default=ENGLISH)


def catalogue_path(code: str) -> Path:
    """Where the texts of a language stand."""
    return FOLDER / f"{code}.po"


@cache
def translations(code: str) -> NullTranslations:
    """The texts of a language, read once."""
    if code == ENGLISH:
        return NullTranslations()
    with catalogue_path(code).open("rb") as file:
        catalogue = read_po(file, locale=code)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


def current() -> str:
    """The code of the language that is spoken now."""
    return _CURRENT.get()


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Make what is made inside in that language."""
    token = _CURRENT.set(code)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def gettext(text: str) -> str:
    """A text in the language that is spoken now; the text itself where its catalogue does not have it."""
    return translations(_CURRENT.get()).gettext(text) if text else text


def ngettext(one: str, many: str, count: int) -> str:
    """The form of a text for so many."""
    return translations(_CURRENT.get()).ngettext(one, many, count)


def noted(text: str) -> str:
    """The text as it is: it is looked up later, where it is shown. Catalogues are made of what is so marked."""
    return text


def wanted(header: str, known: Iterable[str] = tuple(LANGUAGES)) -> str:
    """The language that a browser's Accept-Language likes best among those known (RFC 9110, 12.5.4), else English."""
    best, best_weight = ENGLISH, 0.0
    for part in header.split(","):
        tag, _, parameter = part.partition(";")
        code = tag.strip().lower().partition("-")[0]
        name, _, value = parameter.strip().partition("=")
        try:
            weight = float(value) if name == "q" else 1.0
        except ValueError:
            continue
        if code in known and weight > best_weight:
            best, best_weight = code, weight
    return best
