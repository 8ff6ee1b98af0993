"""``cairn mastery trial``, ``promote``, ``rollback``, ``trials``: which model nights use, and why."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit, say

VersionArgument = Annotated[str, typer.Argument(help="As 'cairn mastery fit' or a night named it.")]


def trial(
    model_version: Annotated[str, typer.Argument(help="A challenger; the newest that waits if absent.")] = "",
    promote_passed: Annotated[
        bool, typer.Option("--promote", help="Put it to use where no subject got worse.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Hold a challenger against the model in use, subject by subject, on evidence that neither was fitted on.

    Nothing may get worse in any subject: log-loss, the gap between promise and answer at the call of mastery, and the
    gap of false mastery between groups of pupils, each by the upper end of a 95 % interval over pupils.

    Example: cairn mastery trial --promote
    """
    from cairn.settings import settings
    from spark_jobs import mastery_trial

    current = settings()
    rows = mastery_trial.try_version(current, model_version)
    if not rows:
        say("No challenger waits: 'cairn mastery fit' makes one, and so does a night every week.")
    promoted: dict[str, int] = {}
    if promote_passed and rows and mastery_trial.is_passed(rows):
        promoted = mastery_trial.promote(current, rows[0]["model_version"])
    emit({"trials": rows, "promoted": promoted}, as_json, _trial_as_text)


def promote(
    model_version: VersionArgument,
    force: Annotated[str, typer.Option("--force", metavar="REASON", help="Whatever the trial said, and why.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Make a model that passed its trial the one that nights use, in all subjects; the next night restates every pair.

    Example: cairn mastery promote share-4f1d2c3b
    """
    from cairn.settings import settings
    from spark_jobs import mastery_trial

    done = mastery_trial.promote(settings(), model_version, force)
    count = sum(done.values())
    say(f"{model_version} is in use, with weights of its own for {count} competencies: the next night restates all.")
    emit({"model_version": model_version, "competencies": count, "by_subject": done}, as_json)


def rollback(
    reason: Annotated[str, typer.Option("--reason", help="Why, for the record.")],
    as_json: JsonOption = False,
) -> None:
    """Use again the model from before the newest promotion; the next night restates every pair.

    Example: cairn mastery rollback --reason "teachers report mastery that does not hold"
    """
    from cairn.settings import settings
    from spark_jobs import mastery_trial

    emit(dict(mastery_trial.roll_back(settings(), reason)), as_json)


def trials(as_json: JsonOption = False) -> None:
    """Everything on record: trials, promotions, returns, the newest last.

    Example: cairn mastery trials
    """
    from cairn.settings import settings
    from spark_jobs import mastery_trial

    def lines(found: dict[str, Any]) -> str:
        return "\n".join(
            f"{row['acted_at']}  {row['action']:11}  {row['model_version']}  {row['subject'] or '-'}"
            f"{'  passed' if row['is_passed'] else ''}{'  ' + row['reason'] if row['reason'] else ''}"
            for row in found["trials"]
        )

    rows = [{**row, "acted_at": row["acted_at"].isoformat()} for row in mastery_trial.record(settings())]
    emit({"trials": rows}, as_json, lines)


def _trial_as_text(found: dict[str, Any]) -> str:
    lines = []
    for row in found["trials"]:
        said = "passed" if row["is_passed"] else f"not passed: {row['reason']}"
        lines.append(f"{row['model_version']}  {row['subject'] or '-'}  {row['pupils']} pupils  {said}")
        for one in row["measures"]:
            if one["high"] is None:
                lines.append(f"    {one['name']}: nothing to tell it from")
                continue
            numbers = f"{one['challenger']:.4f} against {one['champion']:.4f}"
            lines.append(f"    {one['name']}: {numbers}, difference {one['low']:+.4f} to {one['high']:+.4f}")
    lines += [f"promoted: {name or '-'}: {count} competencies" for name, count in found["promoted"].items()]
    return "\n".join(lines)
