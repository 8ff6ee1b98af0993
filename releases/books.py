"""The books over every hop, from the sender's request to the page: topics, lake, marts and what is shown.

One rule, read by ``cairn intake ledger`` and the page Operations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta

from kafka.errors import KafkaError

from cairn.settings import Settings
from releases import store
from spark_jobs import intake_hops, intake_ledger
from spark_jobs.intake_hops import MART_TO_PAGE, SILVER_TO_MART, Break, Scope
from spark_jobs.intake_topic import topic_breaks

# As dbt's macro books_days: the receipt dates that a release holds, before its data date.
MART_DAYS = 28
# A batch that is written while a release reads the lake may be in it or not.
READ_MARGIN = timedelta(minutes=2)
_COUNTS = ("received", *intake_ledger.FATES)
NO_BROKER = "the topics were not looked at: no broker answers"
NOTHING = dict.fromkeys(_COUNTS, 0)


def breaks(
    settings: Settings, dates: Iterable[date] | None = None, *, has_broker: bool = True
) -> tuple[list[Break], str]:
    """Every hop that does not balance, and why the topics could not be looked at (empty where they were).

    ``dates``: only what was received then, and what lies in a topic or a torn batch, whatever its day. ``has_broker``:
    False where none is known to run, so that nobody waits for one.
    """
    wanted = None if dates is None else list(dates)
    try:
        found, unseen = (topic_breaks(settings), "") if has_broker else ([], NO_BROKER)
    except (KafkaError, LookupError, OSError) as error:
        found, unseen = [], f"{NO_BROKER} ({type(error).__name__})"
    found += intake_hops.breaks(settings, wanted)
    found += mart_breaks(settings, wanted, {_scope(one) for one in found})
    return found, unseen


def _scope(one: Break) -> Scope:
    return one.received_date, one.source_id, one.org_id


def mart_breaks(
    settings: Settings, dates: Collection[date] | None = None, known: Collection[Scope] = ()
) -> list[Break]:
    """The current learning release against the lake that it read, and what its pages show against the release.

    ``known``: scopes whose loss before the marts is named already.
    """
    release = store.current(settings, "learning")
    if release is None or release.read_at is None:
        return []
    last = release.built_at.astimezone(settings.zone).date()
    first = release.data_date - timedelta(days=MART_DAYS)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    days = [day for day in days if dates is None or day in dates]
    connection = store.connect(settings, release)
    try:
        names = ", ".join(_COUNTS)
        rows = connection.execute(
            f"select received_date, source_id, org_id, {names} from mart_intake_ledger"
        ).fetchall()
        shown = connection.execute(
            "select school.school_id, trust.received from mart_school as school "
            "left join mart_school_trust as trust using (school_id) order by 1"
        ).fetchall()
    finally:
        connection.close()
    mart = {(row[0], row[1], row[2]): dict(zip(_COUNTS, row[3:], strict=True)) for row in rows}
    of_days = {scope: counts for scope, counts in mart.items() if scope[0] in days}
    return _over_mart(settings, days, of_days, release, known) + _over_page(release.data_date, mart, shown)


def _over_mart(
    settings: Settings,
    days: list[date],
    mart: dict[Scope, dict[str, int]],
    release: store.Release,
    known: Collection[Scope],
) -> list[Break]:
    if not days:
        return []
    assert release.read_at is not None
    begins, ends = release.read_at - READ_MARGIN, release.built_at + READ_MARGIN
    least = _counts(settings, days, begins)
    # Mostly intake wrote nothing between the two, and the lake need not be read twice.
    before, after = (intake_ledger.whole_batches(settings, days, instant).num_rows for instant in (begins, ends))
    most = least if before == after else _counts(settings, days, ends)
    found = []
    for scope in sorted((mart.keys() | most.keys()) - set(known), key=str):
        in_mart, low, high = (side.get(scope, NOTHING) for side in (mart, least, most))
        wrong = [name for name in _COUNTS if not low[name] <= in_mart[name] <= high[name]]
        if wrong:
            name = wrong[0]
            missing = (low if in_mart[name] < low[name] else high)[name] - in_mart[name]
            said = f"mart_intake_ledger of {release.release_id} has {in_mart[name]} {name}: build the marts again"
            day, source, school = scope
            found.append(Break(SILVER_TO_MART, day, source, school, missing, said))
    return found


def _counts(settings: Settings, days: list[date], until: datetime) -> dict[Scope, dict[str, int]]:
    """The lake's books of some receipt dates as they were at an instant."""
    return {
        (row["received_date"], row["source_id"], row["org_id"]): {name: int(row[name]) for name in _COUNTS}
        for row in intake_ledger.ledger(settings, dates=days, until=until)
    }


def _over_page(data_date: date, mart: dict[Scope, dict[str, int]], shown: list[tuple[str, int | None]]) -> list[Break]:
    """A school's page shows what its night took in: never more than the books of those days hold, and never nothing."""
    found = []
    for school, received in shown:
        held = sum(row["received"] for (day, _, org), row in mart.items() if org == school and day and day >= data_date)
        if received is None or received > held:
            said = "shows no books" if received is None else f"shows {received} received, the books hold {held}"
            missing = held if received is None else held - received
            found.append(Break(MART_TO_PAGE, data_date, "all sources", school, missing, f"the school's page {said}"))
    return found
