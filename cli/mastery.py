"""``cairn mastery``: fit, update, evaluate and explain; ``policies`` is in ``cli/mastery_policies.py``."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import mastery_policies, mastery_trials
from cli.common import JsonOption, emit, say
from cli.mastery_accuracy_text import accuracy_as_text
from cli.mastery_items import items

if TYPE_CHECKING:
    from cairn.mastery.config import MasteryConfig
    from cairn.mastery.predictors import BktRule
    from cairn.settings import Settings

# Pupils who teach the model and pupils who judge it, of a simulated family.
SIMULATED_PUPILS, SIMULATED_SEED = (800, 400), 7
# Attempts that an explanation shows on a screen.
MOST_ATTEMPTS = 20

app = typer.Typer(help="Fit, update, evaluate and explain mastery; compare policies.", no_args_is_help=True)
app.command()(items)
for _command in (mastery_trials.trial, mastery_trials.trials, mastery_trials.promote, mastery_trials.rollback):
    app.command()(_command)
app.add_typer(mastery_policies.app, name="policies")

ModelOption = Annotated[str, typer.Option("--model", help="share, or of a file bkt or bkt_forget.")]
PredictorOption = Annotated[
    str,
    typer.Option(
        "--model", help="share (the item's difficulty known), logistic (blind to items), bkt, bkt_forget or elo."
    ),
]
PolicyOption = Annotated[
    bool, typer.Option("--policy", help="Also what follows a call of 'mastered': share, bkt or bkt_forget.")
]
SimulatedOption = Annotated[
    str | None,
    typer.Option(
        "--simulated", help="family-a or family-b: the durable share against pupils whose true share is known."
    ),
]
PlotOption = Annotated[Path | None, typer.Option("--plot", help="Write the reliability plot there, as SVG.")]
UnboundedOption = Annotated[
    bool, typer.Option("--unbounded", help="Without bounds on guess and slip (more accurate, often degenerate).")
]


def instant(text: str | None, settings: Settings) -> datetime:
    """``--as-of`` as a UTC instant: now where empty, the end of the local day where a date. Raises UsageError."""
    from cairn.calendar import DistrictCalendar
    from cairn.errors import UsageError

    if text is None:
        return datetime.now(UTC)
    calendar = DistrictCalendar.load(settings)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--as-of {text!r} is no date or time: write 2026-10-14 or 2026-10-14T18:00:00Z") from error
    if len(text) <= len("2026-10-14"):
        return calendar.day_bounds(moment.date())[1]
    return (moment if moment.tzinfo else moment.replace(tzinfo=calendar.zone)).astimezone(UTC)


@app.command()
def update(
    as_of: Annotated[str | None, typer.Option("--as-of", help="Instant or local day (its end); now if absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Bring mastery up to an instant: touched and due pairs only, the same result as a rebuild.

    Example: cairn mastery update --as-of 2026-10-14
    """
    from cairn.calendar import DistrictCalendar
    from cairn.settings import settings
    from spark_jobs import mastery
    from spark_jobs.session import start_session, warm
    from spark_jobs.spark_errors import spark_errors

    current = settings()
    end = instant(as_of, current)
    # An end of a day belongs to that day's night.
    data_date = DistrictCalendar.load(current).local_date(end - timedelta(microseconds=1))
    say(f"Bringing mastery up to {end.isoformat()} (night {data_date}).")
    with spark_errors(current):
        session = start_session(current, "cairn-mastery")
        warm(session)
        result = mastery.update(session, current, data_date, as_of=end)
    if "superseded_by" in result:
        say(f"Left alone: gold already stands at night {result['superseded_by']}.")
    emit(dict(result), as_json)


@app.command()
def fit(
    responses: Annotated[Path | None, typer.Option("--responses", help="Parquet or csv; the lake if absent.")] = None,
    model: ModelOption = "share",
    unbounded: UnboundedOption = False,
    as_json: JsonOption = False,
) -> None:
    """Fit a model, on a file of responses or on the lake.

    A fit on the lake is a challenger: nights go on with the model they have until it is promoted. Nights make one by
    themselves every week, and when the evidence has doubled.

    Example: cairn mastery fit --responses responses.parquet --model bkt
    """
    from cairn.errors import UsageError
    from cairn.mastery.config import load_config
    from cairn.settings import settings

    current = settings()
    if unbounded and (responses is None or model == "share"):
        raise UsageError("bounds are of Bayesian Knowledge Tracing: --unbounded needs --responses FILE --model bkt")
    if responses is None:
        emit(_fit_lake(current, model), as_json)
        return
    config = load_config(current)
    found = _fit_share(responses, config) if model == "share" else _fit_bkt(responses, config, model, unbounded)
    emit(dict(found), as_json)


