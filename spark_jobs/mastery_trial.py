"""A challenger's trial against the parameters in use, per subject, and what follows: promotion, or going back.

Every trial, promotion and return is a row of ops.model_trial. Both sets of parameters are judged on the counted
evidence of the fifth of the pupils whom evaluations hold back; either may have been fitted on some of these pupils'
work, alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import lake
from cairn.errors import CairnError
from cairn.mastery.bkt import FloatArray
from cairn.mastery.config import PARAMETER_NAMES, load_config
from cairn.mastery.models import DEFAULT
from cairn.mastery.responses import Responses
from cairn.mastery.trial import Trial, hold_trial
from cairn.settings import Settings
from spark_jobs import mastery, mastery_model
from spark_jobs.evaluate_lake import counted_of

TRIAL = "ops.model_trial"
MODEL = "gold.mastery_model"
TRIED, PROMOTED, FORCED, ROLLED_BACK = "tried", "promoted", "forced", "rolled back"
# Groupings of pupils between whom false mastery must not drift apart.
GROUPINGS = ("is_english_learner", "is_special_education", "is_economically_disadvantaged")


def try_version(settings: Settings, version: str = "") -> list[dict[str, Any]]:
    """Hold the version (the newest that is not in use where empty) against what is in use, subject by subject.

    Returns a row of ops.model_trial a subject, measures as mappings; none where no challenger waits. Raises CairnError
    where there is no such version.
    """
    name = version or _newest_challenger(settings)
    if not name:
        return []
    by_subject = _by_subject(settings, _competencies(settings, name))
    rows = []
    in_use = mastery_model.active_models(settings, load_config(settings)).version_of()
    for subject, competencies in sorted(by_subject.items()):
        held = _held_trial(settings, name, competencies)
        measures = [asdict(one) for one in held.measures]
        row = _row(name, subject, TRIED, "; ".join(held.reasons))
        row |= {"is_passed": held.is_passed, "pupils": held.pupils, "responses": held.responses}
        row |= {"previous_versions": _versions(in_use, competencies)}
        rows.append({**row, "measures": json.dumps(measures)})
    _write(settings, rows)
    return [{**row, "measures": json.loads(row["measures"])} for row in rows]


def promote(settings: Settings, version: str, subject: str | None = None, force: str = "") -> dict[str, int]:
    """Put the version to use for the subjects (all where None) that it was tried on without getting worse.

    ``force`` is a reason to do so all the same. Returns competencies by subject; the next night restates their pairs.
    Raises CairnError where a named subject, or every subject, did not pass, and where a night is running.
    """
    by_subject = _by_subject(settings, _competencies(settings, version))
    if subject is not None and subject not in by_subject:
        known = ", ".join(repr(one) for one in sorted(by_subject))
        raise CairnError(f"version {version!r} has no competency of subject {subject!r}: there is {known}")
    wanted = {name: ids for name, ids in by_subject.items() if subject in (None, name)}
    before = mastery_model.active_models(settings, load_config(settings)).version_of()
    wanted = {name: [one for one in ids if before.get(one) != version] for name, ids in wanted.items()}
    wanted = {name: ids for name, ids in wanted.items() if ids}
    if not wanted:
        raise CairnError(f"version {version!r} is in use already: there is nothing to promote")
    refused = (
        {} if force else {n: why for n, ids in wanted.items() if (why := _why_not(settings, version, n, before, ids))}
    )
    if refused and (subject is not None or len(refused) == len(wanted)):
        said = "; ".join(f"{name or 'no subject'}: {why}" for name, why in sorted(refused.items()))
        raise CairnError(f"not promoted: {said}: run 'cairn mastery trial {version}', or give --force REASON")
    done = {name: ids for name, ids in wanted.items() if name not in refused}
    rows = [
        _row(version, name, FORCED if force else PROMOTED, force) | {"previous_versions": _versions(before, ids)}
        for name, ids in sorted(done.items())
    ]
    mastery.use_versions(settings, {one: version for ids in done.values() for one in ids})
    _write(settings, rows)
    return {name: len(ids) for name, ids in sorted(done.items())}


def roll_back(settings: Settings, subject: str, reason: str) -> dict[str, str]:
    """Use again what was in use before the subject's newest promotion; returns competency to version ("" the default).

    The next night restates the pairs. Raises CairnError where the subject has no promotion to go back from.
    """
    ours = (pc.field("subject") == subject) & pc.field("action").isin([PROMOTED, FORCED, ROLLED_BACK])
    rows = lake.read(settings, TRIAL, filters=ours).sort_by("acted_at").to_pylist()
    if not rows or rows[-1]["action"] == ROLLED_BACK:
        raise CairnError(f"nothing was promoted for subject {subject!r} since: see 'cairn mastery trials'")
    previous: dict[str, str] = json.loads(rows[-1]["previous_versions"])
    mastery.use_versions(settings, previous)
    _write(settings, [_row(rows[-1]["model_version"], subject, ROLLED_BACK, reason)])
    return previous


def record(settings: Settings) -> list[dict[str, Any]]:
    """Everything on record, the newest last."""
    rows: list[dict[str, Any]] = lake.read(settings, TRIAL).sort_by("acted_at").to_pylist()
    return rows


def _held_trial(settings: Settings, version: str, competencies: list[str]) -> Trial:
    config = load_config(settings)
    data = counted_of(settings, frozenset(competencies), is_judged_only=True)
    rows = lake.read(settings, MODEL, filters=pc.field("model_version") == version).to_pylist()
    challenger = {row["competency_id"]: np.array([row[name] for name in PARAMETER_NAMES]) for row in rows}
    models = mastery_model.active_models(settings, config)
    in_use = {name: models.parameters[models.rows([name])[0]] for name in data.skills}
    return hold_trial(
        data,
        _stacked(data, in_use),
        _stacked(data, {**in_use, **challenger}),
        config.policy,
        _groups(settings, data),
    )


def _stacked(data: Responses, of: Mapping[str, FloatArray]) -> FloatArray:
    """Parameters in the order of the skills (skills x 5)."""
    return np.array([of[name] for name in data.skills], dtype=np.float64).reshape(-1, len(PARAMETER_NAMES))


def _groups(settings: Settings, data: Responses) -> dict[str, list[str]]:
    """Of each grouping every pupil's group, "" where it is not told."""
    known = lake.read(settings, "silver.demographic", ["student_key", *GROUPINGS], pc.field("recorded_to").is_null())
    of_pupil = {row["student_key"]: row for row in known.to_pylist()}
    told = {True: "yes", False: "no", None: ""}
    return {name: [told[of_pupil.get(user, {}).get(name)] for user in data.users] for name in GROUPINGS}


