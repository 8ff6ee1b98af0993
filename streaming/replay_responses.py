"""A table of responses (who answered what, right or wrong) as a small school: roster, framework, items, statements.

Everything downstream is the ordinary way: the roster, framework and items are packages that the district's own
loaders take, the statements go through the gateway like an app's. Nothing here sends or loads; see ``cli.activity``.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cairn.calendar import DistrictCalendar
from cairn.errors import CairnError
from cairn.evidence.activity import EXTENSION
from cairn.evidence.meaning import HISTORY
from cairn.evidence.times import instant_text, parse_instant
from cairn.settings import Settings
from streaming.replay_packages import (
    HOME_PAGE,
    NAMESPACE,
    Response,
    class_of,
    competency_id,
    item_iri,
    username,
    write_competencies,
    write_items,
    write_roster,
)

if TYPE_CHECKING:
    import pyarrow as pa

NEEDED = ("user_id", "skill_id", "correct")
OPTIONAL = ("item_id", "timestamp", "t")
# Times that have to be made: one response a minute, an hour a school day, from nine, classes a little apart.
MINUTES_A_DAY = 60
SCHOOL_BEGINS = clock(9)
STAGGER_MINUTES = 240
MOST_SKILLS = 20
EARLIEST_SECONDS, LATEST_SECONDS = 631_152_000, 4_070_908_800  # 1990 and 2099


@dataclass(frozen=True)
class Prepared:
    """What a table of responses became: packages to load, in order, and statements to send after them."""

    stem: str
    folder: Path
    responses: Sequence[Response]
    skipped: int
    users: int
    skills: int
    items: int
    has_own_times: bool
    last_work_date: date
    year_starts_at: datetime

    @property
    def roster_path(self) -> Path:
        """OneRoster 1.2 folder: a delta, so that it ends nothing that it does not name."""
        return self.folder / "roster"

    @property
    def competencies_path(self) -> Path:
        """CASE package; its identifier, the framework's id, is the stem."""
        return self.folder / "competencies.json"

    @property
    def items_path(self) -> Path:
        """Alignments of the items."""
        return self.folder / "items.csv"

    def statements(self) -> Iterator[bytes]:
        """xAPI statements, each as JSON; the same file gives the same ids."""
        classes = class_of(self.responses)
        return (
            statement(self.stem, each, classes[each.user], is_history=each.worked_at < self.year_starts_at)
            for each in self.responses
        )


def prepare(settings: Settings, file: Path | str, limit: int | None = None, until: date | None = None) -> Prepared:
    """Read a table of responses (parquet or csv) and write its packages under ``home/replays/<stem>``.

    ``limit`` takes the first rows of the file; ``until`` is the last day of work where times have to be made (the
    last school day before today by default; a second replay of the file keeps the first one's).
    Raises CairnError with the names of columns that are missing, and for a file that is no table.
    """
    path = Path(file)
    stem = re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:40]
    if not stem:
        raise CairnError(f"{path.name}: the file's name gives no name for a framework: rename it")
    table = _read_table(path, limit)
    folder = settings.home / "replays" / stem
    folder.mkdir(parents=True, exist_ok=True)
    calendar = DistrictCalendar.load(settings)
    last = _last_work_date(folder, calendar, until)
    responses, skipped, has_own_times = _responses(table, calendar, last)
    if not responses:
        raise CairnError(f"{path.name}: no row has user_id, skill_id and correct (0 or 1): nothing to replay")
    prepared = Prepared(
        stem=stem,
        folder=folder,
        responses=responses,
        skipped=skipped,
        users=len({each.user for each in responses}),
        skills=len({skill for each in responses for skill in each.skills}),
        items=len({each.item for each in responses}),
        has_own_times=has_own_times,
        last_work_date=max(each.worked_at for each in responses).astimezone(calendar.zone).date(),
        year_starts_at=calendar.day_bounds(calendar.school_year_start_date)[0],
    )
    write_competencies(prepared.competencies_path, stem, responses, prepared.last_work_date)
    write_items(prepared.items_path, stem, responses)
    write_roster(prepared.roster_path, stem, responses, calendar)
    return prepared


