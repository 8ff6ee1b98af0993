"""The specification's rules about one xAPI statement, as a table (1.0.3 part two; 2.0, IEEE 9274.1.1, 4.2).

Read it from the end: :data:`RULES` has one rule a way of judging; each names the rules of its parts by key. What stands
beside a key is its type and form; what concerns several keys at once is a function named ``_..._also``.
docs/reference/conformance.md lists the sections of the specification with the tests that hold them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from cairn.evidence import rules as r
from cairn.evidence.activity import Refusal
from cairn.evidence.formats import IRI, MAILTO, MEDIA_TYPE, SHA1, SHA2, URI, UUID_TEXT
from cairn.evidence.rules import Rule, list_of, matching, object_of, one_of
from cairn.evidence.times import duration_parts, parse_instant

VOIDED = "http://adlnet.gov/expapi/verbs/voided"
IDENTIFIERS = ("mbox", "mbox_sha1sum", "openid", "account")


class Judging(StrEnum):
    """By which edition a statement is judged.

    ``PARTIAL`` is for sources in the partial mode and for replay, where no edition is named: all that 2.0 knows, and
    what Open edX sends beside it, the object type GroupActivity and activities of the context whose id is no IRI.
    """

    XAPI_1 = "1.0.3"
    XAPI_2 = "2.0.0"
    PARTIAL = "partial"


iri = matching(IRI, "iri_invalid", "an IRI with its scheme, such as https://...")
uuid_text = matching(UUID_TEXT, "id_invalid", "a UUID such as 00000000-0000-4000-8000-000000000000")
instant = r.parsed(
    parse_instant, "timestamp_invalid", "RFC 3339 with a zone, such as 2026-10-14T08:00:00Z, from 1990 to 2099"
)
duration = r.parsed(duration_parts, "duration_invalid", "an ISO 8601 duration such as PT1M30S")


# Who: agents and groups (1.0.3 part two, 2.4.2; 2.0, 4.2.2.1)
def _identifiers_in(value: Mapping[str, Any]) -> int:
    found = ("mbox" in value) + ("account" in value) + ("mbox_sha1sum" in value) + ("openid" in value)
    if found > 1:
        named = [name for name in IDENTIFIERS if name in value]
        raise Refusal("actor_ambiguous", f"has {' and '.join(named)}: send exactly one")
    return found


def _agent_also(value: Any) -> None:
    if not _identifiers_in(value):
        raise Refusal("actor_without_identifier", "needs one of mbox, mbox_sha1sum, openid, account")


def _group_also(value: Any) -> None:
    if not _identifiers_in(value) and not value.get("member"):
        raise Refusal(
            "actor_without_identifier", "needs one of mbox, mbox_sha1sum, openid, account, or member with its agents"
        )


_WHO: dict[str, Rule] = {
    "name": r.text,
    "mbox": matching(MAILTO, "iri_invalid", "mailto: and a mail address"),
    "mbox_sha1sum": matching(SHA1, "field_invalid", "a SHA-1 sum of 40 hexadecimal digits"),
    "openid": matching(URI, "iri_invalid", "a URI with its scheme, such as https://..."),
    "account": object_of({"homePage": r.repeated_iri, "name": r.some_text}, required=("homePage", "name")),
}
agent = object_of({"objectType": one_of("Agent"), **_WHO}, also=_agent_also)
group = object_of(
    {"objectType": one_of("Group"), **_WHO, "member": list_of(agent)}, required=("objectType",), also=_group_also
)


def actor(value: Any) -> None:
    """An agent, or a group where objectType says so."""
    if type(value) is dict and (kind := value.get("objectType")) is not None and kind != "Agent":
        if kind != "Group":
            raise Refusal("value_unknown", "must be Agent or Group, in this case", "objectType")
        group(value)
        return
    agent(value)


def authority(value: Any) -> None:
    """An agent, or the two agents of three-legged OAuth as a group without an identifier (1.0.3 part two, 2.4.9)."""
    actor(value)
    if value.get("objectType") == "Group" and (_identifiers_in(value) or len(value.get("member", ())) != 2):
        raise Refusal("field_invalid", "a group as authority has exactly two members and no identifier of its own")


# What: activities, references, statements within statements (1.0.3 part two, 2.4.3 and 2.4.4; 2.0, 4.2.2.2, 4.2.2.3)
COMPONENTS = ("choices", "scale", "source", "target", "steps")
INTERACTIONS = (
    *("true-false", "choice", "fill-in", "long-fill-in", "matching"),
    *("performance", "sequencing", "likert", "numeric", "other"),
)


def _components(value: Any) -> None:
    _listed_components(value)
    if len({one["id"] for one in value}) < len(value):
        raise Refusal("field_invalid", "two components have the same id: each id once")


def _definition_also(value: Any) -> None:
    if "interactionType" not in value and (
        "correctResponsesPattern" in value or not value.keys().isdisjoint(COMPONENTS)
    ):
        raise Refusal(
            "field_missing", "is required with correctResponsesPattern and with components", "interactionType"
        )


_listed_components = list_of(object_of({"id": r.text, "description": r.language_map}, required=("id",)))
definition = object_of(
    {
        "name": r.language_map,
        "description": r.language_map,
        "type": r.repeated_iri,
        "moreInfo": iri,
        "interactionType": one_of(*INTERACTIONS),
        "correctResponsesPattern": list_of(r.text),
        **dict.fromkeys(COMPONENTS, _components),
        "extensions": r.extensions,
    },
    also=_definition_also,
)
activity = object_of(
    {"objectType": one_of("Activity"), "id": r.repeated_iri, "definition": definition}, required=("id",)
)
# Open edX's, for a problem of several questions; as context it also sends ids that are no IRIs.
group_activity = object_of(
    {"objectType": one_of("GroupActivity"), "id": r.repeated_iri, "definition": definition}, required=("id",)
)
_loose_activity = object_of(
    {"objectType": one_of("Activity", "GroupActivity"), "id": r.some_text, "definition": definition}, required=("id",)
)
statement_ref = object_of({"objectType": one_of("StatementRef"), "id": uuid_text}, required=("objectType", "id"))
verb = object_of({"id": r.repeated_iri, "display": r.language_map}, required=("id",))


# How well (1.0.3 part two, 2.4.5; 2.0, 4.2.2.4)
def _score_also(value: Any) -> None:
    scaled, raw, low, high = value.get("scaled"), value.get("raw"), value.get("min"), value.get("max")
    if scaled is not None and not -1 <= scaled <= 1:
        raise Refusal("score_out_of_range", "must lie between -1 and 1", "scaled")
    if low is not None and high is not None and low >= high:
        raise Refusal("score_out_of_range", "must be less than max", "min")
    if raw is not None and ((low is not None and raw < low) or (high is not None and raw > high)):
        raise Refusal("score_out_of_range", "must lie between min and max", "raw")


result = object_of(
    {
        "score": object_of(dict.fromkeys(("scaled", "raw", "min", "max"), r.number), also=_score_also),
        "success": r.boolean,
        "completion": r.boolean,
        "response": r.text,
        "duration": duration,
        "extensions": r.extensions,
    }
)


# Where and with whom (1.0.3 part two, 2.4.6; 2.0, 4.2.2.5)
def _one_or_more(rule: Rule) -> Rule:
    """A list, or one alone as versions before 1.0 had it."""
    several = list_of(rule)

    def either(value: Any) -> None:
        (several if type(value) is list else rule)(value)

    return either


def _context_activities(rule: Rule) -> Rule:
    return object_of(dict.fromkeys(("parent", "grouping", "category", "other"), _one_or_more(rule)))


_CONTEXT: dict[str, Rule] = {
    "registration": uuid_text,
    "instructor": actor,
    "team": group,
    "contextActivities": _context_activities(activity),
    "revision": r.text,
    "platform": r.text,
    "language": r.language,
    "statement": statement_ref,
    "extensions": r.extensions,
}
_relevant_types = list_of(r.repeated_iri, least=1)
_CONTEXT_2: dict[str, Rule] = {
    **_CONTEXT,
    "contextAgents": list_of(
        object_of(
            {"objectType": one_of("contextAgent"), "agent": agent, "relevantTypes": _relevant_types},
            required=("objectType", "agent"),
        )
    ),
    "contextGroups": list_of(
        object_of(
            {"objectType": one_of("contextGroup"), "group": group, "relevantTypes": _relevant_types},
            required=("objectType", "group"),
        )
    ),
}

_CONTEXT_PARTIAL: dict[str, Rule] = {**_CONTEXT_2, "contextActivities": _context_activities(_loose_activity)}

# What hangs on it (1.0.3 part two, 2.4.11; 2.0, 4.2.2.6)
attachments = list_of(
    object_of(
        {
            "usageType": r.repeated_iri,
            "display": r.language_map,
            "description": r.language_map,
            "contentType": matching(MEDIA_TYPE, "field_invalid", "a media type such as text/plain"),
            "length": r.count_of_octets,
            "sha2": matching(SHA2, "field_invalid", "a SHA-2 sum in hexadecimal digits"),
            "fileUrl": iri,
        },
        required=("usageType", "display", "contentType", "length", "sha2"),
    )
)


def _statement_also(value: Any) -> None:
    thing = value["object"]
    if thing.get("objectType", "Activity") not in ("Activity", "GroupActivity"):
        context = value.get("context", {})
        for name in ("revision", "platform"):
            if name in context:
                raise Refusal("field_unknown", "may be used only where the object is an Activity", f"context.{name}")


def _voiding_also(value: Any) -> None:
    if value["verb"]["id"] == VOIDED and value["object"].get("objectType") != "StatementRef":
        raise Refusal("void_without_target", "a voiding statement's object is a StatementRef with its id", "object")
    _statement_also(value)


def _object_rule(kinds: Mapping[str, Rule]) -> Rule:
    said = ", ".join(kinds)

    def rule(value: Any) -> None:
        if type(value) is not dict:
            raise r.wrong(value, "an object")
        kind = value.get("objectType", "Activity")
        found = kinds.get(kind) if type(kind) is str else None
        if found is None:
            raise Refusal("value_unknown", f"must be one of {said}, in this case", "objectType")
        found(value)

    return rule


def _statement_rule(context: Mapping[str, Rule], version: str, *, has_group_activity: bool) -> Rule:
    kinds: dict[str, Rule] = {"Activity": activity, "Agent": agent, "Group": group, "StatementRef": statement_ref}
    if has_group_activity:
        kinds["GroupActivity"] = group_activity
    parts: dict[str, Rule] = {
        "actor": actor,
        "verb": verb,
        "object": _object_rule(kinds),
        "result": result,
        "context": object_of(context),
        "timestamp": instant,
        "attachments": attachments,
    }
    required = ("actor", "verb", "object")
    # A statement within a statement has no id, stored, version or authority, and no other within (2.4.4.3).
    sub_statement = object_of({"objectType": one_of("SubStatement"), **parts}, required, _statement_also)
    whole: dict[str, Rule] = {
        "id": uuid_text,
        **parts,
        "object": _object_rule({**kinds, "SubStatement": sub_statement}),
        "stored": instant,
        "authority": authority,
        "version": matching(re.compile(version), "value_unknown", "a version of this edition, such as 1.0.0"),
    }
    return object_of(whole, required, _voiding_also)


_V1, _V2 = r"1\.0(?:\.\d{1,4})?", r"(?:1\.0(?:\.\d{1,4})?|2\.0(?:\.\d{1,4})?)"
RULES: Mapping[Judging, Rule] = {
    Judging.XAPI_1: _statement_rule(_CONTEXT, _V1, has_group_activity=False),
    Judging.XAPI_2: _statement_rule(_CONTEXT_2, _V2, has_group_activity=False),
    Judging.PARTIAL: _statement_rule(_CONTEXT_PARTIAL, _V2, has_group_activity=True),
}


def check_statement(statement: object, judging: Judging) -> None:
    """Raise Refusal (reason, path, what to do) where a statement breaks a rule of the specification."""
    if type(statement) is not dict:
        raise Refusal("not_a_statement", "a statement must be a JSON object")
    RULES[judging](statement)
