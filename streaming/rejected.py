"""What was refused, and sending it again after a fix.

The list comes from the topic of refusals, which holds all of them; it is read from end to end and never held. A replay
is a request of its own, with its own receipt, under the original source and when it first came: the books of that day
count it as received once more, and as accepted or refused once more.
An original that was replayed is not selected again; where it is refused for another reason now, its new refusal stands
for it. One that is refused as before is not sent: replaying twice changes nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from kafka.errors import KafkaError

from cairn.errors import CairnError
from cairn.evidence.activity import REASONS
from cairn.settings import Settings
from streaming.process import MENDED_BY_SENDER, Outcome, Processor
from streaming.producer import Fate, GroupCommitter
from streaming.replayed import Replayed
from streaming.seals import SealStore
from streaming.sources import Source, SourceRegistry
from streaming.topics import REJECTED, committed
from streaming.transactions import Message

ENDPOINT = "replay"
# Refusals that are looked at, sent and noted together, unless they become more messages than these.
GROUP, GROUP_MESSAGES = 200, 2_000
# What mends a reason here, so that a replay takes the originals in. Of all others the sender, or nobody, is the one.
MENDS: Mapping[str, str] = {
    "school_out_of_scope": "add the source again with the school among --schools ('cairn source add'), then replay",
    "too_many_statements": "ask the sender for smaller batches",
    "learner_unknown": "ask the sender for the attempt's assignee: a score of nobody is nobody's",
}
ONLY_THE_SENDER = "only its sender can mend it, and was told so when it was refused"
TELL_THE_SENDER = "tell the sender what the detail says; replay where a newer version of Cairn reads it"


@dataclass
class Refused:
    """Refusals that stand of one source for one reason; ``kept`` have an original.

    ``detail`` and ``excerpt`` (kind and shape, no value) are the newest one's.
    """

    source_id: str
    reason: str
    statements: int
    kept: int
    first_at: str
    last_at: str
    detail: str
    excerpt: str

    @property
    def meaning(self) -> str:
        """What the reason means."""
        return REASONS.get(self.reason, "a reason of another version of Cairn")

    @property
    def what_to_do(self) -> str:
        """The next step."""
        if self.reason in MENDED_BY_SENDER:
            return ONLY_THE_SENDER
        return MENDS.get(self.reason, TELL_THE_SENDER)


def senders(settings: Settings) -> dict[str, Source]:
    """Every sender by its name, revoked ones too."""
    registry = SourceRegistry(settings)
    try:
        return {known.source_id: known for known in registry.all()}
    finally:
        registry.close()


def sender_of(sources: Mapping[str, Source], name: str) -> Source:
    """The sender to replay under. Raises CairnError where it is gone."""
    if name not in sources:
        raise CairnError(f"source {name!r} is not known here: 'cairn source add' it, then replay")
    return sources[name]


def standing(settings: Settings, reason: str | None = None, source: str | None = None) -> Iterator[dict[str, Any]]:
    """Refusals that still stand, oldest first: the columns of bronze.rejected up to ``seal_ref``.

    Raises CairnError where the broker cannot be asked.
    """
    done = Replayed(settings)
    try:
        wanted = (
            refusal
            for refusal in map(orjson.loads, committed(settings, REJECTED))
            if reason in (None, refusal["reason"]) and source in (None, refusal["source_id"])
        )
        while group := list(itertools.islice(wanted, GROUP)):
            gone = done.among([refusal["rejected_id"] for refusal in group])
            yield from (refusal for refusal in group if refusal["rejected_id"] not in gone)
    except (KafkaError, LookupError, OSError) as error:
        raise CairnError(
            f"the refusals cannot be read ({type(error).__name__}): start the stack with 'cairn up'"
        ) from error


def list_rejected(settings: Settings, reason: str | None = None, source: str | None = None) -> list[Refused]:
    """Refusals that still stand, by reason and source, the most frequent first.

    Raises CairnError where the broker cannot be asked.
    """
    groups: dict[tuple[str, str], Refused] = {}
    for refusal in standing(settings, reason, source):
        key, at = (refusal["reason"], refusal["source_id"]), refusal["received_at"]
        one = groups.get(key)
        if one is None:
            one = groups[key] = Refused(refusal["source_id"], refusal["reason"], 0, 0, at, at, "", "")
        one.statements += 1
        one.kept += bool(refusal["seal_ref"]) and refusal["reason"] not in MENDED_BY_SENDER
        one.first_at = min(one.first_at, at)
        if at >= one.last_at:
            one.last_at, one.detail, one.excerpt = at, refusal["detail"] or "", refusal.get("excerpt") or ""
    return sorted(groups.values(), key=lambda one: (-one.statements, one.reason, one.source_id))


class _Unsealed(SealStore):
    """Opens originals, and seals none: what is refused again as before has its original already."""

    def append(self, originals: list[tuple[str, bytes]]) -> list[str]:
        """No reference of anything."""
        return [""] * len(originals)


class _Replay:
    """One replay: judges originals, sends in groups what became of them, counts."""

    def __init__(self, settings: Settings, *, is_dry: bool) -> None:
        self.settings = settings
        self.counts = {"selected": 0, "replayed": 0, "still_rejected": 0}
        self.seals = _Unsealed(settings)
        self.committer = None if is_dry else GroupCommitter(settings, role=ENDPOINT)
        self._done = Replayed(settings)
        self._sources = senders(settings)
        self._look = Processor(settings, self.seals)
        self._keep = Processor(settings)
        self._messages: list[Message] = []
        self._ids: list[str] = []
        self._news = {"replayed": 0, "still_rejected": 0}

    def take(self, refusal: dict[str, Any]) -> None:
        """Judge an original again; what has changed is sent with its group."""
        self.counts["selected"] += 1
        sender = sender_of(self._sources, refusal["source_id"])
        kind, original = self.seals.read(refusal["seal_ref"])
        outcome = self._look.again(kind, original, sender, ENDPOINT, refusal)
        if _is_as_before(outcome, refusal):
            self.counts["still_rejected"] += 1
            return
        if outcome.rejections and self.committer is not None:
            outcome = self._keep.again(kind, original, sender, ENDPOINT, refusal)  # what is refused now is sealed anew
        self._news["still_rejected" if outcome.rejections else "replayed"] += 1
        self._messages += outcome.messages
        self._ids.append(refusal["rejected_id"])
        if len(self._ids) >= GROUP or len(self._messages) >= GROUP_MESSAGES:
            self.send()

    def send(self) -> None:
        """Send what is held, in one transaction, and note it. Raises CairnError where Kafka does not take it."""
        if not self._ids:
            return
        if self.committer is not None:
            if self.committer.send(self._messages) is not Fate.COMMITTED:
                raise CairnError(f"Kafka took {self.counts['replayed']} originals: replay again for the rest")
            self._done.add(self._ids)
        for name, count in self._news.items():
            self.counts[name] += count
        self._messages, self._ids, self._news = [], [], {"replayed": 0, "still_rejected": 0}


def _is_as_before(outcome: Outcome, refusal: dict[str, Any]) -> bool:
    """Whether everything is refused for the very reason that stands."""
    reasons = {told.reason for told in outcome.rejections}
    return not outcome.accepted_ids and reasons == {refusal["reason"]}


def replay(
    settings: Settings, reason: str | None = None, source: str | None = None, dry_run: bool = False
) -> dict[str, int]:
    """Send refused originals again as their sources would. Returns selected, replayed, still_rejected.

    ``replayed`` counts originals that became evidence now. A refusal without an original (a body that was never
    taken in, what its sender must mend, or whose person was erased) is not selected. An original that is sent twice,
    because its replay was cut off before it was noted, becomes the same event. With ``dry_run`` the counts are what
    would be: every original is judged and nothing is sent. However many are selected, a few hundred are held at a
    time. Raises CairnError where a source is gone or Kafka is not there; what was replayed until then stays replayed.
    """
    # Refusals from before the sender's own were left unsealed have an original too.
    kept = (
        refusal
        for refusal in standing(settings, reason, source)
        if refusal["seal_ref"] and refusal["reason"] not in MENDED_BY_SENDER
    )
    run = _Replay(settings, is_dry=dry_run)
    wanted = (refusal for refusal in kept if not run.seals.is_erased(refusal["seal_ref"]))
    first = next(wanted, None)
    if first is None:
        return run.counts
    if run.committer is not None:
        run.committer.start()
    try:
        for refusal in itertools.chain((first,), wanted):
            run.take(refusal)
        run.send()
    finally:
        if run.committer is not None:
            run.committer.stop()
    return run.counts
