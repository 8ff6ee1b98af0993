"""Mastery worked out a second time from what the simulator sent: plain Python, one pupil after another.

Shares no code with the product: the evidence rule, the durable share (:mod:`.reference_share`) and the policy are
written again from docs and configuration, so that agreement means something.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from cairn.settings import REPOSITORY
from tests.end_to_end.reference_share import GAP_DAYS, Answer, Model, standing

# Review is due at the earliest a day after the last work, and nobody looks further ahead than this.
SOONEST, HORIZON = timedelta(days=1), timedelta(days=400)
STEP, EXACT = timedelta(hours=6), timedelta(seconds=1)

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

Event = dict[str, Any]


@dataclass
class Stand:
    """Where a pupil stands on a competency, how it came to that, and when mastery was last reached.

    The share and its interval are as asked a week after the last counted answer.
    """

    state: str = "not_started"
    changes: list[tuple[datetime, str]] = field(default_factory=list)
    mastered_at: datetime | None = None
    counted: int = 0
    expected_share: float = 0.0
    interval: tuple[float, float] = (0.0, 0.0)

    def become(self, state: str, at: datetime) -> None:
        """Change to a state, if it is another one."""
        if state == self.state:
            return
        self.state = state
        self.changes.append((at, state))
        if state == "mastered":
            self.mastered_at = at


@dataclass(frozen=True)
class Rules:
    """The district's files, as they are; local days are of ``zone``, ``subject_of`` says of which subject competencies
    are."""

    evidence: dict[str, Any]
    policy: dict[str, Any]
    zone: tzinfo = UTC
    subject_of: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_the_repository(cls) -> Rules:
        """The example configuration, which the demo uses."""
        files = (REPOSITORY / "schemas" / "district" / f"{name}.yaml" for name in ("evidence", "policy"))
        return cls(*(yaml.safe_load(file.read_text()) for file in files))

    def policies(self, competency: str) -> list[tuple[datetime, dict[str, Any]]]:
        """(from when, what is asked) of a competency, in order of time: a subject's own, from the first of them on."""
        if "versions" not in self.policy:
            return [(LONG_AGO, self.policy)]
        own: list[tuple[datetime, dict[str, Any]]] = []
        everybody: list[tuple[datetime, dict[str, Any]]] = []
        for one in self.policy["versions"]:
            day = one.get("effective_from")
            begins = LONG_AGO if day is None else datetime.combine(day, datetime.min.time(), tzinfo=self.zone)
            whole = {**one, "interval": self.policy["interval"]}
            if one.get("subject", "all") == "all":
                everybody.append((begins, whole))
            elif one["subject"] == self.subject_of.get(competency):
                own.append((begins, whole))
        first = min((begins for begins, _ in own), default=None)
        found = [one for one in everybody if first is None or one[0] < first] + own
        return sorted(found, key=lambda one: one[0])


def sent(truth: Path) -> list[Event]:
    """The attempts of ``truth/events.parquet`` that stand."""
    return [event for event in pq.read_table(truth / "events.parquet").to_pylist() if event["counts_as"] == "attempt"]


def stands(
    events: Iterable[Event], model: Model, until: datetime, rules: Rules | None = None
) -> dict[tuple[str, str], Stand]:
    """(student_id, competency_id) -> where it stands. Work from ``until`` on is not looked at.

    The rules are those of the repository where none are given.

    An answer that shows several competencies is an event of each of them, with one statement_id.
    """
    rules = rules or Rules.of_the_repository()
    by_pupil: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event["event_time"] < until:
            by_pupil[event["student_id"]].append(event)
    found = {}
    for pupil, work in by_pupil.items():
        work.sort(key=lambda event: (event["event_time"], event["statement_id"], event["competency_id"]))
        for competency, stand in _of_pupil(work, model, rules, until).items():
            found[pupil, competency] = stand
    return found


def _of_pupil(work: list[Event], model: Model, rules: Rules, until: datetime) -> dict[str, Stand]:
    """Where one pupil stands, from all work in order."""
    counted = _counted(work, rules.evidence, model)
    answers: list[Answer] = []
    # Where the pupil's work ends for an answer: just behind it, however many competencies it shows.
    behind: dict[str, int] = {}
    for event in counted:
        if event["statement_id"] not in behind:
            answers.append(_answer(event, model, rules.evidence))
        behind[event["statement_id"]] = len(answers)
    found = {}
    for competency in {event["competency_id"] for event in work}:
        own = [event for event in counted if event["competency_id"] == competency]
        upto = [answers[: behind[event["statement_id"]]] for event in own]
        found[competency] = _Walk(model, competency, rules).walk(own, upto, until)
    return found


def _counted(work: list[Event], evidence: dict[str, Any], model: Model) -> list[Event]:
    """The answers that count: no rapid guess, and none at an item that the pupil saw within the spacing."""
    spacing = timedelta(hours=evidence["spacing_hours"])
    limits = {**model.limit_ms, **evidence["rapid_guess_ms_by_item"]}
    last_seen: dict[tuple[str, str], datetime] = {}
    found = []
    for event in work:
        item, at = (event["competency_id"], event["item_id"]), event["event_time"]
        is_repeat = item in last_seen and at - last_seen[item] < spacing
        last_seen[item] = at
        if not is_repeat and event["duration_ms"] >= limits.get(event["item_id"], evidence["rapid_guess_ms"]):
            found.append(event)
    return found


