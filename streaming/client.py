"""A sender: posts files of statements or envelopes through the gateway, in batches, again until they are taken.

A line that is no JSON is reported with file and line and still sent, alone and as it is, so that the gateway counts
it: what a sender holds back is in no ledger.
"""

from __future__ import annotations

import gzip
import http.client
import json
import os
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from cairn.errors import CairnError
from cairn.settings import Settings
from streaming.sources import sender_token_path

BATCH = 500
BATCH_BYTES = 4 << 20
PATIENCE_SECONDS = 180.0
TIMEOUT_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 5.0
SUFFIXES = (".json", ".jsonl", ".ndjson")
XAPI, CALIPER = "/xapi/statements", "/caliper"

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Batch:
    """One request: where to, what, how many statements."""

    endpoint: str
    body: bytes
    statements: int


@dataclass
class Totals:
    """What became of what was sent, as the gateway answered."""

    sent: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    conflict: int = 0

    def as_dict(self) -> dict[str, Any]:
        """The keys of ``cairn activity send --json``."""
        return {
            "sent": self.sent,
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "rejected": self.rejected,
            "conflict": self.conflict,
        }


def send(
    settings: Settings,
    path: Path | str,
    source: str,
    token: str | None = None,
    on_progress: Progress | None = None,
    on_problem: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Post a file, or a folder's files in order of name. Returns sent, accepted, duplicate, rejected, conflict.

    Raises CairnError where there is nothing to send, no token, or the gateway does not take it within minutes.
    """
    files = activity_files(Path(path))
    batches = (batch for file in files for batch in file_batches(file, on_problem))
    return post_batches(settings, batches, find_token(settings, source, token), on_progress).as_dict()


def send_statements(
    settings: Settings,
    statements: Iterable[bytes],
    source: str,
    token: str | None = None,
    rate: float = 0.0,
    on_progress: Progress | None = None,
) -> Totals:
    """Post xAPI statements (each as JSON bytes); ``rate`` statements a second, 0 for as fast as it goes."""
    return post_batches(settings, _xapi_batches(statements), find_token(settings, source, token), on_progress, rate)


def find_token(settings: Settings, source: str, token: str | None) -> str:
    """The token to send with: the one given, ``CAIRN_TOKEN``, or the one this machine keeps for the source."""
    if found := token or os.environ.get("CAIRN_TOKEN"):
        return found
    try:
        return sender_token_path(settings, source).read_text(encoding="ascii").strip()
    except OSError as error:
        raise CairnError(
            f"no token for source {source!r}: give --token or CAIRN_TOKEN, or 'cairn source add {source} --save-token'"
        ) from error


def activity_files(path: Path) -> list[Path]:
    """The file, or the folder's .json, .jsonl and .ndjson files, plain or gzip. CairnError where there is none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise CairnError(f"nothing to send at {path}: no such file or folder")
    found = [each for each in sorted(path.rglob("*")) if each.name.removesuffix(".gz").endswith(SUFFIXES)]
    if not found:
        raise CairnError(f"nothing to send in {path}: no .json, .jsonl or .ndjson file (plain or .gz)")
    return found


def file_batches(path: Path, on_problem: Callable[[str], None] | None = None) -> Iterator[Batch]:
    """The requests that a file makes: an array or a single object of JSON, or one statement or envelope a line."""
    try:
        yield from _batches(_records(path, on_problem or (lambda _: None)))
    except (OSError, EOFError) as error:
        raise CairnError(f"{path}: cannot be read to its end: {type(error).__name__}; send the whole file") from error


def _records(path: Path, on_problem: Callable[[str], None]) -> Iterator[tuple[Any, bytes]]:
    """Each statement or envelope of a file, parsed and as bytes; parsed is None where it is no JSON."""
    is_lines = not path.name.removesuffix(".gz").endswith(".json")
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        if not is_lines:
            whole = file.read()
            try:
                parsed = orjson.loads(whole)
            except orjson.JSONDecodeError as error:
                # Perhaps one object a line under another name; a cut document goes out as it is.
                if b"\n{" not in whole.strip():
                    on_problem(f"{path}:{error.lineno}: not JSON: sent as it is, to be counted as refused")
                    yield None, whole
                    return
                file.seek(0)
            else:
                for each in parsed if isinstance(parsed, list) else [parsed]:
                    yield each, orjson.dumps(each)
                return
        for number, line in enumerate(file, 1):
            if not (line := line.strip()):
                continue
            try:
                yield orjson.loads(line), line
            except orjson.JSONDecodeError:
                on_problem(f"{path}:{number}: not JSON: sent as it is, to be counted as refused")
                yield None, line


def _is_envelope(parsed: Any) -> bool:
    return isinstance(parsed, dict) and "sensor" in parsed and isinstance(parsed.get("data"), list)


def _batches(records: Iterable[tuple[Any, bytes]]) -> Iterator[Batch]:
    """Statements together in arrays, envelopes of one sensor together in one; what is no JSON alone."""
    statements: list[bytes] = []
    envelope: dict[str, Any] | None = None
    size, last_endpoint = 0, XAPI

    def flush() -> Iterator[Batch]:
        nonlocal envelope, size
        if statements:
            yield Batch(XAPI, b"[" + b",".join(statements) + b"]", len(statements))
            statements.clear()
        if envelope is not None:
            yield Batch(CALIPER, orjson.dumps(envelope), len(envelope["data"]))
            envelope = None
        size = 0

    for parsed, raw in records:
        if parsed is None:
            yield from flush()
            yield Batch(last_endpoint, raw, 1)
            continue
        if _is_envelope(parsed):
            last_endpoint = CALIPER
            head = {key: value for key, value in parsed.items() if key not in ("data", "sendTime")}
            is_same = envelope is not None and head == {
                key: value for key, value in envelope.items() if key not in ("data", "sendTime")
            }
            if not is_same:
                yield from flush()
                envelope = {**parsed, "data": []}
            if envelope is not None:
                envelope["data"].extend(parsed["data"])
                envelope["sendTime"] = parsed.get("sendTime")
        else:
            last_endpoint = XAPI
            if envelope is not None:
                yield from flush()
            statements.append(raw)
        size += len(raw)
        held = len(statements) + (len(envelope["data"]) if envelope is not None else 0)
        if held >= BATCH or size >= BATCH_BYTES:
            yield from flush()
    yield from flush()


def _xapi_batches(statements: Iterable[bytes]) -> Iterator[Batch]:
    held: list[bytes] = []
    for statement in statements:
        held.append(statement)
        if len(held) >= BATCH:
            yield Batch(XAPI, b"[" + b",".join(held) + b"]", len(held))
            held = []
    if held:
        yield Batch(XAPI, b"[" + b",".join(held) + b"]", len(held))


def post_batches(
    settings: Settings,
    batches: Iterator[Batch],
    token: str,
    on_progress: Progress | None = None,
    rate: float = 0.0,
) -> Totals:
    """Post batches in order over one kept connection; each again until it is answered for good.

    One connection, because of two statements of one id and other content the first counts: order is content.
    """
    totals = Totals()
    begun = time.monotonic()
    with closing(Connection(settings, token)) as connection:
        for batch in batches:
            if rate and (pause := begun + totals.sent / rate - time.monotonic()) > 0:
                time.sleep(pause)
            _count(totals, batch, connection.post(batch))
            if on_progress:
                on_progress(totals.sent)
    return totals


@dataclass(frozen=True)
class Answer:
    """What the gateway said about one batch."""

    status: int
    accepted: int
    rejected: int
    duplicate: int
    conflict: int


def _count(totals: Totals, batch: Batch, answer: Answer) -> None:
    totals.sent += batch.statements
    totals.duplicate += answer.duplicate
    totals.conflict += answer.conflict
    totals.rejected += answer.rejected
    totals.accepted += answer.accepted - answer.duplicate - answer.conflict


class Connection:
    """One kept connection to the gateway; opens again, at the address the stack gives then, when it breaks."""

    def __init__(self, settings: Settings, token: str) -> None:
        self._settings = settings
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "X-Experience-API-Version": "1.0.3",
        }
        self._http: http.client.HTTPConnection | None = None

    def close(self) -> None:
        """Let go of the connection."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def post(self, batch: Batch) -> Answer:
        """Post until answered for good. CairnError where the token is refused or patience ends."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        pause = 0.1
        while True:
            why = "does not answer"
            try:
                status, headers, body = self._once(batch)
                if status in (200, 204, 207, 400, 403, 409, 413, 422) and "x-cairn-accepted" in headers:
                    return Answer(
                        status,
                        *(
                            int(headers[f"x-cairn-{name}"])
                            for name in ("accepted", "rejected", "duplicates", "conflicts")
                        ),
                    )
                why = _reason(status, body)
                if status not in (429, 503):
                    raise CairnError(f"the gateway refused the request ({status}): {why}")
                pause = max(pause, float(headers.get("retry-after", "0") or 0))
            except (OSError, http.client.HTTPException):
                self.close()
            if time.monotonic() + pause > deadline:
                raise CairnError(
                    f"the gateway {why} for {PATIENCE_SECONDS:.0f} s: see 'cairn status' and 'cairn logs gateway'"
                )
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _once(self, batch: Batch) -> tuple[int, dict[str, str], bytes]:
        if self._http is None:
            try:
                address = self._settings.address("gateway")
            except LookupError as error:
                raise CairnError(str(error)) from error
            parts = urlsplit(address)
            where = parts.hostname or "127.0.0.1", parts.port
            if parts.scheme == "https":
                trust = ssl.create_default_context(cafile=self._settings.gateway_ca_file or None)
                self._http = http.client.HTTPSConnection(*where, timeout=TIMEOUT_SECONDS, context=trust)
            else:
                self._http = http.client.HTTPConnection(*where, timeout=TIMEOUT_SECONDS)
        self._http.request("POST", batch.endpoint, batch.body, self._headers)
        response = self._http.getresponse()
        body = response.read()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, body


def _reason(status: int, body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"answers {status}"
