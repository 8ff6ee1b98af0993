"""Cells of a class's grid as HTML: hundreds a page, drawn without a call of the template for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from answers import wording
from answers.class_answers import ClassView, Column
from cairn.language import gettext

Row = Mapping[str, Any]
# By state, the class of the colour and the letter that says it.
MARKS = {
    "mastered": ("m", "M"),
    "review_due": ("r", "R"),
    "developing": ("d", "D"),
    "not_enough_evidence": ("e", "N"),
    "not_started": ("e", "N"),
}
STUCK = ("s", "S")


def drawn_rows(
    view: ClassView, columns: Sequence[Column], standing: Mapping[tuple[str, str], Row]
) -> dict[str, Markup]:
    """The cells of each pupil's row, by key, in the language of the page.

    ``standing`` are the teachers' words by pupil and competency. Each cell is a link to its evidence; what is the same
    in many (address of the competency, state, share) is written once. Everything is escaped here.
    """
    ends = {one.competency_id: _address_end(one.competency_id) for one in columns}
    said: dict[tuple[Any, ...], tuple[str, str]] = {}
    opened = {True: "<td>", False: '<td class="far">'}

    def cell(key: str, escaped_key: str, competency_id: str) -> str:
        row = view.cells.get((key, competency_id))
        if row is None:
            return ""
        word = standing.get((key, competency_id))
        share = None if row["expected_share"] is None else wording.percent(row["expected_share"])
        what = (row["is_stuck"], row["state"], share, word["said"] if word else None)
        if what not in said:
            said[what] = _said(*what)
        kind, label = said[what]
        return f'<a class="cell {kind}" href="/students/{escaped_key}{ends[competency_id]}" aria-label="{label}</a>'

    def drawn(key: str) -> Markup:
        escaped_key = str(escape(key))
        cells = (f"{opened[one.is_lately]}{cell(key, escaped_key, one.competency_id)}</td>" for one in columns)
        return Markup("".join(cells))  # escaped piece by piece above

    return {key: drawn(key) for key in view.pupils}


def _address_end(competency_id: str) -> str:
    """What stands after the pupil's key in the address of a cell's evidence."""
    part = escape(quote(competency_id, safe="/"))
    return f"?on={part}#on-{part}"


def _said(is_stuck: bool, state: str, share: str | None, word: str | None) -> tuple[str, str]:
    """The class of a cell's colour; its label and letter, from inside the label's quotes on."""
    kind, letter = STUCK if is_stuck else MARKS[state]
    label = gettext("Stuck") if is_stuck else wording.state(state)
    if share:
        label += f", {share}"
    if word:
        label += "; " + gettext("a teacher said {word}").format(word=wording.said_word(word))
    teacher = escape(gettext("t"))
    mark = f"<i>{teacher}</i>" if word else ""
    return kind, f'{escape(label)}">{escape(wording.retold(letter))}{mark}'
