"""Sentences that Python or an evaluation makes in English, told in the language of the page when they are shown.

What an evaluation says is stored, and what is stored stays as it was said: a page translates it, the file does not
change. So each sentence stands here once as a pattern: ``{day}`` is what varies, and is itself told again (a day, a
share, the name of a check), but for :data:`AS_WRITTEN`. A text that no pattern knows stays as it is: somebody else's
words. Where nothing but somebody's words stands, nobody tells it: "Other" may be the name of an account.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

from answers.told_patterns import PATTERNS
from cairn.language import gettext

Inner = Callable[[str], str]
PLACE = re.compile(r"\{(\w+)\}")
# What stands for a number, a share or a cost, as it is or as published: a pattern of hardly more would fit any words.
NUMBERS: tuple[str, ...] = (
    "all",
    "apart",
    "begun",
    "chance",
    "cost",
    "count",
    "distance",
    "effect",
    "enough",
    "gained",
    "high",
    "low",
)
NUMBERS += ("margin", "minutes", "number", "part", "reached", "share", "smallest", "wanted", "with_it", "without")
NUMBER = r"(?:under |about |menos de )?[-+−$]?\d[\d.,]*(?: ?%)?(?: or (?:more|fewer))?|–"
# What stands for a list or a whole sentence; anything else ends where the next part of a list begins.
WHOLES = ("checks", "each", "error", "groups", "line", "names", "rest", "said", "sentence", "what", "why", "windows")
# What people wrote or named (a guardrail, schools, a reason): a word of it may be one of ours, and still stays.
AS_WRITTEN = ("done", "funder", "learned", "name", "names", "question", "reason", "school", "service", "source")
# Our own longest sentence with all that varies in it is shorter. What is longer is not looked at: a crafted text would
# take the square of its length or worse.
LONGEST = 600
LETTERS = re.compile(r"[^\W\d_]{2,}")


def told(text: str, inner: Inner) -> str:
    """The text in the language of the page; ``inner`` tells what varies in it. Unknown texts stay as they are."""
    if len(text) > LONGEST or not LETTERS.search(text):
        return text
    found = _as_a_whole(text, inner)
    if found is not None:
        return found
    for mark in ("; ", ". ", ", "):
        # A list is told part by part only where every part is known: half a sentence would be in two languages.
        parts = text.split(mark)
        if len(parts) > 1:
            each = [_as_a_whole(part, inner) if LETTERS.search(part) else part for part in parts]
            if all(one is not None for one in each):
                return mark.join(one for one in each if one is not None)
    return text


def _as_a_whole(text: str, inner: Inner) -> str | None:
    """A whole text, with or without its full stop or its capital; None where it is not known."""
    for body, stop in ((text, ""), (text[:-1], ".")) if text.endswith(".") else ((text, ""), (f"{text}.", "")):
        for one in (body, body[:1].lower() + body[1:], body[:1].upper() + body[1:]):
            said = _known(one, inner)
            if said is None:
                continue
            if body != text and not stop:
                said = said.removesuffix(".")
            is_opened = one != body
            first = said[:1].upper() if body[:1].isupper() else said[:1].lower()
            return (first + said[1:] if is_opened else said) + stop
    return None


def _known(text: str, inner: Inner) -> str | None:
    said = gettext(text)
    if said != text:
        return said
    for own, pattern, template in _patterns():
        if own in text and (found := pattern.fullmatch(text)):
            values = found.groupdict().items()
            return gettext(template).format(
                **{name: value if name in AS_WRITTEN else inner(value) for name, value in values}
            )
    return None


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str], str], ...]:
    """Each pattern as an expression after its longest own words, by which most are passed over without a look; those
    with most words of their own first."""
    most_own_words = sorted(PATTERNS, key=lambda template: -len(PLACE.sub("", template).replace(" ", "")))
    return tuple(
        (max(PLACE.split(template)[::2], key=len), re.compile(_expression(template)), template)
        for template in most_own_words
    )


def _expression(template: str) -> str:
    parts = PLACE.split(template)
    # Texts stand at even places, names of what varies at odd ones.
    return "".join(
        f"(?P<{part}>{_fitting(part)})" if place % 2 else re.escape(part) for place, part in enumerate(parts)
    )


def _fitting(name: str) -> str:
    if name in NUMBERS:
        return NUMBER
    # Of a rollout's course each sentence is alike: what was planned ends with its own.
    return "[^;.]+?" if name == "planned" else ".+?" if name in WHOLES else "[^;]+?"