def split_skills(value: object) -> tuple[str, ...]:
    """The skills of a cell: several where it is a list such as ``a~~b``, ``a,b``, or ``12_7``."""
    if value is None:
        return ()
    text = str(value).strip()
    for separator, part in (("~~", r".+"), (",", r"[A-Za-z0-9.\-]+"), ("_", r"\d+")):
        parts = [each.strip() for each in text.split(separator)]
        if len(parts) > 1 and all(re.fullmatch(part, each) for each in parts):
            return tuple(dict.fromkeys(parts))[:MOST_SKILLS]
    return (text,) if text else ()


def statement(stem: str, response: Response, class_number: int, *, is_history: bool = False) -> bytes:
    """One xAPI statement; every part of it is an identifier made here, so nothing needs escaping.

    ``is_history``: it says that it is of an earlier school year, else intake would take its time for an error.
    """
    own_id = uuid.uuid5(NAMESPACE, f"{stem}/{response.place}/{response.user}/{response.item}")
    competencies = ",".join(f'"{competency_id(stem, skill)}"' for skill in response.skills)
    truth = "true" if response.is_correct else "false"
    score = 1 if response.is_correct else 0
    history = f',"{HISTORY}":true' if is_history else ""
    return (
        f'{{"id":"{own_id}","actor":{{"objectType":"Agent","account":{{"homePage":"{HOME_PAGE}",'
        f'"name":"{username(stem, response.user)}"}}}},"verb":{{"id":"http://adlnet.gov/expapi/verbs/answered"}},'
        f'"object":{{"id":"{item_iri(stem, response.item)}"}},'
        f'"result":{{"success":{truth},"score":{{"scaled":{score},"raw":{score},"min":0,"max":1}},'
        f'"extensions":{{"{EXTENSION}attempt-number":{response.attempt}}}}},'
        f'"context":{{"extensions":{{"{EXTENSION}school":"{stem}","{EXTENSION}class":"{stem}-c{class_number:03d}",'
        f'"{EXTENSION}competencies":[{competencies}]{history}}}}},"timestamp":"{instant_text(response.worked_at)}"}}'
    ).encode("ascii")


def _read_table(path: Path, limit: int | None) -> pa.Table:
    """The known columns of the file's first rows."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    try:
        if path.suffix == ".parquet":
            names = parquet.read_schema(path).names
            table = parquet.read_table(path, columns=[name for name in (*NEEDED, *OPTIONAL) if name in names])
        elif path.suffix in (".csv", ".gz"):
            table = arrow_csv.read_csv(path)
        else:
            raise CairnError(f"{path.name}: a table of responses is .parquet or .csv")
    except FileNotFoundError as error:
        raise CairnError(f"no file {path}") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise CairnError(f"{path.name}: cannot be read as a table ({type(error).__name__}): it may be cut") from error
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing:
        raise CairnError(f"{path.name}: no column {', '.join(missing)}; found {', '.join(table.column_names)}")
    return table if limit is None else table.slice(0, limit)


def _last_work_date(folder: Path, calendar: DistrictCalendar, until: date | None) -> date:
    """The last day of made times; kept beside the packages, so that a second replay sends the same statements."""
    kept = folder / "replay.json"
    if until is None and kept.exists():
        return date.fromisoformat(json.loads(kept.read_text())["until"])
    last = until or calendar.local_date(datetime.now(UTC)) - timedelta(days=1)
    kept.write_text(json.dumps({"until": last.isoformat()}) + "\n")
    return last


def _responses(table: pa.Table, calendar: DistrictCalendar, last: date) -> tuple[list[Response], int, bool]:
    """Answers in each user's order with work times, rows skipped, and whether the file had times of its own."""
    columns = {name: table.column(name).to_pylist() for name in table.column_names if name in (*NEEDED, *OPTIONAL)}
    count = table.num_rows
    times = _own_times(columns.get("timestamp"))
    order = columns.get("timestamp") or columns.get("t")
    rows = sorted(range(count), key=lambda row: _order_key(order, row)) if order else list(range(count))
    by_user: dict[str, list[int]] = {str(user): [] for user in columns["user_id"] if user is not None}
    skipped = 0
    for row in rows:
        user, correct = columns["user_id"][row], columns["correct"][row]
        if user is None or correct not in (0, 1) or columns["skill_id"][row] is None:
            skipped += 1
        else:
            by_user[str(user)].append(row)
    found: list[Response] = []
    groups = {user: _merged(mine, columns, order) for user, mine in by_user.items() if mine}
    days = _work_days(calendar, last, max((len(group) for group in groups.values()), default=0))
    for number, (user, group) in enumerate(groups.items()):
        made = _made_times(calendar, days, len(group), number)
        attempts: Counter[str] = Counter()
        for place, (row, skills) in enumerate(group):
            item = str(columns["item_id"][row]) if columns.get("item_id") else skills[0]
            attempts[item] += 1
            worked_at = made[place] if times is None else times[row]
            is_correct = columns["correct"][row] == 1
            found.append(Response(user, item, skills, is_correct, worked_at, attempts[item], place))
    return found, skipped, times is not None


