"""Rules about JSON values that are put together into a table: what a standard says of each key, checked in one walk.

A rule takes a value and returns nothing, or raises :class:`Refusal` with a reason and what to do; the objects and lists
around it add the path while the refusal goes up. Nothing is built where all is well, so that the hot path stays quick.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from cairn.evidence.activity import Refusal
from cairn.evidence.formats import is_known_iri, is_language

Rule = Callable[[Any], None]


def wrong(value: object, wanted: str) -> Refusal:
    """The refusal of a value of another type than ``wanted``; null has a reason of its own."""
    if value is None:
        return Refusal("field_null", "null may stand inside extensions only: leave the key out")
    return Refusal("field_invalid", f"must be {wanted}")


def boolean(value: Any) -> None:
    """True or false."""
    if value is not True and value is not False:
        raise wrong(value, "true or false")


def text(value: Any) -> None:
    """Any string, the empty one too."""
    if type(value) is not str:
        raise wrong(value, "a string")


def some_text(value: Any) -> None:
    """A string with something in it."""
    if type(value) is not str:
        raise wrong(value, "a string")
    if not value.strip():
        raise Refusal("field_missing", "must not be empty")


def number(value: Any) -> None:
    """A JSON number; true and false are none, nor is a number in quotes."""
    if type(value) is not float and type(value) is not int:
        raise wrong(value, "a number, without quotes")


def count_of_octets(value: Any) -> None:
    """A whole number from 0."""
    if type(value) is not int or value < 0:
        raise wrong(value, "a whole number of octets, 0 or more")


def matching(pattern: re.Pattern[str], reason: str, wanted: str) -> Rule:
    """A string that matches a pattern to its end."""
    matches = pattern.fullmatch

    def rule(value: Any) -> None:
        if type(value) is not str:
            raise wrong(value, wanted)
        if matches(value) is None:
            raise Refusal(reason, f"must be {wanted}")

    return rule


def parsed(parse: Callable[[str], object], reason: str, wanted: str) -> Rule:
    """A string that ``parse`` reads without ValueError or OverflowError."""

    def rule(value: Any) -> None:
        if type(value) is not str:
            raise wrong(value, wanted) if value is None else Refusal(reason, f"must be {wanted}")
        try:
            parse(value)
        except (ValueError, OverflowError):
            raise Refusal(reason, f"must be {wanted}") from None

    return rule


def one_of(*allowed: str) -> Rule:
    """One of the words that a standard lists, in its case."""
    words = frozenset(allowed)
    said = " or ".join(allowed) if len(allowed) < 4 else ", ".join(allowed)

    def rule(value: Any) -> None:
        if type(value) is not str:
            raise wrong(value, said)
        if value not in words:
            raise Refusal("value_unknown", f"must be {said}, in this case")

    return rule


def repeated_iri(value: Any) -> None:
    """An IRI of a kind that repeats within a district."""
    if type(value) is not str:
        raise wrong(value, "an IRI with its scheme")
    if not is_known_iri(value):
        raise Refusal("iri_invalid", "must be an IRI with its scheme, such as https://...")


def language(value: Any) -> None:
    """A language tag (RFC 5646)."""
    if type(value) is not str:
        raise wrong(value, "a language tag")
    if not is_language(value):
        raise Refusal("language_invalid", "must be a language tag such as en or es-MX (RFC 5646); und where unknown")


def language_map(value: Any) -> None:
    """An object of language tags and texts."""
    if type(value) is not dict:
        raise wrong(value, 'an object of language tags and texts, such as {"en": "..."}')
    for key, item in value.items():
        if not is_language(key):
            raise Refusal("language_invalid", "has a key that is no language tag such as en or es-MX (RFC 5646)")
        if type(item) is not str:
            raise wrong(item, "texts, one a language tag")


def extensions(value: Any) -> None:
    """An object whose keys are IRIs; its values are the sender's own, null among them."""
    if type(value) is not dict:
        raise wrong(value, "an object")
    for key in value:
        if not is_known_iri(key):
            raise Refusal("iri_invalid", "has a key that is no IRI with its scheme, such as https://...")


def list_of(item_rule: Rule, least: int = 0) -> Rule:
    """A list of at least so many items, each under the rule."""

    def rule(value: Any) -> None:
        if type(value) is not list:
            raise wrong(value, "a list")
        if len(value) < least:
            raise Refusal("field_invalid", f"must hold at least {least}")
        index = 0
        try:
            for index, item in enumerate(value):  # noqa: B007 - the place of the item that is refused
                item_rule(item)
        except Refusal as refusal:
            raise refusal.within(f"[{index}]") from None

    return rule


def object_of(rules: Mapping[str, Rule], required: tuple[str, ...] = (), also: Rule | None = None) -> Rule:
    """An object with these keys and no other, ``required`` among them; ``also`` looks at the whole, last."""
    rule_of = rules.get

    def rule(value: Any) -> None:
        if type(value) is not dict:
            raise wrong(value, "an object")
        key = ""
        try:
            for key, item in value.items():
                check = rule_of(key)
                if check is None:
                    raise _unknown(key, rules)
                check(item)
        except Refusal as refusal:
            # An unknown key is never told: it may be anything, a name among them.
            raise (refusal.within(key) if key in rules else refusal) from None
        for name in required:
            if name not in value:
                raise Refusal("field_missing", "is required", name)
        if also is not None:
            also(value)

    return rule


def _unknown(key: str, rules: Mapping[str, Rule]) -> Refusal:
    lowered = key.lower()
    for name in rules:
        if name.lower() == lowered:
            return Refusal("field_unknown", f"has a key in another case than the specification's: write {name}")
    return Refusal("field_unknown", f"has a key that is not allowed here; allowed are {', '.join(rules)}")
