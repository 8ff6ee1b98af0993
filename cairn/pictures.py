"""Pictures and pages that stand by themselves: the frame of an SVG, its colours, and writing it to a file.

Without scripts or anything to fetch. Colours hold 3:1 against white; what a colour says, a word or a place says too.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from cairn.errors import CairnError

INK, GREY, BLUE, AMBER = "#24323a", "#7b878d", "#155a70", "#a4580c"


def framed(width: int, height: int, title: str, marks: Sequence[str], style: str, title_x: int) -> str:
    """An SVG of so many pixels with a title and marks; ``style`` is its style element."""
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" font-size="13"
 font-family="sans-serif" fill="{INK}"><title>{escape(title)}</title>
{style}
<rect width="{width}" height="{height}" fill="#ffffff"/>
<text x="{title_x}" y="20" font-size="15" font-weight="bold">{escape(title)}</text>
{chr(10).join(marks)}
</svg>"""


def write_text(path: Path, text: str, what: str) -> None:
    """Write a picture or a page (``what`` it is). Raises CairnError where the file cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CairnError(f"{path}: the {what} cannot be written ({error.strerror}): name another file") from error
