"""One process of polars and numba that makes a year's mastery: ``python -m benchmarks.mastery_peer HOME [--as-of T]``.

The peer of ``cairn mastery update`` on tables that no night has touched: what a good data engineer writes when one
machine is enough and a night is a rebuild. It reads the same files of silver once, resolves them with polars, keeps
compact arrays of each bucket of pupils in memory, fits the same stated sample, and writes equal tables (zstd, level 1)
to HOME/peer/<table>/pupil_bucket=N.parquet. It has no versions, no late evidence to set against what stands, no waiting
list and no retry: that is what the platform's seconds also buy. The model's fit and formula, the walk of the policy
(cairn.mastery.share) and hashes are the project's own, or the tables could not be equal; the rest is written here.

Standard output is one JSON object: seconds without the start of Python and the compilation of kernels; attempts is
rows of evidence.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import polars as pl

import lake
from benchmarks.mastery_peer_evidence import Bucket, Names, compact, without_rapid
from benchmarks.mastery_peer_fold import Made, fold
from benchmarks.mastery_peer_model import model_of, sample_of
from cairn.calendar import DistrictCalendar
from cairn.mastery.bkt import IntArray
from cairn.mastery.config import MasteryConfig, load_config
from cairn.mastery.hashing import hash_texts, mix
from cairn.mastery.share.model import ShareModel, from_rows, rapid_limits
from cairn.mastery.warm import warm as warm_kernels
from cairn.settings import Settings
from spark_jobs.mastery_model import fit_sample
from spark_jobs.mastery_sample import MOST_RESPONSES
from spark_jobs.night_record import pupil_buckets

SILVER = "silver.learner_activity"
# So many rows of silver are read and resolved at a time.
CHUNK_ROWS = 1_000_000
AS_OF = "2026-07-12T05:00:00+00:00"
# Text that many rows share is held as codes.
SUBJECT, ITEM = pl.Categorical(pl.Categories("subject")), pl.Categorical(pl.Categories("item"))
CODED = {
    "subject_key": SUBJECT,
    "item_id": ITEM,
    **{name: pl.Categorical(pl.Categories(name)) for name in ("activity_type", "org_id", "class_id", "source_id")},
}
AS_THEY_ARE = ("event_id", "event_time", "work_date", "success", "hints", "duration_ms")
EVIDENCE_COLUMNS = (
    *("student_key", "competency_id", "event_id", "event_time", "work_date", "activity_type", "item_id"),
    *("named_competency_ids", "success", "score_share", "hints", "duration_ms", "org_id", "class_id"),
    *("subject_key", "statement_key", "is_removed", "night"),
)


@dataclass(frozen=True)
class Known:
    """What resolving rests on. links and alignments carry codes of ``names``; voided: statement keys taken back."""

    names: Names
    links: pl.DataFrame
    alignments: pl.DataFrame
    competencies: pl.DataFrame
    voided: IntArray
    as_of: datetime


@dataclass(frozen=True)
class Done:
    """Rows of evidence, states and decisions that were written, and the model they were made with."""

    attempts: int
    pairs: int
    decisions: int
    model: ShareModel


def scan(settings: Settings, name: str) -> list[tuple[str, int]]:
    """(path, rows) of a table's files."""
    root = lake.table_uri(settings, name)
    return [(lake.join(root, unquote(file.path)), file.rows) for file in lake.table_files(settings, name, lake.EVERY)]


def lazily(paths: list[str]) -> pl.LazyFrame:
    """Some Parquet files, read when collected."""
    return pl.scan_parquet(paths, hive_partitioning=False)


def keys_of(rows: pl.DataFrame, statement: str) -> pl.Series:
    """The key of each row's statement: its source and the source's own id."""
    source, own = (hash_texts(rows[name].rechunk().to_arrow()) for name in ("source_id", statement))
    return pl.Series("statement_key", mix(source, own).view(np.int64))


