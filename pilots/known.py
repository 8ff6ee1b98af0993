"""What a plan names and the district knows (schools, grades, tests with their subjects, sources of events), and how
names are compared."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


def same(name: object) -> str:
    """A name as it is compared: vendors and people differ in case and blanks (macro ``same_name`` says the same)."""
    return " ".join(str(name).split()).lower()


def nearest(word: str, words: Iterable[str], otherwise: str, of: object = None) -> str:
    """For a word that is none of ``words``: ``did you mean ..?`` (`` for ..`` where ``of`` names it), or ``otherwise``
    where nothing is near."""
    close = difflib.get_close_matches(word, list(words), n=1)
    return f"did you mean {close[0]!r}{'' if of is None else f' for {of!r}'}?" if close else otherwise


@dataclass(frozen=True)
class Known:
    """What was loaded. ``schools``: ids; ``grades``: of pupils, as the roster writes them; ``tests``: test (as
    :func:`same` has it) to subject to measures, both as the results write them; ``sources``: names of senders.
    What is empty was not loaded, and nothing is held against it."""

    schools: frozenset[str] = frozenset()
    grades: frozenset[str] = frozenset()
    tests: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)
    sources: frozenset[str] = frozenset()
