"""Bytes of a file into text, as spreadsheets and old tools write them: UTF-8, else Windows-1252 where that is plain.

Nothing is guessed: a file that is neither, or both at once, is refused with the line of the first byte that says so.
"""

from __future__ import annotations

import codecs

from cairn.errors import CairnError

WINDOWS_1252 = "cp1252"
SAVE_AGAIN = "save the file as 'CSV UTF-8' and load it again"


def decode(name: str, content: bytes) -> tuple[str, str]:
    """The text without its byte order mark, and a note for a person (empty where there is nothing to say).

    Windows-1252 is taken where the bytes are no UTF-8, each of them is a character of it, and no other characters of
    the file are UTF-8: then one reading is left. Raises CairnError with file and line for everything else.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise CairnError(f"{name}:1: the file is UTF-16: {SAVE_AGAIN}")
    if b"\0" in content:
        raise CairnError(f"{name}:{_line_of(content, content.index(0))}: a byte of value 0, so no text: {SAVE_AGAIN}")
    try:
        return content.decode("utf-8-sig"), ""
    except UnicodeDecodeError as error:
        first = error.start
    line = _line_of(content, first)
    if not content.decode("utf-8", errors="ignore").isascii():
        raise CairnError(f"{name}:{line}: not UTF-8, as other lines of the file are: {SAVE_AGAIN}")
    try:
        text = content.decode(WINDOWS_1252)
    except UnicodeDecodeError:
        raise CairnError(f"{name}:{line}: not UTF-8: {SAVE_AGAIN}") from None
    return text, f"not UTF-8: read as Windows-1252; {SAVE_AGAIN.removesuffix(' and load it again')} to be sure"


def _line_of(content: bytes, place: int) -> int:
    return content.count(b"\n", 0, place) + 1