def _answer(event: Event, model: Model, evidence: dict[str, Any]) -> Answer:
    """What an answer is worth: right or wrong where that is told, else its score, from nothing to all; with help 0."""
    share = float(event["correct"]) if event["correct"] is not None else min(max(event["score"], 0.0), 1.0)
    share = share if event["hints"] == 0 else 0.0
    expected = model.expected(event["item_id"], event["competency_id"])
    return Answer(event["event_time"], share, share >= evidence["success_share"], share - expected)


class _Walk:
    """The policy, answer by answer, on one competency."""

    def __init__(self, model: Model, competency: str, rules: Rules) -> None:
        self.model, self.competency, self.policies = model, competency, rules.policies(competency)
        self.evidence, self.level = rules.evidence, rules.policy["interval"]["level"]
        self.policy = self.policies[0][1]
        self.stand, self.wrong_since_mastered = Stand(), 0
        self.now = standing(model, competency, [], [])

    def walk(self, events: list[Event], pupil: list[list[Answer]], until: datetime) -> Stand:
        """Through counted answers, each with the pupil's answers up to it, to the end of the time that is looked at."""
        answers: list[Answer] = []
        items: set[str] = set()
        days: set[date] = set()
        for event, others in zip(events, pupil, strict=True):
            answer = _answer(event, self.model, self.evidence)
            self._pass(answers, answer.at, is_included=True)
            self.policy = self._in_force(answer.at)
            answers.append(answer)
            items.add(event["item_id"])
            days.add(event["work_date"])
            self.now = standing(self.model, self.competency, answers, others)
            self.wrong_since_mastered += not answer.is_right
            state = self._state(answer.is_right, len(items), len(days))
            if state == "mastered" and self.stand.state != "mastered":
                self.wrong_since_mastered = 0
            self.stand.become(state, answer.at)
        self._pass(answers, until, is_included=False)
        self.stand.counted = len(answers)
        self.stand.expected_share = self.now.share(GAP_DAYS)
        self.stand.interval = self.now.interval(self.level)
        return self.stand

    def _in_force(self, at: datetime) -> dict[str, Any]:
        """What is asked at an instant."""
        return [asked for begins, asked in self.policies if begins <= at][-1]

    def _state(self, is_right: bool, items: int, days: int) -> str:
        """The state just after an answer."""
        minimum, state = self.policy["minimum_evidence"], self.stand.state
        has_answers = len(self.now.pair.answers) >= minimum["attempts"] and items >= minimum["items"]
        has_minimum = has_answers and days >= minimum["days"]
        # What has been said is not unsaid because a later policy asks for more.
        if not has_answers and state in ("not_started", "not_enough_evidence"):
            return "not_enough_evidence"
        if state == "mastered":
            return "developing" if self._is_lost(is_right) else "mastered"
        if state == "review_due":
            is_held = self.now.share(GAP_DAYS) >= self.policy["review_due"]["share"]
            if is_right and is_held:
                return "mastered" if has_minimum else "review_due"
            return "review_due" if is_right or is_held else "developing"
        is_over = self._is_over()
        if is_over and has_minimum:
            return "mastered"
        if state == "developing":
            return "developing"
        if is_over:
            return "not_enough_evidence"
        low, high = self.now.interval(self.level)
        is_wide = high - low > self.policy["interval"]["widest"]
        return "not_enough_evidence" if is_wide and self._may_be_there() else "developing"

    def _may_be_there(self) -> bool:
        """Whether the floor is reached with at least the chance under which mastery is lost."""
        chance = self.now.chance_of_at_least(self.policy["mastered"]["floor"])
        return bool(chance >= self.policy["lost"]["chance"])

    def _is_over(self) -> bool:
        """Mastered by the number and its chance."""
        asked = self.policy["mastered"]
        if self.now.share(GAP_DAYS) < asked["share"]:
            return False
        return bool(self.now.chance_of_at_least(asked["floor"]) >= asked["chance"])

    def _is_lost(self, is_right: bool) -> bool:
        """By wrong answers since, the last one too, and the chance."""
        asked = self.policy["lost"]
        if is_right or self.wrong_since_mastered < asked["wrong_answers"]:
            return False
        return bool(self.now.chance_of_at_least(self.policy["mastered"]["floor"]) < asked["chance"])

    def _pass(self, answers: list[Answer], until: datetime, *, is_included: bool) -> None:
        """Let time pass: review falls due by forgetting."""
        if self.stand.state != "mastered":
            return
        due = self._due(answers[-1].at, until)
        if due is not None and (due < until or (is_included and due == until)):
            self.stand.become("review_due", due)

    def _due(self, last: datetime, until: datetime) -> datetime | None:
        """The instant at which the share falls under the bar, if that is within the time."""
        before, at = last, last + SOONEST
        while not self._is_under(last, at):
            if at >= min(until, last + HORIZON):
                return None
            before, at = at, at + STEP
        while before > last and at - before > EXACT:
            middle = before + (at - before) / 2
            before, at = (before, middle) if self._is_under(last, middle) else (middle, at)
        return at

    def _is_under(self, last: datetime, at: datetime) -> bool:
        """Whether the share, asked a week ahead at an instant after the last work, is under the bar for review then."""
        share = self.now.share(GAP_DAYS + (at - last) / timedelta(days=1))
        return bool(share < self._in_force(at)["review_due"]["share"])


def end_of_day(day: date, zone: Any) -> datetime:
    """The instant at which the local day ends, in UTC."""
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), tzinfo=zone).astimezone(UTC)
