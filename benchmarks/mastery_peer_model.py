"""The peer's model: the night's stated sample and fit (spark_jobs/mastery_sample.py), gathered with polars."""

from __future__ import annotations

import numpy as np
import polars as pl

from benchmarks.mastery_peer_evidence import Bucket, Names
from cairn.mastery.config import MasteryConfig
from cairn.mastery.responses import Entries, from_entries
from cairn.mastery.share.model import ShareModel, from_rows, shipped_rows
from spark_jobs.mastery_model import fit_sample
from spark_jobs.mastery_sample import Sample, by_own_limits


def model_of(buckets: list[Bucket], names: Names, config: MasteryConfig) -> ShareModel:
    """The district's own model where there is evidence enough for one, else the shipped one."""
    pupils, answers = sum(bucket.pupils for bucket in buckets), sum(int(bucket.is_counted.sum()) for bucket in buckets)
    rows = pl.concat([bucket.sample for bucket in buckets]) if buckets else pl.DataFrame()
    if rows.is_empty() or pupils < config.fit.minimum_pupils or answers < config.fit.minimum_responses:
        return from_rows(shipped_rows())
    found = fit_sample(sample_of(rows, names, config, pupils, answers))
    return from_rows(found.rows, found.items)


def sample_of(rows: pl.DataFrame, names: Names, config: MasteryConfig, pupils: int, answers: int) -> Sample:
    """The buckets' samples as responses."""
    pupil, user = np.unique(names.rank[rows["student"].to_numpy()], return_inverse=True)
    competency, skill = np.unique(rows["competency"].to_numpy(), return_inverse=True)
    items = rows["item"].unique().sort()
    named = set(rows["item"].filter(rows["is_named"]).unique().to_list())
    entries = Entries(
        user=user.astype(np.int64),
        skill=skill.astype(np.int64),
        item=rows["item"].cast(pl.Enum(items)).to_physical().to_numpy().astype(np.int64),
        event=rows["event"].to_numpy(),
        at_us=rows["at_us"].to_numpy(),
        correct=rows["correct"].to_numpy(),
        users=[str(number) for number in range(pupil.size)],
        skills=names.competencies.gather(competency).to_list(),
        items=items.to_list(),
    )
    duration_ms, is_single = (rows[name].to_numpy() for name in ("duration_ms", "is_single"))
    entries, limits_ms = by_own_limits(entries, duration_ms, is_single, named, config)
    responses = from_entries(entries, config.evidence.right_from, has_items=bool(named))
    return Sample(responses, limits_ms, frozenset(responses.items) - named, pupils, answers, [])
