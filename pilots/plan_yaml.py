"""YAML that remembers where it came from: values, and the line of each key and item.

Values stay as they were written: days are text, and so is what YAML 1.1 would turn into another number without a word
(0:45 into 45, 05 and 010 into octal 5 and 8).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from cairn.errors import CairnError

KeyPath = tuple[str | int, ...]
_TAG = "tag:yaml.org,2002:"


class _Strings(yaml.SafeLoader):
    """Dates stay text, and numbers are those that a person reads as one: the plan is hashed and checked as written."""


_Strings.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.removeprefix(_TAG) not in ("timestamp", "int", "float")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Strings.add_implicit_resolver(f"{_TAG}int", re.compile(r"[-+]?(0|[1-9][0-9]*)$"), list("-+0123456789"))
_Strings.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$"),
    list("-+.0123456789"),
)


def read_yaml(path: Path) -> tuple[Any, dict[KeyPath, int]]:
    """(value, line of every key path, from 1). Raises CairnError with file and line where it cannot be read, or where
    a key stands twice."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CairnError(f"{path}: cannot be read as text ({type(error).__name__}); give the path of a plan") from error
    try:
        loader = _Strings(text)
        try:
            node = loader.get_single_node()
            value = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CairnError(f"{path}:{line}: not YAML: {error.problem}; mend the line and check again") from error
    lines: dict[KeyPath, int] = {(): 1}
    if node is not None:
        _collect(node, (), lines, path)
    return value, lines


def _collect(node: yaml.Node, at: KeyPath, lines: dict[KeyPath, int], path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here, line = (*at, str(key.value)), key.start_mark.line + 1
            if here in lines:
                # YAML would take the last one without a word: of two waves of a school, the later.
                name = ".".join(str(part) for part in here)
                raise CairnError(f"{path}:{line}: {name} stands here and in line {lines[here]}: keep one of them")
            lines[here] = line
            _collect(value, here, lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*at, index)] = value.start_mark.line + 1
            _collect(value, (*at, index), lines, path)


def line_of(at: KeyPath, lines: dict[KeyPath, int]) -> int:
    """Line of a key path, or of the nearest thing around it."""
    while at not in lines:
        at = at[:-1]
    return lines[at]