def _order_key(order: list[Any], row: int) -> tuple[bool, Any, int]:
    return order[row] is None, order[row] if order[row] is not None else 0, row


def _merged(
    rows: list[int], columns: dict[str, list[Any]], order: list[Any] | None
) -> list[tuple[int, tuple[str, ...]]]:
    """One answer where a file has a row a skill: same item at the same time by the same user."""
    merged: list[tuple[int, tuple[str, ...]]] = []
    items = columns.get("item_id")
    for row in rows:
        skills = split_skills(columns["skill_id"][row]) or ("none",)
        before = merged[-1] if merged else None
        if before and items and order and items[before[0]] == items[row] and order[before[0]] == order[row]:
            merged[-1] = (before[0], tuple(dict.fromkeys(before[1] + skills))[:MOST_SKILLS])
        else:
            merged.append((row, skills))
    return merged


def _own_times(given: list[Any] | None) -> list[datetime] | None:
    """The file's times where they are instants: RFC 3339, or seconds, milli-, micro- or nanoseconds since 1970.

    None where there are none or they only count from some start: those give the order and no more.
    """
    if not given or any(value is None for value in given):
        return None
    if all(isinstance(value, datetime) for value in given):
        return [value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC) for value in given]
    if all(isinstance(value, str) for value in given):
        try:
            return [parse_instant(value) for value in given]
        except ValueError:
            return None
    if not all(isinstance(value, int | float) for value in given):
        return None
    for scale in (1, 1_000, 1_000_000, 1_000_000_000):
        if min(given) / scale >= EARLIEST_SECONDS and max(given) / scale <= LATEST_SECONDS:
            begin = datetime(1970, 1, 1, tzinfo=UTC)
            return [begin + timedelta(microseconds=round(value / scale * 1_000_000)) for value in given]
    return None


def _work_days(calendar: DistrictCalendar, last: date, most: int) -> list[date]:
    """As many school weekdays up to ``last`` as the longest row of answers needs, oldest first."""
    days: list[date] = []
    day = last
    while len(days) < max(1, -(-most // MINUTES_A_DAY)):
        if day.isoweekday() in calendar.weekdays and day not in calendar.holidays:
            days.append(day)
        day -= timedelta(days=1)
    return days[::-1]


def _made_times(calendar: DistrictCalendar, days: Sequence[date], count: int, number: int) -> list[datetime]:
    """Times for a user's ``count`` answers: the last of them on the last day, one a minute, in order."""
    needed = -(-count // MINUTES_A_DAY)
    stagger = timedelta(minutes=number * 7 % STAGGER_MINUTES)
    times: list[datetime] = []
    for day in days[len(days) - needed :]:
        begin = datetime.combine(day, SCHOOL_BEGINS, calendar.zone).astimezone(UTC) + stagger
        times += [begin + timedelta(minutes=minute) for minute in range(min(MINUTES_A_DAY, count - len(times)))]
    return times
