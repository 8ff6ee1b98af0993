"""The comparison as one HTML page that stands by itself: pictures, tables, and each policy's rule in plain words.

There is no pupil in it, and no number of fewer pupils than the district's smallest group.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from cairn.mastery.policies.compare import Comparison, PolicyResult, Summary
from cairn.mastery.policies.pictures import mastered_and_right, percent, under_and_over
from cairn.pictures import write_text

STYLE = """body{font:16px/1.5 sans-serif;color:#24323a;margin:0 auto;max-width:60rem;padding:1rem}
h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2rem}svg{display:block;height:auto;width:100%;max-width:46rem}
.wide{overflow-x:auto}table{border-collapse:collapse}caption{text-align:left;padding:.3rem 0}
th,td{border-bottom:1px solid #c9cfd2;padding:.3rem .6rem;text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}dt{font-weight:bold;margin-top:.7rem}dd{margin:0}.small{color:#55636a}"""
COLUMNS = (
    "mastered",
    "right, next answer",
    "right, 4 to 14 days later",
    "answers until then (median)",
    "answers after it (mean)",
    "then under 60 % right",
)


def write_page(path: Path, comparison: Comparison) -> None:
    """Write the page. Raises CairnError where the file cannot be written."""
    write_text(path, page(comparison), "page")


def page(comparison: Comparison) -> str:
    """The whole page as HTML, without scripts and without anything to fetch."""
    left_out = ""
    if comparison.left_out:
        named = escape(", ".join(comparison.left_out))
        left_out = f"<p>Left out, since the file has no times and these ask for days: {named}.</p>"
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>What other policies would have said</title><style>{STYLE}</style></head>
<body><main>
<h1>What other policies would have said</h1>
<p>{comparison.pupils:,} pupils, {comparison.pairs:,} pairs of a pupil and a competency, {comparison.answers:,} counted
answers, {percent(comparison.right)} of them right, replayed under each policy. No policy was in force while these
answers were given: pupils went on or stopped by another rule. Those who went on after a call are no random part of
those who were called.</p>
{left_out}
<h2>Who is called mastered, and what came next</h2>
{mastered_and_right(comparison)}
<h2>Practice too little, practice too much</h2>
<p>Under-practice: of mastered pairs with three or more answers after the call, those with under 60 % right of the next
five. Over-practice: answers that were given after the call.</p>
{under_and_over(comparison)}
<h2>The numbers</h2>
{_table("All pupils", [(one.policy.name, one.everyone) for one in comparison.results])}
{_subgroups(comparison)}
<p class="small">A dash: there is nothing to tell, or it rests on fewer than {comparison.smallest_group} pupils, or it
would tell of a group so small.</p>
<h2>The rules</h2>
<dl>{"".join(_rule(one) for one in comparison.results)}</dl>
</main></body>
</html>
"""


def _table(caption: str, rows: list[tuple[str, Summary]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in ("policy", *COLUMNS))
    body = "".join(_row(name, told) for name, told in rows)
    return f'<div class="wide"><table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table></div>'


def _row(name: str, told: Summary) -> str:
    cells = (
        percent(told.mastered_share),
        percent(told.next_right),
        percent(told.week_later_right),
        _plain(told.median_answers, "g"),
        _plain(told.over_practice, ".1f"),
        percent(told.under_practice),
    )
    return f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{one}</td>" for one in cells)}</tr>'


def _plain(value: float | None, style: str) -> str:
    return "-" if value is None else format(value, style)


def _subgroups(comparison: Comparison) -> str:
    """A table a subgroup, nothing where the file tells of none."""
    names = list(comparison.results[0].by_subgroup) if comparison.results else []
    return "".join(
        _table(f"Subgroup: {name}", [(one.policy.name, one.by_subgroup[name]) for one in comparison.results])
        for name in names
    )


def _rule(one: PolicyResult) -> str:
    policy = one.policy
    return (
        f"<dt>{escape(policy.name)}</dt><dd>{escape(policy.rule.in_words())}</dd>"
        f'<dd class="small">{escape(policy.description)} Source: {escape(policy.source)}.</dd>'
    )
