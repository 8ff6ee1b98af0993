"""The scorecard as a tagged PDF (Typst): the same words, numbers and charts as the page, for a board's papers."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from portal import words
from portal.scorecards import main_estimate

TEMPLATE = Path(__file__).resolve().parent / "templates" / "scorecard.typ"


def scorecard_pdf(
    card: dict[str, Any],
    charts: dict[str, str | None],
    decisions: list[dict[str, Any]],
    releases: dict[str, str],
) -> bytes:
    """PDF bytes of a presented card. Raises typst.TypstError where the template itself is broken."""
    import typst

    with tempfile.TemporaryDirectory(prefix="cairn-pdf-") as name:
        folder = Path(name)
        for chart, svg in charts.items():
            if svg:
                (folder / f"{chart}.svg").write_text(svg, encoding="utf-8")
        (folder / "data.json").write_text(json.dumps(_printable(card, charts, decisions, releases)), encoding="utf-8")
        (folder / "main.typ").write_text(TEMPLATE.read_text(encoding="utf-8"), encoding="utf-8")
        return bytes(
            typst.compile(
                folder / "main.typ", root=folder, format="pdf", ignore_system_fonts=True, pdf_standards="ua-1"
            )
        )


def _printable(
    card: dict[str, Any], charts: dict[str, str | None], decisions: list[dict[str, Any]], releases: dict[str, str]
) -> dict[str, Any]:
    """Everything the template prints, as text."""
    sure, who, happened, cost = card["how_sure"], card["for_whom"], card["did_it_happen"], card["cost"]
    estimate = main_estimate(card)
    return {
        "title": card["title"],
        "hypothesis": card["hypothesis"],
        "decision": words.recommendation(card["recommendation"]),
        "decision_text": card["recommendation_text"],
        "data_date": words.day(card["data_date"]),
        "releases": releases,
        "plan_hash": card["plan_hash"][:12],
        "why": card["why"],
        "warnings": card["warnings"],
        "sure": [
            f"{item['words'].capitalize()}{item['joint']} {item['text']} (chance {words.percent(item['probability'])})."
            for item in sure["statements"]
        ],
        "arms": f"{words.number(sure['schools_treatment'])} schools with, "
        f"{words.number(sure['schools_comparison'])} without.",
        "who": f"{words.number(who['pupils'])} pupils in {words.number(who['schools'])} schools, "
        f"grades {', '.join(map(str, who['grades'])) or 'not given'}.",
        "who_notes": who["notes"],
        "happened": [
            ["Pupils with the planned time", words.percent(happened["dosage_met_share"])],
            [
                "Minutes planned, mean reached",
                f"{words.number(happened['planned_minutes'])}, {words.number(happened['mean_minutes'])}",
            ],
            [
                "Milestones done of planned, late",
                f"{words.number(happened['milestones_done'])} of "
                f"{words.number(happened['milestones_planned'])}, {words.number(happened['milestones_late'])} late",
            ],
        ],
        "cost": [["Total", words.money(cost["total_usd"])], ["For each pupil", words.money(cost["per_pupil_usd"])]],
        "cost_notes": cost["notes"],
        "next": card["next"],
        "charts": {name: bool(svg) for name, svg in charts.items()},
        "effect_alt": _effect_alt(estimate),
        "estimates": [
            [
                str(one.get("label") or one["name"]).replace("_", " "),
                words.number(one["value"], 2),
                f"{words.number(one.get('low'), 2)} to {words.number(one.get('high'), 2)}",
                words.unit(one.get("unit")),
            ]
            for one in card["estimates"]
        ],
        "method": [
            ["Method", str(sure["method"] or "–").replace("_", " ")],
            ["Degrees of freedom", words.number(sure["df"], 1)],
            ["p-value", words.number(sure["p_value"], 4)],
            ["Smallest p this design can reach", words.number(sure["smallest_p"], 4)],
        ],
        "decisions": [
            [words.day(row["decided_at"].date()), words.recommendation(row["decision"]), row["reason"] or "–"]
            for row in decisions
        ],
    }


def _effect_alt(estimate: dict[str, Any] | None) -> str:
    """What the effect chart says, for those who cannot see it."""
    if estimate is None:
        return "No estimate."
    return (
        f"Difference between arms {words.number(estimate['value'], 2)} {words.unit(estimate.get('unit'))}, interval "
        f"{words.number(estimate['low'], 2)} to {words.number(estimate['high'], 2)}."
    )
