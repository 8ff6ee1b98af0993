"""``cairn mastery policies``: what policies that districts know would have said of the district's own history."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit, say

app = typer.Typer(
    help="Compare mastery policies that districts know (Canvas, Khan Academy, ALEKS, ...).", no_args_is_help=True
)

NameOption = Annotated[
    list[str] | None, typer.Option("--policy", help="Only this policy; may be given again. All if absent.")
]
PageOption = Annotated[Path | None, typer.Option("--page", help="Write a page with pictures there, as one HTML file.")]


@app.command("list")
def list_policies(as_json: JsonOption = False) -> None:
    """Which policies can be compared, and each one's rule in plain words (known_policies.yaml).

    Example: cairn mastery policies list
    """
    from cairn.mastery.policies.known import load_policies
    from cairn.settings import settings

    told = [
        {
            "policy": one.name,
            "rule": one.rule.in_words(),
            "description": one.description,
            "source": one.source,
            "needs_times": one.rule.needs_times,
        }
        for one in load_policies(settings())
    ]
    emit({"policies": told}, as_json, _list_as_text)


def _list_as_text(found: dict[str, Any]) -> str:
    lines = []
    for one in found["policies"]:
        times = " (needs times)" if one["needs_times"] else ""
        lines += [f"{one['policy']}{times}", f"    {one['rule']}", f"    {one['description']} Source: {one['source']}."]
    return "\n".join(lines)


@app.command()
def compare(
    responses: Annotated[Path, typer.Option("--responses", help="The history: responses, parquet or csv.")],
    policy: NameOption = None,
    page: PageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay a history under each policy: who would have been called mastered, and what came after the call.

    The file needs user_id, skill_id (several as a~~b) and correct (0 or 1); policies that ask for days need timestamp,
    and item_id tells which attempts count. Numbers that rest on fewer pupils than the district's smallest group are
    left out. Nobody was held to these policies, so who went on after a call is no random part of those called.

    Example: cairn mastery policies compare --responses history.parquet --policy khan --page policies.html
    """
    from cairn.mastery.config import load_config
    from cairn.mastery.policies.compare import compare as replay
    from cairn.mastery.policies.known import chosen, load_policies
    from cairn.mastery.policies.page import write_page
    from cairn.mastery.predictors import BktRule
    from cairn.mastery.responses import read_table, responses_from
    from cairn.privacy import smallest_group
    from cairn.settings import settings

    current = settings()
    policies = chosen(load_policies(current), policy or [])
    config = load_config(current)
    [data] = responses_from([(responses, read_table(responses))])
    say(f"{data.user.size:,} responses to replay under {len(policies)} policies.")
    comparison = replay(
        data,
        policies,
        BktRule(config.fit.bounds, config.fit.default),
        current.timezone,
        config.evidence.spacing_seconds,
        smallest_group(current),
        on_policy=lambda name: say(f"Replaying {name}."),
    )
    if page is not None:
        write_page(page, comparison)
        say(f"The page is in {page}.")
    emit(comparison.as_json(), as_json, _comparison_as_text)


def _comparison_as_text(found: dict[str, Any]) -> str:
    """A line a policy, for a person."""
    lines = [
        f"{found['pupils']:,} pupils, {found['pairs']:,} of their competencies, {found['answers']:,} counted answers, "
        f"{_plain(found['right'], '.1%')} of them right",
        f"{'policy':32}{'mastered':>10}{'next':>8}{'week':>8}{'answers':>9}{'over':>7}{'under':>8}",
    ]
    for one in found["policies"]:
        cells = (
            f"{_plain(one['mastered_share'], '.1%'):>10}",
            f"{_plain(one['next_right'], '.1%'):>8}",
            f"{_plain(one['week_later_right'], '.1%'):>8}",
            f"{_plain(one['median_answers'], 'g'):>9}",
            f"{_plain(one['over_practice'], '.1f'):>7}",
            f"{_plain(one['under_practice'], '.1%'):>8}",
        )
        lines.append(f"{one['policy']:32}{''.join(cells)}")
    lines.append("next, week: right on the very next answer, and on the first one 4 to 14 days after the call;")
    lines.append("answers: counted answers until the call, median; over: answers after it, mean; under: pairs with")
    lines.append("three or more answers after it and under 60 % of the next five right")
    if found["left_out"]:
        lines.append(f"left out, since the file has no times: {', '.join(found['left_out'])}")
    return "\n".join(lines)


def _plain(value: float | None, style: str) -> str:
    return "-" if value is None else format(value, style)
