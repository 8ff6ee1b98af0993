"""Caliper's information model as checks, made once from ``schemas/standards/caliper_1_2.yaml``.

An element of an envelope's ``data`` names its version in ``@context``, and is held to one of three forms of the model:

- 1.2 (**strict**): everything the specification says MUST: types, properties, terms, ids, UTC times to the millisecond.
- 1.2 with further contexts, a list whose last is Caliper's or an inline one (**extended**): the same, but for
  properties that the model does not have, which those contexts define.
- 1.0 and 1.1 (**tolerant**): as their users send them. Canvas says what was worked on by its Attempt, Blackboard has
  types of its own and plain UUIDs: types, properties and terms that the model does not have pass, an event may be
  about any entity, ids need no form and times any zone. Strings, numbers, lists and times are still held to be such.

A property that is null counts as absent, as the specification asks of readers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import yaml

from cairn.errors import CairnError
from cairn.evidence.activity import Refusal
from cairn.evidence.formats import UUID_TEXT
from cairn.evidence.rules import Rule, list_of
from cairn.evidence.times import DURATION, INSTANT
from cairn.settings import REPOSITORY

MODEL = REPOSITORY / "schemas" / "standards" / "caliper_1_2.yaml"
# An absolute IRI (RFC 3987: no blanks, none of the delimiters), or a blank node of JSON-LD.
IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20\x7f-\xa0<>\"{}|\\^`]+|_:[^\x00-\x20]+")
EVENT_ID = re.compile("urn:uuid:" + UUID_TEXT.pattern, re.ASCII)
UTC_MILLISECONDS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
# A property's name of this form may be shown to a sender; another might be somebody's.
SHOWN_NAME = re.compile(r"@?[a-z][A-Za-z]{0,40}", re.ASCII)


@dataclass(frozen=True)
class Kind:
    """One type: its checks by property, what must be there, and what may be left out but not be null."""

    checks: Mapping[str, Rule]
    required: tuple[str, ...] = ()
    never_null: frozenset[str] = frozenset()

    def over(self, above: Kind) -> Kind:
        """This kind with what it has of the one above it."""
        required = (*above.required, *(name for name in self.required if name not in above.required))
        return Kind({**above.checks, **self.checks}, required, above.never_null | self.never_null)


@dataclass(frozen=True)
class Form:
    """How far a version is held to the model (see the module)."""

    is_strict: bool
    has_other_terms: bool


STRICT, EXTENDED, TOLERANT = Form(True, False), Form(True, True), Form(False, True)


class Model:
    """The model in one form."""

    def __init__(self, raw: Mapping[str, Any], form: Form) -> None:
        self.form = form
        self.check_time = _utc_instant if form.is_strict else _any_instant
        self._terms = {name: frozenset(words) for name, words in raw["terms"].items()}
        self._parents = {name: tuple(table.get("is", ())) for name, table in raw["entities"].items()}
        self._without_own_context = (None, *raw["contexts"]["strict"])
        self._nodes: dict[str, Rule] = {}
        self._references: dict[str, Rule] = {}
        thing = Kind({"id": _iri if form.is_strict else _text, **NOT_PROPERTIES}, ("id",))
        for name in raw["entities"]:
            self._nodes[name] = self._node(self._entity(name, raw["entities"]).over(thing))
        for name, table in raw["without_id"].items():
            self._nodes[name] = self._node(self._kind(table).over(Kind(NOT_PROPERTIES)))
        self._unknown_node = self._node(thing)
        event = Kind({"id": _event_id if form.is_strict else _text, **NOT_PROPERTIES}, ("id",))
        self._events = {
            name: self._event(table, raw["events"]["Event"], event) for name, table in raw["events"].items()
        }
        self._configuration = self._kind(raw["endpoint_configuration"]).over(Kind(NOT_PROPERTIES))

    def is_event(self, element: Mapping[str, Any]) -> bool:
        """Whether an element is an event, by its type or, where the type is not known, by having an action."""
        return element.get("type") in self._events or "action" in element

    def check(self, element: dict[str, Any]) -> None:
        """Raises Refusal where an element is neither an event nor an entity of the model."""
        type_name = element.get("type")
        if type(type_name) is not str or not type_name:
            if type_name is None and len(element) > 1 and self._configuration.checks.keys() >= element.keys():
                self._node(self._configuration)(element)
                return
            raise Refusal("field_missing", "is required and must be a string", "type")
        check = self._events.get(type_name) or self._nodes.get(type_name)
        if check is None:
            if self.form.is_strict:
                raise Refusal("value_unknown", "is none of Caliper's events and entities", "type")
            check = self._events["Event"] if "action" in element else self._unknown_node
        check(element)

    def _node(self, kind: Kind) -> Rule:
        """The check of an object of a kind: every property, then what must be there."""
        find, required, never_null = kind.checks.get, kind.required, kind.never_null
        has_other_terms, without_own = self.form.has_other_terms, self._without_own_context

        def check(node: Any) -> None:
            for name, value in node.items():
                found = find(name)
                if found is None:
                    # A context of the object's own may define what Caliper's does not.
                    if value is not None and not has_other_terms and node.get("@context") in without_own:
                        raise _unknown(name)
                elif value is None:
                    if name in never_null:
                        raise Refusal("field_null", "must not be null: leave it out where there is none", name)
                else:
                    try:
                        found(value)
                    except Refusal as refusal:
                        raise refusal.within(name) from None
            for name in required:
                if node.get(name) is None:
                    raise Refusal("field_missing", "is required", name)

        return check

    def _entity(self, name: str, tables: Mapping[str, Any]) -> Kind:
        """A type's own properties over those of the types above it."""
        found = Kind({})
        for parent in self._parents[name]:
            found = self._entity(parent, tables).over(found)
        return self._kind(tables[name]).over(found)

    def _event(self, table: Mapping[str, Any], base: Mapping[str, Any], event: Kind) -> Rule:
        """The check of one type of event, narrowed further by its action where the table says so."""
        if not self.form.is_strict:
            return self._node(self._kind({**base, "navigatedFrom": "Entity"}).over(event))
        merged = {**base, **table, "required": base["required"]}
        actions = table.get("actions", self._terms["action"])
        action = self._action(frozenset(actions))
        whole = Kind({"action": action}).over(self._kind(merged)).over(event)
        general = self._node(whole)
        if not isinstance(actions, dict):
            return general
        by_action = {name: self._node(self._kind(narrow).over(whole)) for name, narrow in actions.items()}

        def check(element: Any) -> None:
            given = element.get("action")
            (by_action.get(given, general) if type(given) is str else general)(element)

        return check

    def _action(self, allowed: frozenset[str]) -> Rule:
        known = self._terms["action"]

        def check(value: Any) -> None:
            if type(value) is not str or value not in known:
                raise Refusal("unknown_verb", "is none of Caliper's actions")
            if value not in allowed:
                raise Refusal("value_unknown", "is an action that this type of event does not have")

        return check

    def _kind(self, table: Mapping[str, Any]) -> Kind:
        """The properties of one table, without those of the types above."""
        spoken = {name: kind for name, kind in table.items() if name not in ("is", "required", "actions")}
        never_null = [name for name, kind in spoken.items() if isinstance(kind, str) and kind.endswith("!")]
        return Kind(
            {name: self._of(kind) for name, kind in spoken.items()},
            tuple(table.get("required", ())),
            frozenset(never_null if self.form.is_strict else ()),
        )

    def _of(self, kind: str | list[str]) -> Rule:
        if isinstance(kind, list):
            return list_of(self._of(kind[0]))
        kind = kind.rstrip("!")
        if kind == "instant":
            return self.check_time
        if kind in VALUES:
            return VALUES[kind]
        if kind == "terms action":
            return self._action(self._terms["action"])
        if kind.startswith("terms "):
            return _term(self._terms[kind.removeprefix("terms ")]) if self.form.is_strict else _text
        if kind not in self._references:
            self._references[kind] = self._reference(kind)
        return self._references[kind]

    def _reference(self, expected: str) -> Rule:
        """An entity of a type or of one below it, or its IRI alone."""
        tops = expected.split(" | ")
        names = {*tops, *(name for name in self._parents if any(self._is_a(name, top) for top in tops))}
        is_strict, nodes = self.form.is_strict, self._nodes
        thinned = _iri if is_strict else _text
        message = f"must be {'an entity' if expected == 'Entity' else expected.replace(' | ', ' or ')}, or its IRI"

        def check(value: Any) -> None:
            if type(value) is dict:
                type_name = value.get("type")
                if type(type_name) is not str:
                    raise Refusal("field_missing", "is required and must be a string", "type")
                if type_name in names:
                    nodes[type_name](value)
                elif is_strict:
                    raise Refusal("value_unknown" if type_name not in nodes else "field_invalid", message)
                else:
                    nodes.get(type_name, self._unknown_node)(value)
            elif type(value) is str:
                thinned(value)
            else:
                raise Refusal("field_invalid", message)

        return check

    def _is_a(self, name: str, top: str) -> bool:
        return name == top or any(self._is_a(parent, top) for parent in self._parents[name])