def know(settings: Settings, as_of: datetime, silver: list[str]) -> Known:
    """Links, alignments, competencies and voids as they hold now."""
    now = {}
    for name in ("silver.identity_link", "silver.item_alignment", "silver.competency"):
        now[name] = lazily([path for path, _ in scan(settings, name)]).filter(pl.col("recorded_to").is_null()).collect()
    links, alignments, competencies = now.values()
    students = links["student_key"].unique().sort()
    known = pl.concat([alignments["competency_id"], competencies["competency_id"]]).unique().sort()
    names = Names.of(students, known, pupil_buckets(settings, None))
    by_student = pl.DataFrame({"student_key": students, "bucket": names.bucket}).with_row_index("student")
    by_competency = known.to_frame().with_row_index("competency")
    voids = (
        lazily(silver)
        .filter(pl.col("activity_type") == "void", pl.col("voids_statement_id").is_not_null())
        .filter(pl.col("event_time") < as_of)
        .select("source_id", "voids_statement_id")
        .collect()
    )
    return Known(
        names,
        links.join(by_student, on="student_key").select(
            pl.col("subject_key").cast(SUBJECT), "student", "bucket", "valid_from", "valid_to"
        ),
        alignments.join(by_competency, on="competency_id").select(
            pl.col("item_id").cast(ITEM), "competency", "valid_from_date", "valid_to_date"
        ),
        by_competency,
        keys_of(voids, "voids_statement_id").unique().to_numpy(),
        as_of,
    )


def resolve(paths: list[str], known: Known) -> pl.DataFrame:
    """The evidence of some files of silver: a row for each event, pupil and competency, with their codes."""
    floor = pl.col("score_min").fill_null(0.0)
    span = pl.col("score_max") - floor
    share = pl.coalesce(
        pl.col("score_scaled").fill_nan(None), pl.when(span > 0).then((pl.col("score_raw") - floor) / span)
    )
    events = (
        lazily(paths)
        .filter(pl.col("activity_type") != "void", pl.col("event_time") < known.as_of)
        .select(
            *AS_THEY_ARE,
            *(pl.col(name).cast(kind) for name, kind in CODED.items()),
            share.fill_nan(None).alias("score_share"),
            pl.col("competency_ids").alias("named_competency_ids"),
            "source_statement_id",
        )
        .filter(pl.col("success").is_not_null() | pl.col("score_share").is_not_null())
        .collect()
    )
    events = events.with_columns(keys_of(events, "source_statement_id")).drop("source_id", "source_statement_id")
    if known.voided.size:
        events = events.filter(~pl.Series(np.isin(events["statement_key"].to_numpy(), known.voided)))
    events = events.with_row_index("event")
    when = pl.col("event_time")
    linked = (
        events.select("event", "subject_key", "event_time")
        .join(known.links, on="subject_key")
        .filter(
            pl.col("valid_from").is_null() | (when >= pl.col("valid_from")),
            pl.col("valid_to").is_null() | (when < pl.col("valid_to")),
        )
        .select("event", "student", "bucket")
    )
    return linked.join(shown(events, known), on="event").join(events, on="event").drop("event")


def shown(events: pl.DataFrame, known: Known) -> pl.DataFrame:
    """(event, competency): what items were aligned to on the day of the work, and what the source named; each once."""
    day = pl.col("work_date")
    aligned = (
        events.select("event", "item_id", "work_date")
        .join(known.alignments, on="item_id")
        .filter(
            pl.col("valid_from_date").is_null() | (day >= pl.col("valid_from_date")),
            pl.col("valid_to_date").is_null() | (day <= pl.col("valid_to_date")),
        )
        .select("event", "competency")
    )
    named = (
        events.select("event", pl.col("named_competency_ids").alias("competency_id"))
        .filter(pl.col("competency_id").list.len() > 0)
        .explode("competency_id")
        .join(known.competencies, on="competency_id")
        .select("event", "competency")
    )
    is_plain = named.is_empty() and not known.alignments.select("item_id", "competency").is_duplicated().any()
    return aligned if is_plain else pl.concat([aligned, named]).unique()


def by_bucket(files: list[tuple[str, int]], known: Known) -> dict[int, list[pl.DataFrame]]:
    """All evidence, in one pass over silver, by the bucket of its pupil."""
    found: dict[int, list[pl.DataFrame]] = {}
    paths: list[str] = []
    rows = 0
    for place, (path, size) in enumerate(files):
        paths.append(path)
        rows += size
        if rows >= CHUNK_ROWS or place == len(files) - 1:
            parts = resolve(paths, known).partition_by("bucket", as_dict=True, include_key=False)
            for (bucket,), part in parts.items():
                found.setdefault(int(bucket), []).append(part)
            paths, rows = [], 0
    return found


def put(folder: Path, table: str, bucket: int, rows: pl.DataFrame) -> None:
    """Write one bucket's rows of a table."""
    (folder / table).mkdir(parents=True, exist_ok=True)
    path = folder / table / f"pupil_bucket={bucket}.parquet"
    rows.write_parquet(path, compression="zstd", compression_level=1)


