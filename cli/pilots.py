"""``cairn pilots``: plans, evaluations and decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cli import pilots_cards, pilots_design, pilots_estimate, pilots_looks, pilots_menu, pilots_rate
from cli.common import JsonOption, emit, say

app = typer.Typer(help="Plans, evaluations and decisions.", no_args_is_help=True)
app.add_typer(pilots_design.app)
app.add_typer(pilots_estimate.app, name="estimate")
app.add_typer(pilots_looks.app)
app.add_typer(pilots_rate.app)

PlanArgument = Annotated[Path, typer.Argument(help="The plan, a YAML file.")]
PilotArgument = Annotated[str, typer.Argument(help="Id of the pilot, as in its plan.")]
AsOfOption = Annotated[str | None, typer.Option("--as-of", help="Newest release up to this day (YYYY-MM-DD).")]


@app.callback()
def group() -> None:
    """Plans, evaluations and decisions."""


@app.command()
def check(plan: PlanArgument, as_json: JsonOption = False) -> None:
    """Check a plan: its form, dates and draw; its schools, grades, tests and sources against what is known.

    A warning leaves the plan good and says what it will not be able to tell.

    Example: cairn pilots check schemas/district/pilots/fraction-studio.yaml
    """
    from datetime import UTC, datetime

    from cairn.calendar import DistrictCalendar
    from cairn.settings import settings
    from pilots.plan import check_plan
    from pilots.registry import known

    loaded = known(settings(), _senders())
    if not loaded.schools:
        say("no roster was loaded yet, so the schools of the arms and the grades are not checked")
    found, problems = check_plan(plan, loaded)
    wrong = [problem for problem in problems if not problem.is_warning]
    result: dict[str, Any] = {
        "pilot_id": found.pilot_id if found else None,
        "plan_hash": found.plan_hash if found else None,
        "problems": [{"line": p.line, "message": p.message} for p in wrong],
        "warnings": [{"line": p.line, "message": p.message} for p in problems if p.is_warning],
    }
    for problem in problems:
        say(str(problem))
    if found and found.is_late(datetime.now(UTC).astimezone(DistrictCalendar.load(settings()).zone)):
        say(f"the outcome window is open since {found.outcome_opens_on}: frozen from now on, the plan is called late")
    emit(result, as_json, lambda r: f"{r['pilot_id']}: good, {r['plan_hash']}" if found else f"{len(wrong)} problems")
    if wrong:
        raise typer.Exit(1)


def _senders() -> list[str]:
    """Everybody who has a token, or had one."""
    from cairn.settings import settings
    from streaming.sources import SourceRegistry

    return [source.source_id for source in SourceRegistry(settings()).all()]


@app.command()
def freeze(
    plan: PlanArgument,
    amend: Annotated[
        str | None, typer.Option(help="Why this analysis takes the place of the one frozen under the same id.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Freeze a plan by the hash of its analysis, before outcomes are seen; its new practice versions are recorded.

    A plan frozen when its outcome window has opened is recorded and called frozen late. What else differs from the plan
    as frozen (dosage rule, days, milestones, funding) is recorded with its day, and the scorecard says so.

    Example: cairn pilots freeze schemas/district/pilots/fraction-studio.yaml
    """
    from cairn.settings import settings
    from pilots.assignment import need_as_drawn
    from pilots.plan import load_plan
    from pilots.registry import freeze_file

    need_as_drawn(settings(), load_plan(plan))
    emit(freeze_file(settings(), plan, amend, senders=_senders()), as_json, _frozen_text)


def _frozen_text(result: dict[str, Any]) -> str:
    word = "amended" if result["is_amendment"] else "frozen" if result["is_new"] else "the analysis was frozen already"
    lines = [f"{result['pilot_id']}: {word}, {result['schools']} schools, {result['plan_hash']}"]
    if result["practice_versions"]:
        lines.append(f"practice versions recorded: {result['practice_versions']}")
    if result["changed"]:
        lines.append(f"recorded as changed from today on: {', '.join(result['changed'])}")
    if result["is_late"]:
        lines.append(
            f"frozen late: on {result['frozen_at']:%Y-%m-%d}, when outcomes could be seen (window from"
            f" {result['outcome_opens_on']} on); the scorecard says so"
        )
    return "\n".join(lines)