def _unknown(name: str) -> Refusal:
    shown = f"{name} is no property" if SHOWN_NAME.fullmatch(name) else "there is a property that is none"
    return Refusal("field_unknown", f"{shown} of Caliper 1.2: what is your own belongs into extensions")


def _iri(value: Any) -> None:
    if type(value) is not str or not IRI.fullmatch(value):
        raise Refusal("iri_invalid", "must be an IRI with its scheme")


def _event_id(value: Any) -> None:
    if type(value) is not str or not EVENT_ID.fullmatch(value):
        raise Refusal("id_invalid", "must be urn:uuid: and a UUID")


def _text(value: Any) -> None:
    if type(value) is not str or not value.strip():
        raise Refusal("field_invalid", "must be a string")


def _plain(types: tuple[type, ...], expected: str) -> Rule:
    def check(value: Any) -> None:
        if type(value) not in types:
            raise Refusal("field_invalid", expected)

    return check


def _anything(value: Any) -> None:
    """What the model does not say more of."""


def _integer(value: Any) -> None:
    if not (type(value) is int or (type(value) is float and value.is_integer())) or value < 0:
        raise Refusal("field_invalid", "must be a whole number of at least 0")


def _duration(value: Any) -> None:
    if type(value) is not str or not DURATION.fullmatch(value) or value[-1] in "PT":
        raise Refusal("duration_invalid", "must be an ISO 8601 duration such as PT1M30S")


