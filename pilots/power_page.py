"""What a design can tell as one HTML page that stands by itself, to be read before anybody spends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

from cairn.pictures import write_text
from pilots.chances import DecisionChances
from pilots.cheapest import Change
from pilots.effect_size import improvement_index
from pilots.pictures import Bar, Line, decided, detected_by_schools
from pilots.power import CAN, CANNOT, NO_CHANGE, Design, Step, findings, in_waves

STYLE = """body{font:16px/1.5 sans-serif;color:#24323a;margin:0 auto;max-width:52rem;padding:1rem}
h1{font-size:1.7rem}h2{font-size:1.25rem;margin-top:2rem}svg{display:block;height:auto;width:100%;max-width:44rem}
.lead{font-size:1.15rem}.wide{overflow-x:auto}table{border-collapse:collapse}caption{text-align:left;padding:.3rem 0}
th,td{border-bottom:1px solid #c9cfd2;padding:.3rem .6rem;text-align:right}
th:first-child,td:first-child{text-align:left}
.small{color:#55636a;font-size:.9rem}"""
HEADLINES = {CAN: "This pilot can tell", CANNOT: "This pilot cannot tell"}


@dataclass(frozen=True)
class PowerReport:
    """All that was worked out of a design. ``effect`` is the one to find, ``smallest_effect`` the plan's c, in SD."""

    title: str
    design: Design
    effect: float
    smallest_effect: float
    chances: Sequence[DecisionChances]
    steps: Sequence[Step]
    change: Change | None
    pretest_r2: float | None
    seed: int
    possible_orders: int | None = None


def write_page(path: Path, report: PowerReport) -> None:
    """Write the page. Raises CairnError where the file cannot be written."""
    write_text(path, page(report), "page")


def page(report: PowerReport) -> str:
    """The whole page as HTML, without scripts and without anything to fetch."""
    design = report.design
    headline = HEADLINES.get(design.verdict(report.effect), "This pilot may tell, and may not")
    change = report.change.in_words() if report.change else NO_CHANGE
    if design.verdict(report.effect) == CAN:
        change = "Nothing has to be added."
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(report.title)}: {headline}</title><style>{STYLE}</style></head>
<body><main>
<p class="small">{escape(report.title)}</p>
<h1>{headline}</h1>
<p class="lead">{escape(" ".join(findings(design, report.effect)))}</p>
<p>{_scale(report)}</p>
<h2>What would be decided</h2>
<p>{_in_words(report)}</p>
{decided([Bar(_name(one.effect), one.shares) for one in report.chances], "Of 100 pilots like this one")}
<h2>How many schools it takes</h2>
{detected_by_schools(_lines(report), (design.schools, design.mdes), report.effect)}
<h2>What would help</h2>
<p>{escape(change)}</p>
{_waves(report)}
<h2>The numbers</h2>
{_table(report)}
<p class="small">Assumed: {100 * design.icc:.0f} % of the variance lies between schools; a pretest explains
{100 * design.r2_school:.0f} % of that and {100 * design.r2_pupil:.0f} % of the variance within.{_simulated(report)}</p>
</main></body>
</html>
"""


def _scale(report: PowerReport) -> str:
    """What such effects mean to a pupil, and how large they have been elsewhere."""
    moved = improvement_index(report.effect)
    return (
        f"SD stands for standard deviation: an effect of {report.effect:.2f} SD moves a pupil in the middle of the "
        f"comparison schools up by {moved:.0f} percentile points. In 141 large trials the mean effect was 0.06 SD "
        "(Lortie-Forgues and Inglis 2019)."
    )


def _simulated(report: PowerReport) -> str:
    if not report.chances:
        return ""
    first = report.chances[0]
    return (
        f" Decisions by simulation with seed {report.seed}, {first.runs} pilots for each true effect, outcomes complete"
        f" and time as planned; a share can be off by {200 * first.monte_carlo_error:.0f} in 100."
    )


def _name(effect: float) -> str:
    return "If it does nothing" if effect == 0 else f"If it is worth {effect:.2f} SD"


def _in_words(report: PowerReport) -> str:
    """What is right and what is wrong at no effect and at the largest one, in cases of 100."""
    if not report.chances:
        return ""

    def of_100(one: DecisionChances, code: str) -> str:
        return f"{100 * one.shares.get(code, 0.0):.0f}"

    nothing, most = report.chances[0], report.chances[-1]
    return (
        f"If the change does nothing, it is stopped in {of_100(nothing, 'STOP')} of 100 cases and scaled by mistake in "
        f"{of_100(nothing, 'SCALE')}. If it is worth {most.effect:.2f} SD, it is scaled in {of_100(most, 'SCALE')} of "
        f"100 and stopped by mistake in {of_100(most, 'STOP')}."
    )


def _lines(report: PowerReport) -> list[Line]:
    design = report.design
    most = max(40, 2 * design.schools, report.change.design.schools if report.change else 0)
    counts = range(max(6, 2 * design.blocks + 2, design.blocks + design.covariates + 4), most + 2, 2)

    def through(name: str, one: Design, is_other: bool) -> Line:
        sizes = [replace(one, treated_schools=n // 2, comparison_schools=n // 2) for n in counts]
        return Line(name, [(size.schools, size.mdes) for size in sizes], is_other)

    lines = [through("as planned, half of the schools in each arm", design, False)]
    if report.pretest_r2 is not None and report.pretest_r2 > design.r2_school:
        better = replace(
            design, r2_school=report.pretest_r2, r2_pupil=report.pretest_r2, covariates=max(1, design.covariates)
        )
        lines.append(through("with a pretest", better, True))
    return lines


def _waves(report: PowerReport) -> str:
    told = in_waves(report.design, report.steps, report.effect, report.possible_orders)
    if told is None:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{one.wave}</th><td>{one.treated_schools}</td><td>{one.comparison_schools}</td>'
        f"<td>{one.mdes:.2f}</td></tr>"
        for one in report.steps
    )
    head = "<th>wave</th><th>have begun</th><th>have not</th><th>detects (SD)</th>"
    table = f'<div class="wide"><table><tr>{head}</tr>{rows}</table></div>'
    return f"<h2>Wave by wave</h2><p>{escape(told.text)}</p>{table}"


def _table(report: PowerReport) -> str:
    design = report.design
    rows = {
        "Schools with and without the change": f"{design.treated_schools} and {design.comparison_schools}",
        "Pupils measured in each": f"{design.pupils_per_school:g}",
        "Detects in four of five cases" if design.power == 0.8 else f"Detects with power {design.power:g}": (
            f"{design.mdes:.3f} SD"
        ),
        f"Chance to find {report.effect:.2f} SD": f"{design.power_at(report.effect):.0%}",
        "Smallest effect that matters": f"{report.smallest_effect:.2f} SD",
        "Smallest p of an exact permutation": f"{design.smallest_p:.4g}",
        "Degrees of freedom": str(design.df),
        "Blocks": str(design.blocks),
    }
    body = "".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in rows.items())
    return f'<div class="wide"><table>{body}</table></div>'
