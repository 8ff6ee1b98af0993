"""What teachers may say and log: the district's codes and their words, ``teacher_words.yaml``, read here alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cairn.district import district_path, load_yaml_mapping
from cairn.errors import CairnError
from cairn.language import ENGLISH, LANGUAGES, current, gettext
from cairn.settings import Settings

FILE_NAME = "teacher_words.yaml"
# A note is for the school's own leader: long enough to say what was seen, too short for a pupil's file.
NOTE_CHARACTERS = 200
CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(frozen=True)
class TeacherWords:
    """Code to words: why a teacher speaks against the computed state, and what is done for pupils.

    ``translated``: by language and code, the words of those that the district gave in another one too.
    """

    override_reasons: Mapping[str, str]
    action_kinds: Mapping[str, str]
    translated: Mapping[str, Mapping[str, str]]

    def of(self, code: str | None) -> str:
        """The words of a reason or a kind; a code that is in the lists no more as words of its own."""
        if not code:
            return ""
        known = self.override_reasons.get(code) or self.action_kinds.get(code)
        return self.translated.get(current(), {}).get(code) or known or code.replace("_", " ").capitalize()


def load_teacher_words(settings: Settings) -> TeacherWords:
    """The district's lists. Raises CairnError naming file and key where one is empty or has what is no code."""
    path = district_path(settings, FILE_NAME)
    raw = load_yaml_mapping(path)
    unknown = sorted(set(raw) - {"override_reasons", "action_kinds"})
    if unknown:
        raise CairnError(f"{path}: unknown key {', '.join(unknown)}: it has override_reasons and action_kinds")
    reasons, kinds = (_codes(raw.get(key), f"{path}: {key}") for key in ("override_reasons", "action_kinds"))
    said = [*reasons.items(), *kinds.items()]
    translated = {
        language: {code: words[language] for code, words in said if language in words}
        for language in LANGUAGES
        if language != ENGLISH
    }
    english = [{code: words[ENGLISH] for code, words in found.items()} for found in (reasons, kinds)]
    return TeacherWords(english[0], english[1], translated)


def _codes(raw: Any, where: str) -> dict[str, dict[str, str]]:
    """Words by code and language. What stands alone is English; others stand as ``{en: words, es: words}``."""
    if not isinstance(raw, dict) or not raw:
        raise CairnError(f"{where}: write at least one line 'code: words'")
    found = {code: words if isinstance(words, dict) else {ENGLISH: words} for code, words in raw.items()}
    for code, words in found.items():
        is_said = ENGLISH in words and all(isinstance(one, str) and one.strip() for one in words.values())
        if not isinstance(code, str) or not CODE.fullmatch(code) or not is_said:
            raise CairnError(f"{where}: {code!r} is no code with its words (letters, digits and _ . : -)")
        if unknown := sorted(set(words) - set(LANGUAGES), key=str):
            raise CairnError(f"{where}: {code}: {unknown[0]!r} is no language: it has {', '.join(LANGUAGES)}")
    return {code: {language: one.strip() for language, one in words.items()} for code, words in found.items()}


def checked_note(text: str) -> str | None:
    """A note in one line, None where empty. Raises CairnError where it is too long or holds control characters."""
    note = " ".join(text.split())
    if len(note) > NOTE_CHARACTERS:
        told = gettext("The note has {count} characters: at most {most}.")
        raise CairnError(told.format(count=len(note), most=NOTE_CHARACTERS))
    if not note.isprintable():
        raise CairnError(gettext("The note holds characters that cannot be printed: write it again."))
    return note or None
