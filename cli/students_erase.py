"""``cairn students erase``: a person out of everything, the receipt, the scan, and the list after a restore."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.common import JsonOption, emit, say


def erase(
    student: Annotated[str | None, typer.Argument(help="Student key, or an identifier; of staff alike.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, as the receipt keeps it; write no name.")] = None,
    scan: Annotated[str | None, typer.Option(help="Look for what is left, by a receipt; changes nothing.")] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Go through the list again: after a restore.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Erase a person from lake, releases, feeds, vault, sealed originals and files; the topic lets go by the day named.

    Take the person out of the roster first, or the next load brings a new record. No night may be running. What was
    published of many pupils stays. Exit status 1 where something is left. Look again with --scan and the receipt's id.

    Example: cairn students erase p_4f1d2c3b4a59687710293847 --reason "request 2026-118"
    """
    from cairn.settings import settings
    from cli.common import actor
    from feeds.erasure import Feeds
    from identity import erasures
    from identity.vault import Vault
    from loading import one_student
    from night import erasure

    if sum((student is not None, scan is not None, replay)) != 1:
        raise typer.BadParameter("name a student, or --scan RECEIPT, or --replay")
    places: list[erasure.Place] = [Feeds()]
    if replay:
        done = [receipt.shown() for receipt in erasure.replay(settings(), places)]
        emit({"receipts": done}, as_json, lambda result: f"{len(result['receipts'])} erasure(s) gone through again")
        return
    if scan is not None:
        receipt = erasures.get(settings(), scan)
    else:
        if not reason:
            raise typer.BadParameter("say why: --reason")
        key = one_student(Vault(settings()), student or "")
        say("erasing; this reads every table that holds people")
        receipt = erasure.erase(settings(), key, reason=reason, by=actor(), places=places)
    result = erasure.told(receipt, erasure.scan(settings(), receipt, places))
    emit(result, as_json, _told)
    if result["remaining"]:
        raise typer.Exit(1)


def erased(as_json: JsonOption = False) -> None:
    """List the receipts of erasures, oldest first. No names, no keys.

    Example: cairn students erased
    """
    from cairn.settings import settings
    from identity import erasures

    emit({"erased": [receipt.shown() for receipt in erasures.every(settings())]}, as_json, _list)


def _told(result: dict[str, Any]) -> str:
    receipt = result["receipt"]
    lines = [f"{receipt['erasure_id']}  {receipt['erased_at']:%Y-%m-%d %H:%M}  {receipt['reason']}"]
    lines += [f"  removed {count:>8,}  {place}" for place, count in receipt["removed"].items()]
    lines += [f"  LEFT    {count:>8,}  {place}" for place, count in result["found"].items()]
    lines.append(f"  the topic {result['topic']}" if result["topic"] else "")
    lines.append(f"  left: {result['remaining']}")
    return "\n".join(lines)


def _list(result: dict[str, Any]) -> str:
    lines = [
        f"{one['erasure_id']}  {one['erased_at']:%Y-%m-%d %H:%M}  {one['erased_by']}  topic until"
        f" {one['topic_until_date']}  {one['reason']}"
        for one in result["erased"]
    ]
    return "\n".join(lines) or "none"