def _utc_instant(value: Any) -> None:
    if type(value) is str and UTC_MILLISECONDS.fullmatch(value):
        try:
            datetime.fromisoformat(value[:-1])
        except ValueError:
            pass
        else:
            return
    raise Refusal("timestamp_invalid", "must be UTC to the millisecond, such as 2026-10-14T08:00:00.000Z")


def _any_instant(value: Any) -> None:
    if type(value) is not str or not INSTANT.fullmatch(value):
        raise Refusal("timestamp_invalid", "must be RFC 3339 with a zone, such as 2026-10-14T08:00:00.000Z")


def _term(words: frozenset[str]) -> Rule:
    def check(value: Any) -> None:
        if type(value) is not str or value not in words:
            raise Refusal("value_unknown", "is none of the words that Caliper has for it")

    return check


NOT_PROPERTIES: Mapping[str, Rule] = {"type": _anything, "@context": _anything}
VALUES: Mapping[str, Rule] = {
    "string": _plain((str,), "must be a string"),
    "boolean": _plain((bool,), "must be true or false"),
    "number": _plain((int, float), "must be a number"),
    "map": _plain((dict,), "must be an object"),
    "any": _anything,
    "integer": _integer,
    "duration": _duration,
}


@dataclass(frozen=True)
class Models:
    """The three forms, by the context that asks for them."""

    strict: Model
    extended: Model
    tolerant: Model
    contexts: frozenset[str]
    older: tuple[str, ...]
    envelope: frozenset[str]

    def of_context(self, context: object) -> Model:
        """The form that a ``@context`` asks for; the tolerant one where there is none, as in elements sealed of old.

        Raises Refusal where it is none of Caliper's.
        """
        if context is None:
            return self.tolerant
        if isinstance(context, dict):
            return self.extended
        listed = context if isinstance(context, list) else [context]
        last = listed[-1] if listed else None
        if isinstance(last, str) and last in self.contexts:
            return self.strict if listed is not context or len(listed) == 1 else self.extended
        if any(isinstance(each, str) and each.startswith(self.older) for each in listed):
            return self.tolerant
        raise Refusal("field_invalid", "must be Caliper's context, last where there are several", "@context")


@cache
def models() -> Models:
    """The model of the shipped file, in its three forms. Raises CairnError where the file is not one."""
    try:
        raw = yaml.safe_load(MODEL.read_text(encoding="utf-8"))
        return Models(
            Model(raw, STRICT),
            Model(raw, EXTENDED),
            Model(raw, TOLERANT),
            frozenset(raw["contexts"]["strict"]),
            tuple(raw["contexts"]["tolerant_prefixes"]),
            frozenset(raw["envelope"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise CairnError(f"{MODEL}: not a model of Caliper ({error}): take it from the release") from None
