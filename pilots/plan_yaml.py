"""YAML that remembers where it came from: values, and the line of each key and item."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from cairn.errors import CairnError

KeyPath = tuple[str | int, ...]


class _Strings(yaml.SafeLoader):
    """Dates stay text: the plan is hashed and checked as it was written."""


_Strings.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> tuple[Any, dict[KeyPath, int]]:
    """(value, line of every key path, from 1). Raises CairnError with file and line where it cannot be read."""
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
        _collect(node, (), lines)
    return value, lines


def _collect(node: yaml.Node, at: KeyPath, lines: dict[KeyPath, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*at, str(key.value))
            lines[here] = key.start_mark.line + 1
            _collect(value, here, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*at, index)] = value.start_mark.line + 1
            _collect(value, (*at, index), lines)


def line_of(at: KeyPath, lines: dict[KeyPath, int]) -> int:
    """Line of a key path, or of the nearest thing around it."""
    while at not in lines:
        at = at[:-1]
    return lines[at]
