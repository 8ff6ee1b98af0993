"""``cairn mastery items``: items that people should look at."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.common import JsonOption, emit

if TYPE_CHECKING:
    from cairn.settings import Settings


def items(
    responses: Annotated[
        Path | None, typer.Option("--responses", help="Responses (parquet or csv) with item_id.")
    ] = None,
    from_lake: Annotated[
        str | None, typer.Option("--from-lake", help="Framework in the lake, in place of a file: what counts of it.")
    ] = None,
    limits: Annotated[
        bool, typer.Option("--limits", help="List the limits for rapid guesses that nights count by, in their place.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Items that people should look at: they look mis-tagged, or treat a subgroup otherwise than others as able.

    A subgroup column in the file (one name a pupil) asks for differential item functioning. With --limits: under which
    time an answer is a rapid guess, item by item.

    Example: cairn mastery items --responses responses.parquet
    """
    from cairn.errors import UsageError
    from cairn.mastery.config import load_config
    from cairn.mastery.item_review import review_items
    from cairn.mastery.responses import read_table, responses_from, with_rapid_marked
    from cairn.privacy import smallest_group
    from cairn.settings import settings

    current = settings()
    if limits:
        emit(_limits(current), as_json, _limits_as_text)
        return
    if from_lake is not None:
        from spark_jobs.evaluate_lake import counted_responses

        data = counted_responses(current, from_lake)
    elif responses is None:
        raise UsageError("give --responses FILE or --from-lake FRAMEWORK")
    else:
        config = load_config(current)
        parts = responses_from([(responses, read_table(responses))])
        [whole] = with_rapid_marked(parts, config.evidence, config.fit)
        data = whole.of(whole.first_attempts(config.evidence.spacing_seconds))
    if not data.has_items:
        raise UsageError("the responses name no items: give a file with an item_id column")
    found, judged = review_items(data, smallest_group(current))
    emit({"judged": judged, "items": [asdict(one) for one in found]}, as_json, _items_as_text)


def _limits(current: Settings) -> dict[str, Any]:
    """The limits in use: general_ms, model_version, and of each item with one of its own limit_ms and where from."""
    from cairn.mastery.config import load_config
    from spark_jobs.mastery_model import item_limits

    rule = load_config(current).evidence
    version, own = item_limits(current)
    whole = own | rule.rapid_guess_ms_by_item
    told = [
        {"item": name, "limit_ms": limit, "from": "evidence.yaml" if name in rule.rapid_guess_ms_by_item else "times"}
        for name, limit in sorted(whole.items())
    ]
    return {"general_ms": rule.rapid_guess_ms, "model_version": version, "items": told}


def _limits_as_text(found: dict[str, Any]) -> str:
    """A line an item."""
    general = f"{found['general_ms'] / 1000:.1f} s"
    lines = [f"quicker than {general} is a rapid guess; {len(found['items']):,} items have limits of their own"]
    for one in found["items"]:
        whose = "set in evidence.yaml" if one["from"] == "evidence.yaml" else f"its own times, {found['model_version']}"
        lines.append(f"  {one['item']}  {one['limit_ms'] / 1000:.1f} s  {whose}")
    return "\n".join(lines)


def _items_as_text(found: dict[str, Any]) -> str:
    """A line an item, the worst first."""
    lines = [f"{found['judged']:,} items judged, {len(found['items']):,} to look at"]
    for one in found["items"]:
        said = [f"goes with its competency by {one['correlation']:+.2f}"]
        if one["other"] is not None:
            said.append(f"with {one['other']} by {one['other_correlation']:+.2f}: is it tagged right?")
        for dif in one["dif"]:
            way = "harder" if dif["delta"] < 0 else "easier"
            said.append(f"{way} for {dif['subgroup']} (delta {dif['delta']:+.2f}, class {dif['size']})")
        right = f"{100 * one['right']:.0f} % of {one['pupils']} right"
        lines.append(f"  {one['item']}  {one['competency']}  {right}  {'; '.join(said)}")
    return "\n".join(lines)
