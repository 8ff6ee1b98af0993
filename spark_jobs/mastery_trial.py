"""A challenger's trial against the model in use, and what follows: promotion, or going back.

A model is one version for the whole district, since a pupil's sums span subjects. Its trial is told subject by subject;
it is promoted, for all of them at once, only where none got worse. Every trial, promotion and return is on record in
ops.model_trial. Both models are judged on the counted evidence of the fifth of the pupils on whom none is fitted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.errors import CairnError
from cairn.mastery.config import load_config
from cairn.mastery.responses import Responses
from cairn.mastery.share.model import GENERAL, ShareModel, on
from cairn.mastery.trial import FEWEST_PUPILS, Side, hold_trial
from cairn.privacy import smallest_group
from cairn.settings import Settings
from spark_jobs import mastery
from spark_jobs.evaluate_lake import counted_of
from spark_jobs.mastery_model import MODEL, model_in_use, model_of

TRIAL = "ops.model_trial"
TRIED, PROMOTED, FORCED, ROLLED_BACK = "tried", "promoted", "forced", "rolled back"
# Groupings of pupils between whom false mastery must not drift apart.
GROUPINGS = ("is_english_learner", "is_special_education", "is_economically_disadvantaged")
# Answers that a trial is held on, at most (whole pupils: a little more).
MOST_JUDGED = 500_000
# Subject of what was done for the whole district.
DISTRICT = ""


def try_version(settings: Settings, version: str = "") -> list[dict[str, Any]]:
    """Hold the version (the newest that is not in use where empty) against the model in use, subject by subject.

    Who is mastered is said by the policy that is in force for the subject today. Returns a row of ops.model_trial a
    subject, measures as mappings; none where no challenger waits. Raises CairnError where there is no such version, no
    model in use, or no evidence to judge by.
    """
    champion = _in_use(settings)
    name = version or _newest_challenger(settings)
    if not name:
        return []
    challenger = model_of(settings, name)
    subject_of = _subject_of(settings)
    data = _first_pupils(counted_of(settings, frozenset(subject_of), is_judged_only=True), MOST_JUDGED)
    if not data.user.size:
        raise CairnError("no evidence to judge by: load the roster and its activity, then run 'cairn mastery update'")
    config = load_config(settings)
    sides: dict[str, tuple[Side, Side]] = {}
    groups, smallest, now = _groups(settings, data), smallest_group(settings), datetime.now(UTC)
    rows = []
    for subject, skills in sorted(_by_subject(data.skills, subject_of).items()):
        policy = config.in_force_now(subject)
        if policy.version not in sides:
            sides[policy.version] = (
                Side.of(on(champion, data), data, policy.policy),
                Side.of(on(challenger, data), data, policy.policy),
            )
        held = hold_trial(data, *sides[policy.version], np.array(skills, dtype=np.int64), groups, smallest)
        row = _row(name, subject, TRIED, "; ".join(held.reasons), champion.version)
        row |= {"acted_at": now, "is_passed": held.is_passed, "pupils": held.pupils, "responses": held.responses}
        rows.append({**row, "measures": json.dumps([asdict(one) for one in held.measures])})
    _write(settings, rows)
    return [{**row, "measures": json.loads(row["measures"])} for row in rows]


def promote(settings: Settings, version: str, force: str = "") -> dict[str, int]:
    """Put the version to use for the whole district, where its newest trial found no subject worse.

    ``force`` is a reason to do so all the same. Returns how many competencies of each subject it knows; the next night
    restates every pair. Raises CairnError where it did not pass or is in use already, and where a night is running.
    """
    challenger, champion = model_of(settings, version), _in_use(settings)
    if champion.version == version:
        raise CairnError(f"version {version!r} is in use already: there is nothing to promote")
    refused = "" if force else _why_not(settings, version, champion.version)
    if refused:
        raise CairnError(f"not promoted: {refused}: run 'cairn mastery trial {version}', or give --force REASON")
    mastery.use_version(settings, version)
    _write(settings, [_row(version, DISTRICT, FORCED if force else PROMOTED, force, champion.version)])
    by_subject = _by_subject(challenger.row_of, _subject_of(settings))
    return {subject: len(places) for subject, places in sorted(by_subject.items())}


def roll_back(settings: Settings, reason: str) -> dict[str, str]:
    """Use again the version from before the newest promotion; returns model_version and the one instead_of which.

    The next night restates every pair. Raises CairnError where there is no promotion to go back from.
    """
    ours = pc.field("action").isin([PROMOTED, FORCED, ROLLED_BACK])
    rows = lake.read(settings, TRIAL, filters=ours).sort_by("acted_at").to_pylist()
    previous = json.loads(rows[-1]["previous_versions"] or "{}").get(GENERAL) if rows else None
    if previous is None or rows[-1]["action"] == ROLLED_BACK:
        raise CairnError("nothing was promoted since: see 'cairn mastery trials'")
    left = str(rows[-1]["model_version"])
    mastery.use_version(settings, previous)
    _write(settings, [_row(left, DISTRICT, ROLLED_BACK, reason, left)])
    return {"model_version": previous, "instead_of": left}


def record(settings: Settings) -> list[dict[str, Any]]:
    """Everything on record, the newest last."""
    rows: list[dict[str, Any]] = lake.read(settings, TRIAL).sort_by("acted_at").to_pylist()
    return rows


def _in_use(settings: Settings) -> ShareModel:
    found = model_in_use(settings)
    if found is None:
        raise CairnError("no model is in use yet: run 'cairn mastery update' first")
    return found


def _first_pupils(data: Responses, most: int) -> Responses:
    """The answers of the first pupils (keys are random), as many as give ``most`` answers or just more."""
    before = np.cumsum(np.bincount(data.user, minlength=len(data.users)))
    return data.of(np.r_[0, before[:-1]][data.user] < most) if data.user.size > most else data


def _subject_of(settings: Settings) -> dict[str, str | None]:
    """The subject of each competency, None where its framework names none."""
    known = lake.read(settings, "silver.competency", ["competency_id", "subject"], pc.field("recorded_to").is_null())
    return dict(zip(known["competency_id"].to_pylist(), known["subject"].to_pylist(), strict=True))


def _by_subject(competencies: Iterable[str], subject_of: dict[str, str | None]) -> dict[str, list[int]]:
    """Places of competencies by subject, "" for those whose framework names none."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(competencies):
        found.setdefault(subject_of.get(name) or "", []).append(place)
    return found