def prepare(
    bucket: int, parts: list[pl.DataFrame], known: Known, config: MasteryConfig, folder: Path, most: int
) -> Bucket:
    """Sort a bucket's evidence by pupil, competency and work, write it, and keep of it what the fold needs.

    ``parts`` is emptied: what was read is not held twice. ``most``: rows of the bucket's part of the sample to fit.
    """
    rows = pl.concat(parts).sort("student", "competency", "event_time", "event_id")
    parts.clear()
    names = known.names
    written = rows.with_columns(
        names.students.gather(rows["student"]).alias("student_key"),
        names.competencies.gather(rows["competency"]).alias("competency_id"),
        *(pl.col(name).cast(pl.String) for name in CODED if name != "source_id"),
        is_removed=pl.lit(False),
        night=pl.lit(1, pl.Int64),
    )
    put(folder, "evidence", bucket, written.select(EVIDENCE_COLUMNS))
    return compact(bucket, rows, names, config.evidence, most)


def finish(bucket: Bucket, names: Names, model: ShareModel, config: MasteryConfig, end: Made, folder: Path) -> Done:
    """Fold one bucket and write its tables."""
    tables = fold(without_rapid(bucket, rapid_limits(config.evidence, model)), names, model, config, end)
    for name, rows in tables.items():
        put(folder, name, bucket.number, rows)
    return Done(bucket.evidence, tables["mastery_state"].height, tables["mastery_decision"].height, model)


def make(
    settings: Settings, as_of: datetime, data_date: date, folder: Path, most_responses: int = MOST_RESPONSES
) -> Done:
    """Everything, from silver to the four tables below ``folder``; ``most_responses``: of the sample to fit."""
    config = load_config(settings)
    files = scan(settings, SILVER)
    known = know(settings, as_of, [path for path, _ in files])
    end = Made(int(as_of.timestamp()) * 1_000_000 + as_of.microsecond, data_date, datetime.now(UTC))
    evidence = sorted(by_bucket(files, known).items())
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        most = -(-most_responses // max(1, len(evidence)))
        buckets = list(pool.map(lambda one: prepare(one[0], one[1], known, config, folder, most), evidence))
        model = model_of(buckets, known.names, config)
        done = list(pool.map(lambda one: finish(one, known.names, model, config, end, folder), buckets))
    attempts, pairs, decisions = (sum(getattr(one, key) for one in done) for key in ("attempts", "pairs", "decisions"))
    return Done(attempts, pairs, decisions, model)


def main() -> int:
    """Warm the kernels, make the tables, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("home", type=Path)
    parser.add_argument("--as-of", default=AS_OF, help="work before this instant counts")
    given = parser.parse_args()
    settings = Settings(home=given.home)
    as_of = datetime.fromisoformat(given.as_of).astimezone(UTC)
    data_date = DistrictCalendar.load(settings).local_date(as_of - timedelta(microseconds=1))
    warm(settings, data_date)
    began = time.perf_counter()
    done = make(settings, as_of, data_date, given.home / "peer")
    seconds = round(time.perf_counter() - began, 3)
    said = {"seconds": seconds, "attempts": done.attempts, "pairs": done.pairs, "decisions": done.decisions}
    print(json.dumps(said))
    return 0


def warm(settings: Settings, data_date: date) -> None:
    """Compile every kernel on ten attempts each of some pupils."""
    warm_kernels()
    pupils, size = 10, 100
    day = pl.Series([date(2026, 1, 1)] * size)
    rows = pl.DataFrame(
        {
            "student": pl.Series([n // 10 for n in range(size)], dtype=pl.UInt32),
            "competency": pl.Series([0] * size, dtype=pl.UInt32),
            "event_id": [str(n) for n in range(size)],
            "event_time": pl.Series(range(size), dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
            "work_date": day,
            "success": [n % 3 > 0 for n in range(size)],
            "score_share": pl.Series([None] * size, dtype=pl.Float64),
            "hints": pl.Series([None] * size, dtype=pl.Int32),
            "duration_ms": pl.Series([9_000] * size, dtype=pl.Int64),
            **{name: pl.Series(["attempt"] * size).cast(kind) for name, kind in CODED.items()},
            "item_id": pl.Series([f"i{n % 10}" for n in range(size)]).cast(ITEM),
        }
    )
    config = load_config(settings)
    students = pl.Series("student_key", [f"p{n}" for n in range(pupils)])
    names = Names.of(students, pl.Series("competency_id", ["c"]), 1)
    bucket = compact(0, rows, names, config.evidence, MOST_RESPONSES)
    found = fit_sample(sample_of(bucket.sample, names, config, pupils, size))
    fold(bucket, names, from_rows(found.rows, found.items), config, Made(size, data_date, datetime.now(UTC)))


if __name__ == "__main__":
    sys.exit(main())
