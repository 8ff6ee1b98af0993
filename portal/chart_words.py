"""The words of a drawn chart in the language of the page: charts are drawn once, in English, and told when shown."""

from __future__ import annotations

import re
from html import escape, unescape

from answers.wording import month_told, retold
from cairn.language import ENGLISH, current
from portal.svg import TEXT

# A day on an axis, as ``14 Oct``.
AXIS_DAY = re.compile(r"(\d{1,2}) ([A-Z][a-z]{2})")


def drawn(svg: str) -> str:
    """The chart, with its texts in the language of the page; what is ``svg.as_written`` stays."""
    return svg if current() == ENGLISH else TEXT.sub(lambda found: f">{escape(_told(unescape(found[1])))}</text>", svg)


def _told(text: str) -> str:
    day = AXIS_DAY.fullmatch(text)
    return f"{day[1]} {month_told(day[2])}" if day else retold(text)
