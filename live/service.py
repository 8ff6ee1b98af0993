"""The live service: today's counts and the live table over HTTP. ``python -m live.service --port P``

Counts of a school are for anybody who reaches the port, as before. Whatever has a pupil's key in it is for the portal,
which says who may see whom: it shows the home's token (:mod:`live.token`), and others get 401.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson

from cairn.evidence.times import instant_text
from cairn.settings import Settings
from live.follower import Follower
from live.store import read_states
from live.token import is_ours
from streaming.http import BodyError, Response, error, json_response, read_body
from streaming.live import Reader
from streaming.serve import serve

MOST_PUPILS = 2_000
USAGE = "GET /, /health or /schools/{id}; POST /pupils with the home's token"


class Live:
    """The ASGI application over today's counts and the live table."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.reader = Reader(settings)
        self.follower = Follower(settings)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """ASGI entry point."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        if scope["type"] == "http":
            if scope["path"] == "/pupils":
                answer = await self._pupils(scope, receive)
            else:
                answer = self._answer(scope["path"])
            await answer.send(send)

    async def _live(self, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.reader.start()
                self.follower.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                self.reader.stop()
                self.follower.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _answer(self, path: str) -> Response:
        if path == "/health":
            word = "ready" if self.reader.is_connected else "waiting for the broker"
            return json_response(200, {"status": word, "mastery": self._mastery()})
        now = {"as_of": instant_text(datetime.now(UTC)), "lag_seconds": self.reader.lag_seconds()}
        day = self.reader.day
        if path == "/":
            schools = [day.school(school_id) for school_id in day.school_ids()]
            totals = {
                "events_today": sum(school["events_today"] for school in schools),
                "pupils_active": sum(school["pupils_active"] for school in schools),
                "last_event_at": max((school["last_event_at"] for school in schools), default=None),
            }
            return json_response(200, {"service": "cairn live", **now, **totals, "schools": schools})
        if path.startswith("/schools/") and (school_id := path.removeprefix("/schools/").strip("/")):
            return json_response(200, {**day.school(school_id), **now})
        return error(404, "not_found", USAGE)

    def _mastery(self) -> dict[str, Any]:
        return {**asdict(self.follower.status), "as_of": instant_text(datetime.now(UTC))}

    async def _pupils(self, scope: dict[str, Any], receive: Any) -> Response:
        """What changed of the pupils whose keys the body names, and how far behind live is."""
        headers = dict(scope["headers"])
        if scope["method"] != "POST":
            return error(405, "method", USAGE)
        if not is_ours(self.settings, headers.get(b"authorization")):
            return error(401, "unauthorized", "only the portal of this home may ask for pupils")
        try:
            asked = orjson.loads(await read_body(receive, headers))
            students = [str(key) for key in asked["student_keys"]]
        except BodyError as problem:
            return error(problem.status, problem.reason, problem.detail)
        except (ValueError, KeyError, TypeError):
            return error(400, "body", 'the body is {"student_keys": [...]}')
        if len(students) > MOST_PUPILS:
            return error(413, "too_many", f"ask for {MOST_PUPILS} pupils at most")
        return json_response(200, {**self._mastery(), "rows": read_states(self.settings, students)})


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM."""
    serve(lambda settings, _number: Live(settings), "Cairn's live view", arguments)


if __name__ == "__main__":
    main()