def _groups(settings: Settings, data: Responses) -> dict[str, list[str]]:
    """Of each grouping every pupil's group, "" where it is not told."""
    known = lake.read(settings, "silver.demographic", ["student_key", *GROUPINGS], pc.field("recorded_to").is_null())
    of_pupil = {row["student_key"]: row for row in known.to_pylist()}
    told = {True: "yes", False: "no", None: ""}
    return {name: [told[of_pupil.get(user, {}).get(name)] for user in data.users] for name in GROUPINGS}


def _newest_challenger(settings: Settings) -> str:
    """The newest version that is newer than the one in use and was not taken back; "" where none waits."""
    columns = ["model_version", "fitted_at", "is_active"]
    rows = lake.read(settings, MODEL, columns, pc.field("competency_id") == GENERAL).to_pylist()
    given_up = lake.read(settings, TRIAL, ["model_version"], pc.field("action") == ROLLED_BACK)
    since = max(row["fitted_at"] for row in rows if row["is_active"])
    waiting = [
        row
        for row in rows
        if row["fitted_at"] > since and row["model_version"] not in given_up["model_version"].to_pylist()
    ]
    newest = max(waiting, key=lambda row: (row["fitted_at"], row["model_version"]), default=None)
    return "" if newest is None else str(newest["model_version"])


def is_passed(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a trial's rows (one a subject) found no subject worse."""
    return not _against(rows)


def _against(rows: Sequence[Mapping[str, Any]]) -> str:
    """What a trial's rows have against the version; "" where no subject is worse.

    Subjects of too few pupils to judge by do not decide, but one at least must.
    """
    judged = [row for row in rows if row["pupils"] >= FEWEST_PUPILS]
    told = [row for row in judged if not row["is_passed"]] if judged else rows
    return "; ".join(f"{row['subject'] or 'no subject'}: {row['reason']}" for row in told)


def _why_not(settings: Settings, version: str, in_use: str) -> str:
    """What speaks against promoting; "" where the newest trial, against what is still in use, found nothing."""
    same = (pc.field("model_version") == version) & (pc.field("action") == TRIED)
    rows = lake.read(settings, TRIAL, filters=same).sort_by("acted_at").to_pylist()
    if not rows:
        return "it was not tried"
    newest = [row for row in rows if row["acted_at"] == rows[-1]["acted_at"]]
    if json.loads(newest[0]["previous_versions"] or "{}").get(GENERAL) != in_use:
        return "it was tried against a model that is no longer in use"
    return _against(newest)


def _row(version: str, subject: str, action: str, reason: str, previous: str) -> dict[str, Any]:
    return {
        "model_version": version,
        "subject": subject,
        "acted_at": datetime.now(UTC),
        "action": action,
        "is_passed": None,
        "pupils": None,
        "responses": None,
        "measures": None,
        "reason": reason or None,
        "previous_versions": json.dumps({GENERAL: previous}),
    }


def _write(settings: Settings, rows: list[dict[str, Any]]) -> None:
    lake.create(settings, TRIAL)
    lake.append(settings, TRIAL, pa.Table.from_pylist(rows, lake.file_schema(TRIAL)))
