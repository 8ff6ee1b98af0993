"""What of a refused statement is shown: enough to tell its kind, and nobody's name, address or number."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from cairn.evidence.excerpt import LONGEST, excerpt

ACTOR = {"name": "Adelheid Quill", "mbox": "mailto:adelheid.quill@example.org"}
SOUND: dict[str, Any] = {
    "actor": ACTOR,
    "verb": {"id": "https://verbs.example/pondered"},
    "object": {"objectType": "Activity", "id": "https://items.example/adelheid"},
    "result": {"response": "my name is Adelheid"},
}
CALIPER = {
    "type": "AssessmentItemEvent",
    "action": "Pondered",
    "actor": {"id": "urn:uuid:77", "type": "Person", "name": "Adelheid Quill"},
    "object": {"type": "AssessmentItem", "id": "https://items.example/1"},
}


@pytest.mark.parametrize(
    ("original", "shown"),
    [
        (SOUND, "verb https://verbs.example/pondered; object Activity; has actor, verb, object, result"),
        (CALIPER, "AssessmentItemEvent/Pondered; object AssessmentItem; has type, actor, action, object"),
        (
            {**SOUND, "verb": {"id": "https://verbs.example/adelheid"}},
            "object Activity; has actor, verb, object, result",
        ),
        ({**SOUND, "verb": {"id": "https://verbs.example/x?u=1"}}, "object Activity; has actor, verb, object, result"),
        ({**SOUND, "verb": {"id": "https://v.example/s/004711"}}, "object Activity; has actor, verb, object, result"),
        ({"verb": "Adelheid", "Adelheid": 1}, "has verb"),
        (
            {**CALIPER, "action": "Quill", "Adelheid": 1},
            "AssessmentItemEvent; object AssessmentItem; has type, actor, action, object",
        ),
        ([SOUND, SOUND], "an array of 2"),
        ({}, None),
        ("Adelheid", None),
    ],
)
def test_kind_and_shape_are_shown_and_nobody(original: object, shown: str | None) -> None:
    assert excerpt(orjson.dumps(original)) == shown


def test_what_is_no_json_shows_nothing() -> None:
    assert excerpt(b'{"actor":{"name":"Adelheid"') is None
    assert excerpt(b"") is None


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*SOUND, *CALIPER, "id"]), inner, max_size=5)
    ),
    max_leaves=12,
)


@effort(max_examples=200, deadline=None)
@given(
    parts=st.dictionaries(st.sampled_from([*SOUND, *CALIPER]), _ANY, max_size=4), base=st.sampled_from([SOUND, CALIPER])
)
def test_whatever_it_is_it_never_raises_and_names_no_actor(parts: dict[str, Any], base: dict[str, Any]) -> None:
    found = excerpt(orjson.dumps({**base, **parts, "actor": base["actor"]}))
    assert len(found or "") <= LONGEST
    assert "adelheid" not in (found or "").lower()