def _fit_bkt(responses: Path, config: MasteryConfig, model: str, unbounded: bool) -> dict[str, Any]:
    """Bayesian Knowledge Tracing on all responses of a file."""
    from cairn.mastery.predictors import fit_responses
    from cairn.mastery.responses import read_table, responses_from

    [data] = responses_from([(responses, read_table(responses))])
    started = time.perf_counter()
    found = fit_responses(data, model, None if unbounded else config.fit.bounds)
    return {
        "model": model,
        "log_likelihood": float(found.log_likelihood.sum()),
        "responses": int(found.responses.sum()),
        "skills": len(data.skills),
        "degenerate": int(found.is_degenerate.sum()),
        "seconds": round(time.perf_counter() - started, 3),
        "is_bounded": not unbounded,
        "log_likelihood_unbounded": float(found.unbounded_log_likelihood.sum()),
    }


def _fit_share(responses: Path, config: MasteryConfig) -> dict[str, Any]:
    """The share model on the responses of a file that count; its version is that which nights would give it."""
    from cairn.mastery.responses import read_table, responses_from, with_rapid_marked
    from cairn.mastery.share.durable import fit_durable, next_log_likelihood
    from cairn.mastery.share.model import from_fit

    [data] = with_rapid_marked(responses_from([(responses, read_table(responses))]), config.evidence, config.fit)
    started = time.perf_counter()
    counted = data.of(data.first_attempts(config.evidence.spacing_seconds))
    found = fit_durable(counted)
    return {
        "model": "share",
        "log_likelihood": next_log_likelihood(found, counted),
        "responses": int(counted.user.size),
        "skills": len(counted.skills),
        "degenerate": 0,
        "seconds": round(time.perf_counter() - started, 3),
        "model_version": from_fit(found, counted)[0]["model_version"],
    }


def _fit_lake(current: Settings, model: str) -> dict[str, Any]:
    from cairn.errors import UsageError
    from spark_jobs.mastery import refit
    from spark_jobs.session import start_session
    from spark_jobs.spark_errors import spark_errors

    if model != "share":
        raise UsageError(f"nights use the share model: --model {model} needs --responses FILE")
    with spark_errors(current):
        return refit(start_session(current, "cairn-mastery"), current)


