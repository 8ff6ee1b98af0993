"""Whatever a gate's rule says to a page, its reader gets in the language of the page."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from answers import wording
from answers.told_of_gates import GATES, MEASURED
from cairn.language import speaking
from cairn.settings import REPOSITORY
from gates.engine import Engine
from gates.model import HOLDS_SCOPE, Rule

# What a rule's message is made of where it is not one text, and what stands for it here.
VARIES = "7"


def sentences() -> Iterator[str]:
    """Every message of a rule or finding in ``gates/``, as the code has it, with a number for what varies."""
    for path in sorted((REPOSITORY / "gates").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            given: list[ast.expr] = []
            if isinstance(node, ast.Assign) and any(getattr(one, "id", "") == "message" for one in node.targets):
                given = [node.value]
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Rule", "Finding", "_never"):
                given = node.args
            for value in given:
                text = _text(value)
                # Messages are words with a colon or a blank; conditions of SQL have a comparison.
                if re.search("[a-z]{3} ", text) and not re.search(r"[=<>]|\bis null\b|\bin \(|^not ", text):
                    yield text


def _text(value: ast.expr) -> str:
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    if isinstance(value, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else VARIES for part in value.values)
    return ""


def told(text: str) -> str:
    with speaking("es"):
        return wording.retold(text)


def test_every_message_of_a_rule_is_told_with_what_it_measured() -> None:
    found = set(sentences())
    assert len(found) > 15, "the messages are found"
    ends = [re.search(r"( \([a-z ]+ )\{\w+\}\)$", one) for one in MEASURED]
    measured = [f"{end[1]}{VARIES})" for end in ends if end]
    assert len(measured) == len(MEASURED)
    unknown = [
        text for text in found if told(text) == text and all(told(text + what) == text + what for what in measured)
    ]
    assert unknown == []


@pytest.mark.parametrize("sentence", GATES)
def test_each_sentence_is_said_by_a_rule(sentence: str) -> None:
    """None is left over from a rule that is gone."""
    own = max(re.split(r"\{\w+\}| \([a-z ]+ \{\w+\}\)$", sentence), key=len).strip()
    assert any(own in text for text in sentences()) or sentence == "a gate failed for this school"


def test_a_finding_of_the_engine_is_told_whole() -> None:
    message = "states in the mart differ from the lake: build the marts again with 'cairn marts build'"
    bounds = {"column": "differing", "min_value": 0, "max_value": 0}
    rule = Rule("pairs.states_agree", "ExpectColumnValuesToBeBetween", bounds, HOLDS_SCOPE, message)
    row = {"scope_type": "school", "scope_id": "school-a", "differing": 3, "pairs": 20}
    (found,) = Engine().check_scopes("pairs", rule, [row], "pairs")
    assert not found.is_passed
    assert told(found.message) == (
        "los estados de la tabla no son los del lago: haga las tablas de nuevo con 'cairn marts build' (distintos 3)"
    )
