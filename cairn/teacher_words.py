"""What teachers may say and log: the district's codes and their words, ``teacher_words.yaml``, read here alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cairn.district import district_path, load_yaml_mapping
from cairn.errors import CairnError
from cairn.settings import Settings

FILE_NAME = "teacher_words.yaml"
# A note is for the school's own leader: long enough to say what was seen, too short for a pupil's file.
NOTE_CHARACTERS = 200
CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(frozen=True)
class TeacherWords:
    """Code to words: why a teacher speaks against the computed state, and what is done for pupils."""

    override_reasons: Mapping[str, str]
    action_kinds: Mapping[str, str]

    def of(self, code: str | None) -> str:
        """The words of a reason or a kind; a code that is in the lists no more as words of its own."""
        if not code:
            return ""
        known = self.override_reasons.get(code) or self.action_kinds.get(code)
        return known or code.replace("_", " ").capitalize()


def load_teacher_words(settings: Settings) -> TeacherWords:
    """The district's lists. Raises CairnError naming file and key where one is empty or has what is no code."""
    path = district_path(settings, FILE_NAME)
    raw = load_yaml_mapping(path)
    unknown = sorted(set(raw) - {"override_reasons", "action_kinds"})
    if unknown:
        raise CairnError(f"{path}: unknown key {', '.join(unknown)}: it has override_reasons and action_kinds")
    return TeacherWords(*(_codes(raw.get(key), f"{path}: {key}") for key in ("override_reasons", "action_kinds")))


def _codes(raw: Any, where: str) -> dict[str, str]:
    if not isinstance(raw, dict) or not raw:
        raise CairnError(f"{where}: write at least one line 'code: words'")
    for code, words in raw.items():
        if not isinstance(code, str) or not CODE.fullmatch(code) or not isinstance(words, str) or not words.strip():
            raise CairnError(f"{where}: {code!r} is no code with its words (letters, digits and _ . : -)")
    return {code: words.strip() for code, words in raw.items()}


def checked_note(text: str) -> str | None:
    """A note in one line, None where empty. Raises CairnError where it is too long or holds control characters."""
    note = " ".join(text.split())
    if len(note) > NOTE_CHARACTERS:
        raise CairnError(f"The note has {len(note)} characters: at most {NOTE_CHARACTERS}.")
    if not note.isprintable():
        raise CairnError("The note holds characters that cannot be printed: write it again.")
    return note or None
