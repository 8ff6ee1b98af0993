"""Senders as real ones are: statements with ids of their own, posted until they are acknowledged, some twice."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

from cairn.errors import CairnError
from cairn.keys import event_id
from cairn.settings import Settings
from streaming.client import XAPI, Batch, Connection, find_token

# What a sender forgets that it has sent already and sends again: a share of its requests.
SENT_TWICE = 0.1
SCHOOLS = 3
PUPILS = 60
PATIENCE_SECONDS = 300.0


@dataclass
class Told:
    """What a sender knows: ids that were acknowledged, how it was answered, what went wrong."""

    acknowledged: set[str] = field(default_factory=set)
    # Answers by status, but for those that ask to come again later as they should.
    answers: Counter[int] = field(default_factory=Counter)
    asked_again: int = 0
    problem: str = ""


class _Listening(Connection):
    """Notes each answer: whoever is not acknowledged must be told when to come again."""

    def __init__(self, settings: Settings, token: str, told: Told) -> None:
        super().__init__(settings, token)
        self._told = told

    def _once(self, batch: Batch) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = super()._once(batch)
        if status in (429, 503) and int(headers.get("retry-after", "0")) >= 1:
            self._told.asked_again += 1
        else:
            self._told.answers[status] += 1
        return status, headers, body


class Sender:
    """One source with one kept connection and a thread of its own from :meth:`begin` to :meth:`end`."""

    def __init__(self, settings: Settings, source: str, seed: str) -> None:
        self.settings = settings
        self.source = source
        self.told = Told()
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._sent: list[Batch] = []

    def begin(self) -> None:
        """Send until told to end."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name=f"sender-{self.source}", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Let what is under way be acknowledged, then return. Fails where it is not within minutes."""
        assert self._thread is not None
        self._stop.set()
        self._thread.join(2 * PATIENCE_SECONDS)
        assert not self._thread.is_alive(), f"{self.source} was not answered"
        assert not self.told.problem, self.told.problem

    def event_ids(self) -> set[str]:
        """The events that the acknowledged statements are."""
        return {event_id(self.source, own_id) for own_id in self.told.acknowledged}

    def _run(self) -> None:
        try:
            connection = _Listening(self.settings, find_token(self.settings, self.source, None), self.told)
            while not self._stop.is_set():
                if self._sent and self._random.random() < SENT_TWICE:
                    self._post(connection, self._random.choice(self._sent), set())
                else:
                    ids = [str(uuid.UUID(int=self._random.getrandbits(128), version=4)) for _ in range(self._size())]
                    batch = Batch(XAPI, json.dumps([self._statement(one) for one in ids]).encode(), len(ids))
                    self._post(connection, batch, set(ids))
                    self._sent = [*self._sent[-20:], batch]
                self._stop.wait(self._random.uniform(0.0, 0.1))
            connection.close()
        except Exception as error:
            self.told.problem = f"{self.source}: {type(error).__name__}: {error}"

    def _size(self) -> int:
        return self._random.choice((1, 2, 5, 20, 50))

    def _post(self, connection: Connection, batch: Batch, ids: set[str]) -> None:
        """Again and again until it is answered for good; only then are its statements acknowledged."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = connection.post(batch)
                break
            except CairnError:  # minutes without an answer: a sender is started again and sends the same
                if time.monotonic() > deadline:
                    raise
        if answer.status == 200:
            self.told.acknowledged |= ids

    def _statement(self, own_id: str) -> dict[str, object]:
        pupil = self._random.randrange(PUPILS)
        return {
            "id": own_id,
            "actor": {"mbox": f"mailto:pupil{pupil}@example.org"},
            "verb": {"id": "http://adlnet.gov/expapi/verbs/answered"},
            "object": {"id": f"https://items.example/{self._random.randrange(40)}"},
            "result": {"success": self._random.random() < 0.7},
            "context": {"extensions": {"https://cairn.example/xapi/extensions/school": f"school-{pupil % SCHOOLS}"}},
        }
