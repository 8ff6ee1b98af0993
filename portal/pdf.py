"""The scorecard as a tagged PDF (Typst): the same words, numbers and charts as the page, for a board's papers."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import typst

from answers import wording
from answers.scorecard_parts import interval_told, unit_told, value_told

TEMPLATE = Path(__file__).resolve().parent / "templates" / "scorecard.typ"


def scorecard_pdf(
    card: dict[str, Any],
    charts: dict[str, str | None],
    decisions: list[dict[str, Any]],
    releases: dict[str, str],
) -> bytes:
    """PDF bytes of a presented card. Raises typst.TypstError where the template itself is broken."""
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


def _before_waves(card: dict[str, Any]) -> list[list[str]]:
    """The p of waves' trend before they started, as a row of the method; none where there is no such trend."""
    trend = (card["waves"] or {}).get("pre_trend")
    return [["p of waves moving otherwise before they started", wording.number(trend["p_value"], 2)]] if trend else []


def _group(one: dict[str, Any]) -> list[str]:
    """A group's row as text: name, pupils, effect, interval; what is not told is said in the last."""
    name = one["group"].capitalize()
    if one["why_not"]:
        return [name, "–", "–", f"not told: {one['why_not']}"]
    interval = f"{wording.number(one['low'], 2)} to {wording.number(one['high'], 2)}"
    return [name, one["pupils_told"], wording.number(one["effect_sd"], 2), interval]


def _printable(
    card: dict[str, Any], charts: dict[str, str | None], decisions: list[dict[str, Any]], releases: dict[str, str]
) -> dict[str, Any]:
    """Everything the template prints, as text."""
    sure, who, happened, cost = card["how_sure"], card["for_whom"], card["did_it_happen"], card["cost"]
    return {
        "title": card["title"],
        "hypothesis": card["hypothesis"],
        "decision": card["told"],
        "verdict": card["verdict"],
        "decision_text": card["recommendation_text"],
        "read_with": card["read_with"] or "",
        "health": [[one.name, one.word, one.says, one.level] for one in card["health"]],
        "data_date": wording.day(card["data_date"]),
        "releases": releases,
        "plan_hash": card["plan_hash"][:12],
        "why": card["why"],
        "warnings": card["warnings"],
        "sure": [
            f"{item['words'].capitalize()}{item['joint']} {item['text']} ({item['chance']})."
            for item in sure["statements"]
        ],
        "why_no_chance": sure["why_no_chance"],
        "guardrails": [one["sentence"] for one in card["guardrails"]],
        "arms": card["schools_told"],
        "decided_by": sure["decided_by"] or "",
        "who": card["who_told"],
        "who_notes": who["notes"],
        "groups": [_group(one) for one in who["groups"]],
        "groups_alt": card["groups_told"],
        "dosage_alt": card["dosage_told"],
        "by_dosage": [
            [
                one["dosage"].capitalize(),
                "not told" if one["pupils"] is None else one["pupils_told"],
                wording.number(one["difference_sd"], 2),
            ]
            for one in happened["by_dosage"]
        ],
        "by_dosage_note": happened["by_dosage_note"] or "",
        "log": [[one["day"], one["what"], one["more"] or "–"] for one in card["log"]],
        "gain_heads": card["gain_heads"],
        "happened": [list(one) for one in card["happened_told"]],
        "cost": [list(one) for one in card["cost_told"]],
        "cost_notes": cost["notes"],
        "next": card["next"],
        "charts": {name: bool(svg) for name, svg in charts.items()},
        "effect_alt": card["effect_told"],
        "waves": (card["waves"] or {}).get("sentences", []),
        "waves_alt": card["waves_told"],
        "wave_effects": [
            [
                ", ".join(map(str, row["waves"])),
                ", ".join(row["starts_on"]),
                str(row["schools"]),
                wording.number(row["effect_sd"], 2),
                wording.number(row["p_value"], 3),
            ]
            for row in (card["waves"] or {}).get("groups", [])
        ],
        "estimates": [
            [
                str(one.get("label") or one["name"]).replace("_", " "),
                value_told(one),
                interval_told(card, one),
                unit_told(one),
            ]
            for one in card["estimates"]
        ],
        "method": [
            ["Method", str(sure["method"] or "–").replace("_", " ")],
            ["Standardised by", sure["standardised_by"] or "–"],
            ["Degrees of freedom", wording.number(sure["df"], 1)],
            ["p-value", sure["p_value_told"]],
            ["Smallest p this design can reach", sure["smallest_p_told"]],
            *_before_waves(card),
        ],
        "priors": [
            [row["prior_name"], wording.percent(row["chance_gained"]), wording.percent(row["chance_gained_enough"])]
            for row in sure["sensitivity"]
        ],
        "adjustments": [[row["analysis"], wording.number(row["effect_sd"], 2)] for row in sure["adjustments"]],
        "decisions": [
            [
                wording.day(row["decided_at"].date()),
                wording.recommendation(row["decision"]),
                wording.decider(row),
                row["reason"] or "–",
            ]
            for row in decisions
        ],
    }
