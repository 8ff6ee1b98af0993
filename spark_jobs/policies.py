"""The policies of the district against its competencies: of which subject each is, and what nights went by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow.compute as pc

import lake
from cairn.district import district_path
from cairn.errors import CairnError
from cairn.mastery.config import MasteryConfig
from cairn.mastery.policy_versions import EvidenceMinimum, PolicyVersion, subject_key
from cairn.settings import Settings
from spark_jobs.night_record import NIGHT, NightRecord

COMPETENCY = "silver.competency"


def subject_of(settings: Settings, version: int | None = None) -> dict[str, str]:
    """Competency to subject as they are known at a version of their table (now where None); "" where none is named."""
    columns, known = ["competency_id", "subject"], pc.field("recorded_to").is_null()
    rows = lake.read(settings, COMPETENCY, columns, known, version=version)
    return dict(zip(rows["competency_id"].to_pylist(), map(subject_key, rows["subject"].to_pylist()), strict=True))


def check_subjects(settings: Settings, config: MasteryConfig, subjects: Mapping[str, str]) -> None:
    """Raises CairnError where a policy is of a subject that no competency has; before any is loaded, nobody knows."""
    known = sorted({name for name in subjects.values() if name})
    for place, one in enumerate(config.policies):
        if subjects and one.subject and one.subject not in known:
            where = f"{district_path(settings, 'policy.yaml')}: versions.{place}.subject"
            there = ", ".join(known) or "none names its subject"
            raise CairnError(f"{where}: no competency is of {one.subject!r}: competencies are of: {there}")


def has_moved(settings: Settings, config: MasteryConfig, last: NightRecord, subjects: Mapping[str, str]) -> bool:
    """Whether a competency that the last night knew is by now of a subject with other policies."""
    if not config.subjects:
        return False
    before = subject_of(settings, last.versions[COMPETENCY])
    return any(
        config.timeline(was) != config.timeline(subjects[name]) for name, was in before.items() if name in subjects
    )


def on_record(config: MasteryConfig) -> dict[str, dict[str, Any]]:
    """By version what each policy asks for, for the night's row: the file may say something else by tomorrow."""
    found: dict[str, dict[str, Any]] = {}
    for one in config.policies:
        ids = [*found.get(one.version, {}).get("ids", []), one.name]
        found[one.version] = {"ids": ids, **_asked(one)}
    return found


def _asked(one: PolicyVersion) -> dict[str, Any]:
    policy = one.policy
    return {
        "share": policy.bar,
        "review_due_share": policy.review_share,
        "minimum_evidence": vars(policy.minimum),
    }


def known(settings: Settings, config: MasteryConfig) -> dict[str, dict[str, Any]]:
    """As :func:`on_record`, of every policy that nights went by or that the file holds now."""
    found = on_record(config)
    for text in pc.unique(lake.read(settings, NIGHT, ["policies"])["policies"]).drop_null().to_pylist():
        found |= json.loads(text)
    return found


def minimums(settings: Settings, config: MasteryConfig) -> dict[str, EvidenceMinimum]:
    """The minimum of evidence that each of the policies known asks for, by version."""
    return {version: EvidenceMinimum(**one["minimum_evidence"]) for version, one in known(settings, config).items()}