@app.command()
def evaluate(pilot: PilotArgument, as_of: AsOfOption = None, as_json: JsonOption = False) -> None:
    """Evaluate a pilot on the current learning release, by its frozen plan, and show the scorecard.

    Nothing is written: 'cairn marts publish --kind evaluation' publishes and records all pilots at once.

    Example: cairn pilots evaluate fraction-studio
    """
    from cairn.settings import settings
    from cli.night import parse_date
    from releases.evaluation_shown import evaluate as evaluate_pilot

    emit(evaluate_pilot(settings(), pilot, parse_date(as_of[:10]) if as_of else None), as_json, _scorecard_text)


def _scorecard_text(card: dict[str, Any]) -> str:
    from answers.as_published import rules_of
    from answers.scorecard_parts import present
    from cairn.settings import settings

    lines = [f"{card['title']}: {card['recommendation']}", card["recommendation_text"], *card["why"]]
    lines += [statement["sentence"] for statement in card["how_sure"]["statements"]]
    if card["how_sure"]["statements"]:
        lines.append(card["how_sure"]["decided_by"])
    lines += (card.get("waves") or {}).get("sentences", [])
    happened = card["did_it_happen"]
    lines.append(f"{present(card, rules_of(settings()))['who_told']} (release {card['release_id']})")
    if happened["dosage_met_share"] is not None:
        lines.append(f"planned time reached by {happened['dosage_met_share']:.0%} of pupils")
    if card["cost"]["per_pupil_usd"] is not None:
        lines.append(f"cost: {card['cost']['per_pupil_usd']:.2f} USD a pupil")
    lines += [f"cost: {note}" for note in card["cost"]["notes"]]
    return "\n".join([*lines, f"Next: {card['next']}", *(f"Note: {warning}" for warning in card["warnings"])])


@app.command()
def decide(
    pilot: PilotArgument,
    decision: Annotated[str, typer.Option(help="SCALE, NEXT WAVE, ITERATE, STOP and so on.")],
    by: Annotated[str, typer.Option(help="Role of the person who decides, not a name.")],
    reason: Annotated[str | None, typer.Option(help="Why; needed where the decision differs from the rule.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Record what a person decided, beside what the rule said.

    Example: cairn pilots decide fraction-studio --decision scale --by "chief academic officer"
    """
    from cairn.settings import settings
    from cli.common import actor
    from pilots import registry

    row = registry.decide(settings(), pilot, decision, by, reason, account=actor())
    emit(row, as_json, lambda r: f"{r['pilot_id']}: {r['decision']} recorded (the rule said {r['recommendation']})")


def _standing() -> list[dict[str, Any]]:
    from cairn.settings import settings
    from pilots import registry

    rows = []
    for plan in registry.newest_plans(settings()):
        latest = registry.latest_recommendation(settings(), plan.pilot_id)
        decided = registry.decisions(settings(), plan.pilot_id)
        rows.append(
            {
                "pilot_id": plan.pilot_id,
                "title": plan.title,
                "plan_hash": plan.plan_hash,
                "is_late": plan.is_late,
                "recommendation": latest.recommendation if latest else None,
                "decision": decided[-1]["decision"] if decided else None,
            }
        )
    return rows


@app.command(name="list")
def list_pilots(as_json: JsonOption = False) -> None:
    """Frozen pilots, what the rule says and what was decided.

    Example: cairn pilots list
    """

    def text(result: dict[str, Any]) -> str:
        return (
            "\n".join(
                f"{p['pilot_id']}: {p['title']} (rule: {p['recommendation'] or 'not evaluated yet'}, "
                f"decision: {p['decision'] or 'none yet'}{', frozen late' if p['is_late'] else ''})"
                for p in result["pilots"]
            )
            or "no pilot is frozen yet: cairn pilots freeze PLAN"
        )

    emit({"pilots": _standing()}, as_json, text)


app.command(name="cards")(pilots_cards.cards)
app.command(name="menu")(pilots_menu.menu)
app.command(name="next")(pilots_menu.next_cycle)
