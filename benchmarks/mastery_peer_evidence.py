"""What the peer makes of a bucket's evidence: the attempts in order of work, judged by the district's rule."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np
import numpy.typing as npt
import polars as pl

from cairn.mastery.bkt import FloatArray, IntArray
from cairn.mastery.config import EvidenceRule
from cairn.mastery.hashing import HashArray, hash_texts, mix
from cairn.mastery.judged import are_judged
from cairn.mastery.rapid import NOT_TIMED, RapidLimits


@dataclass(frozen=True)
class Names:
    """Pupils and competencies by code (sorted by name), their hashes; each pupil's bucket and rank by bucket, key.

    is_judged: the pupils by whom models are judged, of whom none is fitted.
    """

    students: pl.Series
    competencies: pl.Series
    student_hash: HashArray
    competency_hash: HashArray
    bucket: IntArray
    rank: IntArray
    is_judged: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, students: pl.Series, competencies: pl.Series, buckets: int) -> Names:
        """From sorted distinct names."""
        keys = students.rechunk().to_arrow()
        student_hash = hash_texts(keys)
        bucket = (student_hash % np.uint64(buckets)).astype(np.int64)
        rank = np.empty(bucket.size, dtype=np.int64)
        rank[np.argsort(bucket, kind="stable")] = np.arange(bucket.size)
        competency_hash = hash_texts(competencies.rechunk().to_arrow())
        return cls(students, competencies, student_hash, competency_hash, bucket, rank, are_judged(keys))


@dataclass(frozen=True)
class Bucket:
    """A bucket's attempts in order of pupil, competency and work (n); pairs begin at ``offsets`` (pairs + 1).

    student, competency: codes (pairs). item: hash, one a day below -1 for none. org, class_id: codes by name, -1 for
    none. evidence: rows, also those of kinds that are no attempts. pupils: those with any that counts.

    work: the places among the counted attempts in order of pupil and work, whatever the competency; is_again (same
    order): whether one is of the same answer as the one before. sample: the bucket's part of what a fit looks at.
    """

    number: int
    evidence: int
    pupils: int
    offsets: IntArray
    student: IntArray
    competency: IntArray
    time_us: IntArray
    day: IntArray
    item: IntArray
    event: HashArray
    hints: IntArray
    duration_ms: IntArray
    is_timed: npt.NDArray[np.bool_]
    org: IntArray
    class_id: IntArray
    orgs: pl.Series
    classes: pl.Series
    is_correct: npt.NDArray[np.bool_]
    correct: FloatArray
    is_counted: npt.NDArray[np.bool_]
    work: IntArray
    is_again: npt.NDArray[np.bool_]
    sample: pl.DataFrame


@numba.njit(cache=True, nogil=True)
def _follows(offsets: IntArray, item: IntArray, time_us: IntArray, spacing_us: int) -> npt.NDArray[np.bool_]:
    """Whether an attempt comes within the spacing after one at the same item of the same pair."""
    out = np.zeros(item.size, dtype=np.bool_)
    for pair in range(offsets.size - 1):
        for i in range(offsets[pair], offsets[pair + 1]):
            j = i - 1
            within = spacing_us if item[i] >= 0 else 26 * 3_600 * 1_000_000
            while j >= offsets[pair] and time_us[i] - time_us[j] < within:
                if item[j] == item[i]:
                    out[i] = True
                    break
                j -= 1
    return out


def compact(number: int, rows: pl.DataFrame, names: Names, rule: EvidenceRule, most: int) -> Bucket:
    """The attempts of a bucket's sorted evidence, judged by the district's rule, as arrays; ``most``: of the sample.

    What counts is told but for its speed: limits come with the model (:func:`without_rapid`).
    """
    kind = pl.col("activity_type").cast(pl.String)
    attempts = (
        rows.lazy()
        .filter(kind.is_in(sorted(rule.counted_types | rule.total_types | rule.practice_types)))
        .with_columns(
            correct=pl.coalesce(pl.col("success").cast(pl.Float64), pl.col("score_share").clip(0.0, 1.0)) + 0.0,
            has_hints=pl.col("hints").fill_null(0) > 0,
            is_total=kind.is_in(sorted(rule.total_types)),
            is_single=kind.is_in(sorted(rule.counted_types)),
            never_counts=kind.is_in(sorted(rule.practice_types)),
        )
        .filter(pl.col("correct").is_not_null())
        .with_columns(
            is_beside=pl.col("is_total") & pl.col("is_single").any().over("student", "competency", "work_date")
        )
        .with_columns(never_counts=pl.col("never_counts") | pl.col("is_beside"))
        .collect()
    )
    student, competency = (attempts[name].to_numpy().astype(np.int64) for name in ("student", "competency"))
    change = (student[1:] != student[:-1]) | (competency[1:] != competency[:-1])
    begin = np.r_[0, np.flatnonzero(change) + 1] if student.size else np.zeros(0, dtype=np.int64)
    offsets = np.r_[begin, student.size].astype(np.int64)
    time_us = _numbers(attempts["event_time"])
    item = (hash_texts(attempts["item_id"].rechunk().to_arrow()) >> np.uint64(2)).astype(np.int64)
    day = _numbers(attempts["work_date"])
    item = np.where(attempts["item_id"].is_null().to_numpy(), -2 - day, item)
    item = np.where(attempts["is_beside"].to_numpy(), -1, item)
    correct, has_hints = attempts["correct"].to_numpy(), attempts["has_hints"].to_numpy()
    never = attempts["never_counts"].to_numpy() | _follows(offsets, item, time_us, int(rule.spacing_seconds * 1e6))
    unaided = np.where(has_hints, 0.0, correct) if rule.are_hints_incorrect else correct
    is_counted = ~never if rule.are_hints_incorrect else ~(never | has_hints)
    counted = attempts.filter(pl.Series(is_counted)).with_columns(unaided=pl.Series(unaided[is_counted]))
    work, is_again = _work(counted)
    org, orgs = _by_name(attempts["org_id"])
    class_id, classes = _by_name(attempts["class_id"])
    return Bucket(
        number=number,
        evidence=rows.height,
        pupils=counted["student"].n_unique(),
        offsets=offsets,
        student=student[begin],
        competency=competency[begin],
        time_us=time_us,
        day=day,
        item=item,
        event=mix(hash_texts(attempts["event_id"].rechunk().to_arrow()), unaided.view(np.uint64)),
        hints=_numbers(attempts["hints"]),
        duration_ms=_numbers(attempts["duration_ms"]),
        is_timed=attempts["duration_ms"].is_not_null().to_numpy(),
        org=org,
        class_id=class_id,
        orgs=orgs,
        classes=classes,
        is_correct=correct >= rule.right_from,
        correct=unaided,
        is_counted=is_counted,
        work=work,
        is_again=is_again,
        sample=_sample(counted, names, most),
    )


def without_rapid(bucket: Bucket, limits: RapidLimits) -> Bucket:
    """The bucket, rapid guesses no longer counted. All rows of an answer are of one item, so all of them go."""
    counted = np.flatnonzero(bucket.is_counted)
    duration_ms = np.where(bucket.is_timed[counted], bucket.duration_ms[counted], NOT_TIMED)
    kept = ~limits.are_rapid(bucket.item[counted], duration_ms)
    is_counted = np.zeros(bucket.is_counted.size, dtype=bool)
    is_counted[counted[kept]] = True
    is_left, place = kept[bucket.work], np.cumsum(kept) - 1
    work, is_again = place[bucket.work[is_left]], bucket.is_again[is_left]
    return replace(bucket, is_counted=is_counted, work=work, is_again=is_again)


def _work(counted: pl.DataFrame) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """(places, is_again) of the counted attempts in order of pupil and work, as :class:`Bucket` has them."""
    keys = ("student", "event_time", "event_id")
    ordered = counted.lazy().select(*keys).with_row_index("place").sort(*keys, maintain_order=True)
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in keys)
    found = ordered.select("place", is_again=same.fill_null(False)).collect()
    return found["place"].to_numpy().astype(np.int64), found["is_again"].to_numpy()


def _sample(counted: pl.DataFrame, names: Names, most: int) -> pl.DataFrame:
    """Counted attempts of the pupils with the lowest keys, whole pupils, as many as give ``most`` or just more.

    Pupils by whom models are judged are left out. An attempt that names no item is at one of its competency and day.
    """
    student = counted["student"].to_numpy()
    kept = counted.filter(pl.Series(~names.is_judged[student]))
    student = kept["student"].to_numpy()
    kept = kept.filter(pl.Series(np.searchsorted(student, student) < most))
    kept = kept.with_columns(competency_id=names.competencies.gather(kept["competency"]))
    return kept.select(
        "student",
        "competency",
        item=pl.col("item_id").cast(pl.String).fill_null(pl.format("#{}#{}", "competency_id", "work_date")),
        is_named=pl.col("item_id").is_not_null(),
        event=pl.Series(hash_texts(kept["event_id"].rechunk().to_arrow()), dtype=pl.UInt64),
        at_us=pl.col("event_time").dt.timestamp("us"),
        correct="unaided",
        duration_ms=pl.col("duration_ms").fill_null(NOT_TIMED),
        is_single=~pl.col("is_total"),
    )


def _numbers(column: pl.Series) -> IntArray:
    """Instants, days and counts as whole numbers, 0 for null."""
    numbers: IntArray = column.to_physical().cast(pl.Int64).fill_null(0).to_numpy()
    return numbers


def _by_name(column: pl.Series) -> tuple[IntArray, pl.Series]:
    """Codes in order of the names (-1 for null), and the names."""
    names = column.drop_nulls().unique().cast(pl.String).sort()
    places = column.to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    # The last cell stands for null, which -1 finds.
    code_of = np.full(places.max(initial=-1) + 2, -1, dtype=np.int64)
    code_of[names.cast(column.dtype).to_physical().to_numpy()] = np.arange(len(names))
    return code_of[places], names
