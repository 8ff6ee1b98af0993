"""The district's mastery policies, by subject and date: ``policy.yaml``, checked against its JSON Schema."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any

import numpy as np

from cairn.errors import CairnError
from cairn.evidence.times import microseconds
from cairn.mastery.schema_check import check, short_hash

# Goes up when the same files come to mean something else: then the next night restates every pair.
# 2: attempts without an item count once a day; a review that goes wrong is not mastered.
# 3: mastery asks for different items and days; a total does not count beside the answers that it sums up; opportunities
#    without three right in a row are counted anew after a streak.
# 4: the durable share decides, in place of P(known).
# 5: partial credit counts as the share that it is.
RULES_REVISION = 5
# Where no date bounds a policy; and the subject of one that holds for those without a policy of their own.
EVER = np.iinfo(np.int64).min
ALL_SUBJECTS = ""
ALL_IN_FILE = "all"
# What a version of a policy says by itself; the rest is said once for the file.
THRESHOLDS = ("mastered", "lost", "review_due", "minimum_evidence")


@dataclass(frozen=True)
class EvidenceMinimum:
    """What "mastered" needs at least: counted attempts, on different items, over different days."""

    attempts: int = 4
    items: int = 3
    days: int = 2


@dataclass(frozen=True)
class SharePolicy:
    """When a pupil counts as having mastered a competency (``policy.yaml`` says what each part means).

    Shares and chances between 0 and 1; widest: of an interval that still says something.
    """

    bar: float = 0.85
    floor: float = 0.75
    chance: float = 0.90
    lost_chance: float = 0.50
    wrong_to_lose: int = 2
    review_share: float = 0.80
    widest: float = 0.50
    interval_level: float = 0.90
    minimum: EvidenceMinimum = EvidenceMinimum()

    def in_words(self) -> str:
        """The rule in a sentence, for lists."""
        least = self.minimum
        return (
            f"Mastered from a durable share of {100 * self.bar:g} % on, {100 * self.floor:g} % or more with a chance "
            f"of {100 * self.chance:g} %, and {least.attempts} answers on {least.items} items over {least.days} days; "
            f"lost by {self.wrong_to_lose} wrong answers and a chance under {100 * self.lost_chance:g} %; review due "
            f"under {100 * self.review_share:g} %."
        )


@dataclass(frozen=True)
class PolicyVersion:
    """The policy of a subject from a local date on.

    name: its id in the file; subject: as :func:`subject_key` has it, ALL_SUBJECTS for those without versions of their
    own; begins_us: the instant at which that date begins (microseconds since 1970 UTC), EVER where it has none;
    version: changes with any threshold and any part of the evidence rule, not with id, subject or date.
    """

    name: str
    subject: str
    effective_from: date | None
    begins_us: int
    policy: SharePolicy
    version: str


def subject_key(subject: str | None) -> str:
    """A subject as it is compared: its letters' case and the space around it tell nothing."""
    return (subject or "").strip().casefold()


def policy_from(raw: dict[str, Any], where: str = "policy.yaml") -> SharePolicy:
    """The policy that policy.yaml is where it lists no versions; ``where`` names the file in errors.

    Raises CairnError.
    """
    if raw.get("policy") == "threshold":
        raise CairnError(
            f"{where}: policy: a threshold on P(known) decides no more, the durable share does: start again from the"
            " example in schemas/district/policy.yaml (policy: share)"
        )
    check(raw, "policy", where)
    return _policy(raw, where)


def policies_from(
    raw: dict[str, Any], evidence: dict[str, Any], where: str = "policy.yaml", zone: tzinfo = UTC
) -> tuple[PolicyVersion, ...]:
    """The versions that policy.yaml lists, or the one that it is, which holds for all subjects from the beginning.

    ``evidence`` are the keys of evidence.yaml, which versions change with; ``where`` names the file in errors; local
    dates are of ``zone``. Raises CairnError.
    """
    if "versions" not in raw:
        one = policy_from(raw, where)
        return (PolicyVersion(raw["policy"], ALL_SUBJECTS, None, EVER, one, _version(evidence, raw)),)
    beside = [name for name in THRESHOLDS if name in raw]
    if beside:
        raise CairnError(f"{where}: {beside[0]}: stands beside versions: move it into the version that it is of")
    check(_with_dates_as_text(raw), "policy_versions", where)
    shared = {name: value for name, value in raw.items() if name != "versions"}
    found = []
    for place, listed in enumerate(raw["versions"]):
        at = f"{where}: versions.{place}"
        begins = _day(listed.get("effective_from"), at)
        whole = shared | {name: listed[name] for name in THRESHOLDS}
        subject = subject_key(listed.get("subject", ALL_IN_FILE))
        if not subject:
            raise CairnError(f"{at}.subject: is empty: name a subject, or leave the key out for all of them")
        found.append(
            PolicyVersion(
                name=listed["id"],
                subject=ALL_SUBJECTS if subject == ALL_IN_FILE else subject,
                effective_from=begins,
                begins_us=EVER if begins is None else _midnight_us(begins, zone),
                policy=_policy(whole, at),
                version=_version(evidence, whole),
            )
        )
    _check_together(found, where)
    return tuple(found)


