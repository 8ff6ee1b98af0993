"""``cairn mastery policies``: what policies that districts know would have said of the district's own history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import JsonOption, emit, say

if TYPE_CHECKING:
    from cairn.mastery.policy_versions import PolicyVersion
    from cairn.mastery.responses import Responses
    from cairn.settings import Settings

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

    Before them the district's own (policy.yaml): of each subject which version is in force and since when, and which
    comes next.

    Example: cairn mastery policies list
    """
    from cairn.mastery.policies.known import load_policies
    from cairn.settings import settings

    told = [
        {
            "name": one.name,
            "rule": one.rule.in_words(),
            "description": one.description,
            "source": one.source,
            "needs_times": one.rule.needs_times,
        }
        for one in load_policies(settings())
    ]
    emit({"own": _own(settings()), "policies": told}, as_json, _list_as_text)


def _own(current: Settings) -> list[dict[str, Any]]:
    """The district's own policy of each subject that its competencies or its file name, "all" for all others."""
    import time

    from cairn.mastery.config import load_config
    from cairn.mastery.policy_versions import ALL_IN_FILE
    from spark_jobs import policies

    config, of = load_config(current), policies.subject_of(current)
    policies.check_subjects(current, config, of)
    now_us, found = int(time.time()) * 1_000_000, []
    for subject in sorted({"", *config.subjects, *of.values()}):
        timeline = config.timeline(subject)
        in_force = [one for one in timeline if one.begins_us <= now_us][-1]
        found.append(
            {
                "subject": subject or ALL_IN_FILE,
                **_version_told(in_force),
                "rule": in_force.policy.in_words(),
                "next": [_version_told(one) for one in timeline if one.begins_us > now_us],
            }
        )
    return found


def _version_told(one: PolicyVersion) -> dict[str, Any]:
    since = one.effective_from
    return {"id": one.name, "effective_from": since.isoformat() if since else None, "policy_version": one.version}


def _list_as_text(found: dict[str, Any]) -> str:
    lines = ["Of this district (policy.yaml):"]
    for one in found["own"]:
        since = f"since {one['effective_from']}" if one["effective_from"] else "from the beginning"
        lines += [f"{one['subject']}: {one['id']} {since} ({one['policy_version']})", f"    {one['rule']}"]
        lines += [f"    next: {later['id']} from {later['effective_from']}" for later in one["next"]]
    lines += ["", "To compare with (known_policies.yaml):"]
    for one in found["policies"]:
        times = " (needs times)" if one["needs_times"] else ""
        lines += [f"{one['name']}{times}", f"    {one['rule']}", f"    {one['description']} Source: {one['source']}."]
    return "\n".join(lines)


@app.command()
def compare(
    responses: Annotated[
        Path | None,
        typer.Option("--responses", help="A history in a file (parquet or csv); the district's own if absent."),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="The district's own history up to then: a local day, or an instant.")
    ] = None,
    policy: NameOption = None,
    page: PageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Replay a history under each policy: who would have been called mastered, and what came after the call.

    Without a file it is the district's own: the evidence in the lake that counts. A file needs user_id, skill_id
    (several as a~~b) and correct (0 or 1); policies that ask for days need timestamp, and item_id tells which attempts
    count. Numbers that rest on fewer pupils than the district's smallest group are left out. Nobody was held to these
    policies, so who went on after a call is no random part of those called.
    A subgroup column in the file (one name a pupil) tells the same by subgroup.

    Example: cairn mastery policies compare --responses history.parquet --policy khan --page policies.html
    """
    from cairn.errors import UsageError
    from cairn.mastery.config import load_config
    from cairn.mastery.policies.compare import compare as replay
    from cairn.mastery.policies.known import chosen, load_policies
    from cairn.mastery.policies.page import write_page
    from cairn.mastery.predictors import BktRule
    from cairn.mastery.responses import read_table, responses_from, with_rapid_marked
    from cairn.privacy import smallest_group
    from cairn.settings import settings

    current = settings()
    policies = chosen(load_policies(current), policy or [])
    config = load_config(current)
    if responses is None:
        data = _own_history(current, as_of)
    elif as_of is not None:
        raise UsageError("--as-of is of the district's own history: leave --responses out, or cut the file")
    else:
        [data] = with_rapid_marked(responses_from([(responses, read_table(responses))]), config.evidence, config.fit)
    say(f"{data.user.size:,} responses to replay under {len(policies)} policies.")
    comparison = replay(
        data,
        policies,
        BktRule(config.fit.bounds, config.fit.default),
        current.timezone,
        config.evidence.spacing_seconds,
        smallest_group(current),
        dict(zip(data.users, data.subgroup_of, strict=True)) if data.subgroup_of else None,
        on_policy=lambda name: say(f"Replaying {name}."),
    )
    if page is not None:
        write_page(page, comparison)
        say(f"The page is in {page}.")
    emit(comparison.as_json(), as_json, _comparison_as_text)


def _own_history(current: Settings, as_of: str | None) -> Responses:
    from cli.mastery import instant
    from spark_jobs.evaluate_lake import counted_history

    return counted_history(current, instant(as_of, current))


def _comparison_as_text(found: dict[str, Any]) -> str:
    """A line a policy, for a person."""
    lines = [
        f"{found['pupils']:,} pupils, {found['pairs']:,} of their competencies, {found['answers']:,} counted answers, "
        f"{_plain(found['right'], '.1%')} of them right",
        f"{'policy':32}{'mastered':>10}{'next':>8}{'week':>8}{'answers':>9}{'over':>7}{'under':>8}",
    ]
    for one in found["policies"]:
        cells = (
            f"{_percent(one['mastered_pct']):>10}",
            f"{_percent(one['next_correct_pct']):>8}",
            f"{_percent(one['week_later_correct_pct']):>8}",
            f"{_plain(one['median_items'], 'g'):>9}",
            f"{_plain(one['over_practice_items'], '.1f'):>7}",
            f"{_percent(one['under_practice_pct']):>8}",
        )
        lines.append(f"{one['name']:32}{''.join(cells)}")
    lines.append("next, week: right on the very next answer, and on the first one 4 to 14 days after the call;")
    lines.append("answers: counted answers until the call, median; over: answers after it, mean; under: pairs with")
    lines.append("three or more answers after it and under 60 % of the next five right")
    if found["left_out"]:
        lines.append(f"left out, since the file has no times: {', '.join(found['left_out'])}")
    return "\n".join(lines)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}%"


def _plain(value: float | None, style: str) -> str:
    return "-" if value is None else format(value, style)