@app.command()
def evaluate(
    train: Annotated[Path | None, typer.Option("--train", help="Responses to fit on (parquet or csv).")] = None,
    test: Annotated[Path | None, typer.Option("--test", help="Responses of other students to predict.")] = None,
    model: PredictorOption = "share",
    unbounded: UnboundedOption = False,
    policy: PolicyOption = False,
    simulated: SimulatedOption = None,
    plot: PlotOption = None,
    from_lake: Annotated[
        str | None,
        typer.Option(
            "--from-lake",
            help="Framework in the lake, in place of files: its evidence that counts, pupils split 80/20.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Predict each next response of students the model has not seen: AUC, RMSE, log-loss, calibration.

    Files need user_id, skill_id (several as a~~b) and correct (0 or 1); item_id and timestamp make the share model
    better; with duration_ms --policy leaves rapid guesses out; with subgroup (text, one a pupil) it tells the calls by
    subgroup, those smaller than the district's smallest group (n_min in privacy.yaml) held back.
    Intervals are over pupils. From the lake the evidence that counts is judged, as nights judge it.

    Example: cairn mastery evaluate --train train.parquet --test test.parquet --model share --plot reliability.svg
    """
    from cairn.errors import UsageError
    from cairn.mastery.config import load_config
    from cairn.mastery.follow_up import check_caller
    from cairn.mastery.predictors import MODELS, BktRule
    from cairn.privacy import smallest_group
    from cairn.settings import settings

    current = settings()
    fitting = load_config(current).fit
    if simulated is not None:
        emit(_evaluate_simulated(simulated, model, load_config(current).evidence.spacing_seconds), as_json)
        return
    if model not in MODELS:
        raise UsageError(f"no model {model!r}: choose one of {', '.join(MODELS)}")
    if policy:
        check_caller(model)
    rule = BktRule(None if unbounded else fitting.bounds, fitting.default)
    if from_lake is not None:
        from spark_jobs.evaluate_lake import mastery_accuracy
        from spark_jobs.spark_errors import spark_errors

        with spark_errors(current):
            measured = mastery_accuracy(current, from_lake, model, rule, plot, has_policy=policy)
    elif train is None or test is None:
        raise UsageError("give --train FILE and --test FILE, or --from-lake FRAMEWORK")
    else:
        measured = _evaluate_files(
            train, test, model, rule, plot, load_config(current) if policy else None, smallest_group(current)
        )
    emit({"model": model, **measured}, as_json, accuracy_as_text)


def _evaluate_simulated(family: str, model: str, spacing_seconds: float) -> dict[str, Any]:
    from cairn.errors import UsageError
    from cairn.mastery.against_truth import against_truth
    from simulator.families import FAMILIES, simulate

    if family not in FAMILIES:
        raise UsageError(f"no family {family!r}: choose one of {', '.join(FAMILIES)}")
    if model != "share":
        raise UsageError(f"--simulated judges the durable share of --model share, not {model!r}")
    started = time.perf_counter()
    train, test = SIMULATED_PUPILS
    say(f"Simulating {train:,} pupils to learn from and {test:,} to judge.")
    taught = simulate(family, train, SIMULATED_SEED, 0, train + test)
    judged = simulate(family, test, SIMULATED_SEED, train, train + test)
    truth, filtered = judged.true_share, judged.filtered
    found = against_truth(taught.responses, judged.responses, truth, spacing_seconds, filtered)
    return {"model": model, "family": family, **found, "seconds": round(time.perf_counter() - started, 3)}


def _evaluate_files(
    train: Path,
    test: Path,
    model: str,
    rule: BktRule,
    plot: Path | None,
    policy: MasteryConfig | None,
    smallest_group: int,
) -> dict[str, Any]:
    from cairn.mastery.follow_up import after_mastery
    from cairn.mastery.predictors import evaluate as evaluate_model
    from cairn.mastery.responses import read_table, responses_from, with_rapid_marked

    started = time.perf_counter()
    seen, unseen = responses_from([(path, read_table(path)) for path in (train, test)])
    say(f"{seen.user.size:,} responses to learn from, {unseen.user.size:,} to predict.")
    measured = evaluate_model(seen, unseen, model, rule, plot)
    if policy is not None:
        say("Following the test pupils past 'mastered'.")
        seen, unseen = with_rapid_marked([seen, unseen], policy.evidence, policy.fit)
        measured |= after_mastery(
            seen, unseen, model, rule, policy.in_force_now().policy, policy.evidence.spacing_seconds, smallest_group
        )
    return {**measured, "seconds": round(time.perf_counter() - started, 3)}


@app.command()
def explain(
    student: Annotated[str, typer.Argument(help="The pupil's student_key.")],
    competency: Annotated[str, typer.Argument(help="Competency id or code.")],
    as_of: Annotated[str | None, typer.Option("--as-of", help="As the nights up to this day had it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Why a pupil stands where she does: a sentence, what each attempt moved or why it does not count, the payloads.

    What teachers said of it stands beside the computed state, which it does not change. Decisions come with the events
    behind each and the versions used; --json has the Kafka offsets and every attempt.

    Example: cairn mastery explain 4f2a9c8be1d0 MATH.3.NF.1 --as-of 2026-10-14
    """
    from cairn.calendar import DistrictCalendar
    from cairn.settings import settings
    from loading.judgements import words_of
    from spark_jobs.mastery_explain import explain_pair

    current = settings()
    night = None
    if as_of is not None:
        night = DistrictCalendar.load(current).local_date(instant(as_of, current) - timedelta(microseconds=1))
    found = explain_pair(current, student, competency, night)
    words = words_of(current, student, found["competency_id"], night or datetime.now(current.zone).date())
    emit(found | {"said_by_teachers": words}, as_json, _as_text)


def _as_text(found: dict[str, Any]) -> str:
    """An explanation for a person: one line a decision, its events below."""
    lines = [found["why"], *map(_word_as_text, found["said_by_teachers"])]
    for decision in found["decisions"]:
        lines.append(
            f"{decision['at']}  {decision['from']} -> {decision['to']}  "
            f"(share {decision['expected_share']:.3f}, {decision['model']}, {decision['policy']}, "
            f"by {decision['reason'] or 'unknown'})"
        )
        for event in decision["evidence"]:
            right = {True: "right", False: "wrong", None: "-"}[event["success"]]
            lines.append(f"    {event['event_time']}  {right:5}  {event['item_id']}  {event['event_id']}")
    made_of = ", ".join(f"{name.replace('_', ' ')} {value:+.2f}" for name, value in found["made_of"].items())
    lines.append(f"the share's logit is made of: {made_of}")
    lines.append("attempts, and how much of 100 expected right a week later time and each one moved")
    earlier = found["attempts"][:-MOST_ATTEMPTS]
    if earlier:
        lines.append(f"    ... {len(earlier)} earlier ones: see --json")
    lines += [_attempt_as_text(one) for one in found["attempts"][-MOST_ATTEMPTS:]]
    return "\n".join(lines)


def _word_as_text(one: dict[str, Any]) -> str:
    until = f", until {one['until_date']}" if one["until_date"] else ""
    why = f" ({one['reason']})" if one["reason"] else ""
    stands = "stands beside the computed state" if one["is_standing"] else "does not stand"
    return f"said by a teacher on {one['said_date']}, as {one['role']}: {one['said']}{why}{until}; {stands}"


def _attempt_as_text(one: dict[str, Any]) -> str:
    worth = one["why_not"] or (
        f"time {100 * one['forgot']:+.1f}, answer {100 * one['moved']:+.1f}, to {100 * one['share']:.1f}"
    )
    outcome = f"{one['credit']:.0%}" if one["outcome"] == "partly" else one["outcome"] or "-"
    return f"    {one['event_time']}  {outcome:5}  {one['item_id'] or '-'}  {worth}"
