"""Publications: protected tables made of a release on fixed days, for every reader without a duty to see few pupils.

``home/releases/publications/<kind>/<publication_id>.json`` never changes once written; ``current.json`` names the one
that stands. Before one is published an attacker's audit looks at it beside every page that stands and every earlier
publication; where it finds a cell the former publication goes on standing. Each that was made or blocked is a row of
ops.publication, and the audit's findings are rows of ops.gate_result.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import lake
from cairn.errors import CairnError, UsageError
from cairn.privacy_dates import PublicationRules, publication_rules
from cairn.protection.audit import EARLIER, MARGINS, CellName, Earlier, Failure, audit
from cairn.protection.published import NOTHING, Key, Publication, PublishedTable, as_json, from_json
from cairn.protection.rules import Rules
from cairn.protection.suppression import CannotProtect
from cairn.protection.tables import Protected, RawTable, hide_alike, leave_out, protect
from cairn.settings import Settings
from gates.run import run_gate
from releases import store
from releases.publication_tables import evaluation_tables, learning_tables, pairs_of

LOG = logging.getLogger(__name__)
FOLDER, TABLE, GATE = "publications", "ops.publication", "before_publication"
MADE, BLOCKED, NOT_DUE, STANDS = "made", "blocked", "not due", "stands"


@dataclass(frozen=True)
class Outcome:
    """What became of a publication: ``made``, ``blocked`` (with ``failures``), ``not due`` or ``stands`` (it was made
    of this day already). ``cells`` of which so many are ``hidden`` by the rules and ``suppressed`` beside."""

    kind: str
    state: str
    publication_date: date
    release_id: str
    publication_id: str | None
    next_date: date
    cells: int = 0
    hidden: int = 0
    suppressed: int = 0
    failures: Sequence[Failure] = ()
    reason: str = ""


def kind_dir(settings: Settings, kind: str) -> Path:
    """Where publications of a kind lie. Raises UsageError for an unknown kind."""
    if kind not in store.KINDS:
        raise UsageError(f"unknown kind of publication {kind!r}: use one of {', '.join(store.KINDS)}")
    return settings.releases_dir / FOLDER / kind


def standing(settings: Settings, kind: str) -> Publication | None:
    """The publication of a kind that stands, or None before the first."""
    try:
        current = json.loads((kind_dir(settings, kind) / "current.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return _read(kind_dir(settings, kind) / f"{current['publication_id']}.json")


def _read(path: Path) -> Publication:
    return from_json(json.loads(path.read_text(encoding="utf-8")))


def published(settings: Settings, kind: str) -> list[Publication]:
    """Every publication of a kind there ever was, the oldest first."""
    found = [_read(path) for path in kind_dir(settings, kind).glob("publication-*.json")]
    return sorted(found, key=lambda one: (one.publication_date, one.made_at))


def read_publication(settings: Settings) -> Publication | None:
    """Every protected table that stands now, of both kinds, for a page; None where nothing was published yet.

    Its date, release and note are those of the learning publication where there is one; ``standing`` says by table
    which publication it belongs to.
    """
    found = [one for kind in store.KINDS if (one := standing(settings, kind))]
    if not found:
        return None
    tables = {name: table for one in found for name, table in one.tables.items()}
    belongs = {name: of for one in found for name, of in one.standing.items()}
    next_date = publication_rules(settings).next_date(found[0].publication_date)
    return replace(found[0], tables=tables, standing=belongs, next_date=next_date)


def make(settings: Settings, kind: str) -> Outcome:
    """Publish the current release of a kind, where its day is one on which numbers may change.

    Idempotent per day: what was made of a day stands, what was blocked is tried again. Raises CairnError where there
    is no release, or where a table cannot be protected at all.
    """
    with store.building(settings):
        found, publication = _prepared(settings, kind)
        if publication is None:
            return found
        run_gate(
            GATE,
            settings,
            found.publication_date,
            failures=[(one.attack, str(one.cell), one.why) for one in found.failures],
            cells=found.cells,
        )
        if found.state == MADE:
            folder = store.private_folder(kind_dir(settings, kind))
            store.write_json(folder / f"{publication.publication_id}.json", as_json(publication))
            store.write_json(folder / "current.json", {"publication_id": publication.publication_id})
        _record(settings, found, publication.made_at)
    return found


def check(settings: Settings, kind: str) -> Outcome:
    """What :func:`make` would do now; nothing is written. A day that is not due is audited as if it were."""
    return _prepared(settings, kind, is_check=True)[0]


def after_release(settings: Settings, kind: str) -> str:
    """:func:`make` after a release was published, in a sentence: whatever is wrong holds up the publication alone."""
    try:
        return told(make(settings, kind))
    except CairnError as error:
        LOG.error("no publication of %s: %s", kind, error)
        return f"no publication: {error}"


def told(outcome: Outcome) -> str:
    """An outcome in a sentence."""
    if outcome.state == MADE:
        return f"{outcome.publication_id} is published"
    if outcome.state == BLOCKED:
        return f"publication of {outcome.publication_date} blocked: {outcome.reason}"
    if outcome.state == STANDS:
        return f"{outcome.publication_id} stands"
    return f"published numbers stand until {outcome.next_date}"


def _prepared(settings: Settings, kind: str, is_check: bool = False) -> tuple[Outcome, Publication | None]:
    """The outcome and, where one was tried, the publication it is of."""
    kind_dir(settings, kind)
    release = store.current(settings, kind)
    if release is None:
        raise CairnError(f"no {kind} release to publish numbers of: run 'cairn night run'")
    rules, last = publication_rules(settings), standing(settings, kind)
    last_date = last.publication_date if last else None
    next_date = rules.next_date(last_date or release.data_date)
    found = Outcome(kind, NOT_DUE, release.data_date, release.release_id, None, next_date)
    if last and last.publication_date == release.data_date and not is_check:
        return replace(found, state=STANDS, publication_id=last.publication_id), None
    is_due = rules.is_due(release.data_date, last_date)
    if not is_due and not is_check:
        return found, None
    if last and last.publication_date > release.data_date:
        raise CairnError(f"{last.publication_id} is newer than {release.release_id}: publications do not go back")
    parts, failures = _audited(settings, kind, rules, _protected(settings, release, rules))
    tables = {part.table.name: part.table for part in parts}
    publication = Publication(
        publication_id=f"publication-{kind}-{release.data_date.isoformat()}",
        kind=kind,
        publication_date=release.data_date,
        release_id=release.release_id,
        made_at=datetime.now(UTC),
        n_min=rules.n_min,
        tables=tables,
        note=Rules(rules.n_min, rules.counts_to).note(),
    )
    cells = [cell for table in tables.values() for row in table.rows.values() for cell in row.values()]
    return (
        replace(
            found,
            state=BLOCKED if failures else MADE if is_due else NOT_DUE,
            publication_id=publication.publication_id,
            next_date=rules.next_date(release.data_date),
            cells=len(cells),
            hidden=sum(not cell.is_told and cell.text != NOTHING for cell in cells),
            suppressed=sum(part.suppressed for part in parts),
            failures=failures,
            reason=_named(failures),
        ),
        publication,
    )


def _named(failures: Sequence[Failure], most: int = 3) -> str:
    more = f" and {len(failures) - most} more cells" if len(failures) > most else ""
    return "; ".join(str(one) for one in failures[:most]) + more


def _protected(settings: Settings, release: store.Release, rules: PublicationRules) -> list[Protected]:
    raw = _raw(settings, release)
    try:
        parts = [protect(table, Rules(rules.n_min, rules.counts_to)) for table in raw]
    except (CannotProtect, ValueError) as error:
        raise CairnError(f"{release.release_id}: {error}") from error
    return hide_alike(parts, pairs_of(_keys(part.table for part in parts)))


def _keys(tables: Iterable[PublishedTable]) -> dict[str, Iterable[Key]]:
    """The keys of tables by name."""
    return {table.name: table.rows for table in tables}


def _audited(
    settings: Settings, kind: str, rules: PublicationRules, parts: Sequence[Protected]
) -> tuple[Sequence[Protected], list[Failure]]:
    """The tables and what an attacker gets of them: numbers that the tables together, or with an earlier day's, give
    away are left out until she gets none or nothing is left. Exact counts that changed by few are blocked, not left
    out: a district chose them knowing that."""
    mended = (MARGINS,) if rules.counts_to == 1 else (MARGINS, EARLIER)
    failures = _failures(settings, kind, rules, parts)
    while found := [one for one in failures if one.attack in mended and not one.is_contradiction]:
        more = leave_out(parts, found, pairs_of(_keys(part.table for part in parts)))
        if [part.table for part in more] == [part.table for part in parts]:
            break
        LOG.info("left out for %s cells that tables give away together", len(found))
        parts, failures = more, _failures(settings, kind, rules, more)
    return parts, failures


def _raw(settings: Settings, release: store.Release) -> list[RawTable]:
    with ExitStack() as stack:
        source = stack.enter_context(store.connect(settings, release))
        if release.kind == "learning":
            return learning_tables(source)
        base = store.get(settings, "learning", release.based_on or "")
        learning = stack.enter_context(store.connect(settings, base))
        cards = source.execute("select scorecard_json from pilot_scorecard order by pilot_id").fetchall()
        return evaluation_tables(learning, [card for (card,) in cards])


def _failures(settings: Settings, kind: str, rules: PublicationRules, parts: Sequence[Protected]) -> list[Failure]:
    """What an attacker gets from these tables, those of the other kind that stand, and all that were published."""
    tables: list[PublishedTable] = [part.table for part in parts]
    others = [one for other in store.KINDS if other != kind and (one := standing(settings, other))]
    tables += [table for one in others for table in one.tables.values()]
    earlier = [
        Earlier(one.publication_date.isoformat(), one.tables, pairs_of(_keys(one.tables.values())))
        for one in published(settings, kind)
    ]
    sensitive: set[CellName] = set().union(*(part.sensitive for part in parts))
    pairs = pairs_of(_keys(tables))
    return audit(tables, rules.n_min, sensitive, pairs, earlier)


def _record(settings: Settings, outcome: Outcome, made_at: datetime) -> None:
    """The ledger's row."""
    lake.append(
        settings,
        TABLE,
        [
            {
                "publication_id": outcome.publication_id,
                "kind": outcome.kind,
                "publication_date": outcome.publication_date,
                "release_id": outcome.release_id,
                "made_at": made_at,
                "is_blocked": outcome.state == BLOCKED,
                "cells": outcome.cells,
                "cells_coded": outcome.hidden,
                "cells_suppressed": outcome.suppressed,
                "cells_failed": len(outcome.failures),
                "failed_cells": json.dumps([str(one.cell) for one in outcome.failures]),
                "reason": outcome.reason or None,
            }
        ],
    )


def ledger(settings: Settings) -> list[dict[str, object]]:
    """Rows of ops.publication, the newest first."""
    rows: list[dict[str, object]] = lake.read(settings, TABLE).to_pylist()
    return sorted(rows, key=lambda row: str(row["made_at"]), reverse=True)