def _competencies(settings: Settings, version: str) -> list[str]:
    rows = lake.read(settings, MODEL, ["competency_id", "model_version"])
    named = rows.filter(pc.equal(rows["model_version"], version))["competency_id"].to_pylist()
    if not named or named == [DEFAULT]:
        there = ", ".join(sorted(set(rows["model_version"].to_pylist()))) or "none: run 'cairn mastery update' first"
        raise CairnError(f"no model version {version!r}: there is {there}")
    return sorted(named)


def _newest_challenger(settings: Settings) -> str:
    """The newest version that is newer than what is in use for one of its competencies; "" where none waits."""
    rows = lake.read(settings, MODEL, ["model_version", "competency_id", "fitted_at", "is_active"]).to_pylist()
    # What is older than what is in use has had its time.
    since = {row["competency_id"]: row["fitted_at"] for row in rows if row["is_active"]}
    never = datetime.min.replace(tzinfo=UTC)
    waiting = [row for row in rows if row["fitted_at"] > since.get(row["competency_id"], never)]
    newest = max(waiting, key=lambda row: (row["fitted_at"], row["model_version"]), default=None)
    return "" if newest is None else str(newest["model_version"])


def _by_subject(settings: Settings, competencies: list[str]) -> dict[str, list[str]]:
    """Competencies by subject, "" for those whose framework names none."""
    known = lake.read(settings, "silver.competency", ["competency_id", "subject"], pc.field("recorded_to").is_null())
    subject_of = dict(zip(known["competency_id"].to_pylist(), known["subject"].to_pylist(), strict=True))
    found: dict[str, list[str]] = {}
    for name in competencies:
        found.setdefault(subject_of.get(name) or "", []).append(name)
    return found


def _versions(in_use: Mapping[str, str], competencies: list[str]) -> str:
    """JSON: competency to the version in use, "" for the default."""
    return json.dumps({one: in_use.get(one, "") for one in competencies}, sort_keys=True)


def _why_not(settings: Settings, version: str, subject: str, in_use: Mapping[str, str], competencies: list[str]) -> str:
    """What speaks against promoting; "" where the newest trial passed, against what is still in use."""
    same = (pc.field("model_version") == version) & (pc.field("subject") == subject) & (pc.field("action") == TRIED)
    columns = ["acted_at", "is_passed", "reason", "previous_versions"]
    rows = lake.read(settings, TRIAL, columns, same).sort_by("acted_at").to_pylist()
    if not rows:
        return "it was not tried"
    against = json.loads(rows[-1]["previous_versions"])
    if any(against.get(one, "") != in_use.get(one, "") for one in competencies):
        return "it was tried against parameters that are no longer in use"
    return "" if rows[-1]["is_passed"] else str(rows[-1]["reason"])


def _row(version: str, subject: str, action: str, reason: str) -> dict[str, Any]:
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
        "previous_versions": None,
    }


def _write(settings: Settings, rows: list[dict[str, Any]]) -> None:
    lake.create(settings, TRIAL)
    lake.append(settings, TRIAL, pa.Table.from_pylist(rows, lake.file_schema(TRIAL)))