def _with_dates_as_text(raw: dict[str, Any]) -> dict[str, Any]:
    """The same for JSON Schema, which knows no dates; what is no list of mappings stays for it to name."""
    if not isinstance(raw["versions"], list):
        return raw
    listed = [
        {name: value.isoformat() if isinstance(value, date) else value for name, value in one.items()}
        if isinstance(one, dict)
        else one
        for one in raw["versions"]
    ]
    return raw | {"versions": listed}


def _day(value: object, where: str) -> date | None:
    """A local date of the file, None where it has none. Raises CairnError."""
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    try:
        return date.fromisoformat(str(value))
    except ValueError as error:
        raise CairnError(f"{where}.effective_from: {value} is no date: write it as 2026-11-30") from error


def _midnight_us(day: date, zone: tzinfo) -> int:
    """The instant at which a local day begins."""
    return microseconds(datetime.combine(day, time.min, tzinfo=zone))


def _check_together(found: list[PolicyVersion], where: str) -> None:
    """Raises CairnError where two versions have one id or one date, or where for a while none is in force."""
    names: dict[str, int] = {}
    dates: dict[tuple[str, date | None], int] = {}
    for place, one in enumerate(found):
        at = f"{where}: versions.{place}"
        if names.setdefault(one.name, place) != place:
            raise CairnError(f"{at}.id: {one.name} is versions.{names[one.name]} already: give each an id of its own")
        first = dates.setdefault((one.subject, one.effective_from), place)
        if first != place:
            since = f"from {one.effective_from}" if one.effective_from else "from the beginning"
            whose = one.subject or "all subjects"
            raise CairnError(f"{at}: overlaps versions.{first}, both of {whose} {since}: change effective_from of one")
    if (ALL_SUBJECTS, None) not in dates:
        raise CairnError(
            f"{where}: versions: none of all subjects is in force from the beginning, so that work before"
            " the first date, or of a subject that none names, has no policy: add one without subject and date"
        )


def _policy(raw: dict[str, Any], where: str) -> SharePolicy:
    """The policy of checked keys. Raises CairnError where two of its thresholds contradict each other."""
    mastered, lost, review = raw["mastered"], raw["lost"], raw["review_due"]["share"]
    for name, lower, key, upper in (
        ("review_due.share", review, "mastered.share", mastered["share"]),
        ("mastered.floor", mastered["floor"], "mastered.share", mastered["share"]),
        ("lost.chance", lost["chance"], "mastered.chance", mastered["chance"]),
    ):
        if lower > upper:
            raise CairnError(f"{where}: {name}: {lower} is above {key} {upper}: a state would flicker; lower it")
    return SharePolicy(
        bar=float(mastered["share"]),
        floor=float(mastered["floor"]),
        chance=float(mastered["chance"]),
        lost_chance=float(lost["chance"]),
        wrong_to_lose=lost["wrong_answers"],
        review_share=float(review),
        widest=float(raw["interval"]["widest"]),
        interval_level=float(raw["interval"]["level"]),
        minimum=EvidenceMinimum(**raw["minimum_evidence"]),
    )


def _version(evidence: dict[str, Any], policy: dict[str, Any]) -> str:
    """What changes with any part of the evidence rule or of one policy; ``policy`` as a file of one policy has it."""
    said = {"evidence": {k: v for k, v in evidence.items() if k != "model"}, "policy": policy}
    return f"{policy['policy']}-{short_hash({**said, 'rules': RULES_REVISION})}"


def version_of_all(found: tuple[PolicyVersion, ...]) -> str:
    """The version of the whole file: of one policy its own, so that a file which lists nothing keeps what it had."""
    if len(found) == 1:
        return found[0].version
    told = sorted((one.subject, str(one.effective_from or ""), one.begins_us, one.version) for one in found)
    return f"share-{short_hash(told)}"
