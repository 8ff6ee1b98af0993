"""A OneRoster 1.2 service: everything, or what changed since, fetched whole into one package of CSV files.

Standard: 1EdTech OneRoster 1.2 Rostering and Gradebook Services, REST binding (paging by limit and offset with
X-Total-Count and Link, filter on dateLastModified), with OAuth 2 client credentials (RFC 6749, section 4.4). Nothing
is loaded before all of it was fetched: a service that fails half-way changes nothing.
"""

from __future__ import annotations

import base64
import json
import time
import zipfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urljoin, urlsplit

import httpx

from cairn.errors import CairnError
from cairn.rostering.oneroster_json import Record, csv_files
from loading.pickup.config import LOOPBACK, ROSTERING, RestPlace

TIMEOUT_SECONDS = 60.0
TRIES = 5
# A service that asks to be left alone for longer is asked again by the next run.
LONGEST_WAIT_SECONDS = 120.0
MOST_PAGES = 100_000
PAGE_BYTES = 256 << 20
PASSING = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True)
class Fetched:
    """``record_count``: records of all collections.

    ``until``: the service's clock when the first answer came; ours before that, where it shows none.
    """

    until: datetime
    record_count: int


@dataclass(frozen=True)
class _Answer:
    """An answer read whole. ``following``: the address of the next page by its Link header, empty without one."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    following: str
    has_links: bool

    @property
    def total(self) -> int | None:
        """X-Total-Count; None where the service does not say."""
        text = self.headers.get("X-Total-Count", "")
        return int(text) if text.isdecimal() else None

    @property
    def clock(self) -> datetime | None:
        """The service's clock, which its dateLastModified goes by."""
        try:
            return parsedate_to_datetime(self.headers.get("Date", "")).astimezone(UTC)
        except (TypeError, ValueError):
            return None

    @property
    def wait_seconds(self) -> float:
        """Retry-After, which is a number of seconds or an instant; 0 where the header says nothing."""
        text = self.headers.get("Retry-After", "")
        if text.isdecimal():
            return float(text)
        try:
            return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
        except (TypeError, ValueError):
            return 0.0


def fetch_package(
    place: RestPlace,
    target: Path,
    since: datetime | None,
    columns: Collection[str] = (),
    sleep: Callable[[float], None] = time.sleep,
) -> Fetched:
    """Write the package to ``target``: bulk where ``since`` is None, else a delta of what changed from then on.

    ``columns``: see :func:`cairn.rostering.oneroster_json.csv_files`. Raises CairnError, before anything is
    written, where one of the collections cannot be had whole.
    """
    # Proxies of the environment are a district's way out; to this machine itself there is none.
    began_at = datetime.now(UTC)
    is_elsewhere = urlsplit(place.base_url).hostname not in LOOPBACK
    with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=is_elsewhere, follow_redirects=False) as client:
        service = _Service(place, client, sleep)
        found = {name: service.collection(name, since) for name in place.collections}
    files = csv_files(found, "bulk" if since is None else "delta", columns)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return Fetched(service.until or began_at, sum(map(len, found.values())))


def ask_since(until: datetime, overlap_hours: int) -> datetime:
    """From when on to ask for changes: a service may show a record later than it says to have changed it."""
    return until - timedelta(hours=overlap_hours)


class _Service:
    """The requests of one run: one token, renewed where the service says that it has run out."""

    def __init__(self, place: RestPlace, client: httpx.Client, sleep: Callable[[float], None]) -> None:
        self._place = place
        self._client = client
        self._sleep = sleep
        self._token = ""
        self.until: datetime | None = None

    def collection(self, name: str, since: datetime | None) -> list[Record]:
        """All records of a collection, each once. Raises CairnError where some are missing."""
        filters = ""
        if since is not None:
            changed = f"dateLastModified>'{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.000Z}'"
            filters = f"&filter={quote(changed, safe='')}"
        first = f"{self._base(name)}/{name}?limit={self._place.page_size}{filters}&offset="
        found: dict[str, Record] = {}
        asked: set[str] = set()
        url = f"{first}0"
        while url:
            if url in asked or len(asked) >= MOST_PAGES:
                raise self._odd(name, "its pages have no end")
            asked.add(url)
            answer = self._get(name, url)
            records = self._records(name, answer)
            before = len(found)
            found.update((self._identity(name, record), record) for record in records)
            url = self._following(name, answer, len(records), len(found) > before, f"{first}{len(found)}")
        if answer.total is not None and len(found) < answer.total:
            raise self._odd(name, f"{len(found):,} of {answer.total:,} records came")
        return list(found.values())

    def _following(self, name: str, answer: _Answer, page: int, is_new: bool, onward: str) -> str:
        """The next page's address; empty after the last one.

        By the Link header where there is one; else ``onward`` from what has come, until a page is empty: a service
        may give fewer records a page than it was asked for.
        """
        if answer.following:
            # httpx leaves out a port that is the scheme's own: https://sis.example:443 is the same server.
            own, other = httpx.URL(self._base(name)), httpx.URL(answer.following)
            if (own.scheme, own.host, own.port) != (other.scheme, other.host, other.port):
                raise self._odd(
                    name, "its link to the next page leads to another server, which gets no token of this one"
                )
            return answer.following
        if answer.has_links or page == 0:
            return ""
        if not is_new:
            if page == self._place.page_size:
                raise self._odd(name, "the same page came again: the service takes no offset")
            return ""  # all of it, whatever offset was asked for
        return onward

    def _base(self, name: str) -> str:
        return self._place.base_url if name in ROSTERING else self._place.gradebook_url

    def _identity(self, name: str, record: Record) -> str:
        identity = record.get("sourcedId")
        if not isinstance(identity, str | int) or identity == "":
            raise self._odd(name, "a record has no sourcedId")
        return str(identity)

    def _records(self, name: str, answer: _Answer) -> list[Record]:
        try:
            records = json.loads(answer.content)[name]
        except (ValueError, KeyError, TypeError):
            raise self._odd(name, f"the answer is no JSON object with {name}") from None
        if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
            raise self._odd(name, f"{name} in the answer is no list of objects")
        return records

    def _get(self, name: str, url: str) -> _Answer:
        """An answer of status 200; a token that has run out is renewed once."""
        is_fresh = not self._token
        while True:
            if not self._token:
                self._token = self._new_token()
            headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
            answer = self._asked(name, self._client.build_request("GET", url, headers=headers))
            if answer.status == HTTPStatus.OK:
                self.until = self.until or answer.clock
                return answer
            if answer.status != HTTPStatus.UNAUTHORIZED:
                raise self._odd(name, f"the service answers {answer.status}")
            if is_fresh:
                raise self._odd(name, "the service refuses the token that it has just given (401): check the scope")
            self._token, is_fresh = "", True

    def _new_token(self) -> str:
        """A token by the client's credentials."""
        form = {"grant_type": "client_credentials", "scope": self._place.scope}
        headers = {}
        secret = self._place.client_secret.read()
        if self._place.client_auth == "basic":
            # RFC 6749, 2.3.1: both are form-encoded before they are put together.
            pair = f"{quote(self._place.client_id, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": self._place.client_id, "client_secret": secret}
        request = self._client.build_request("POST", self._place.token_url, data=form, headers=headers)
        answer = self._asked("token", request)
        if answer.status != HTTPStatus.OK:
            raise self._odd("token", f"the service answers {answer.status}: check client id, secret and scope")
        try:
            token = json.loads(answer.content)["access_token"]
        except (ValueError, KeyError, TypeError):
            token = None
        if not isinstance(token, str) or not token:
            raise self._odd("token", "the answer has no access_token")
        return token

    def _asked(self, what: str, request: httpx.Request) -> _Answer:
        """An answer that is no passing failure, after as many tries as it takes, each later than the one before."""
        for attempt in range(TRIES):
            wait = self._place.retry_seconds * 2**attempt
            try:
                answer = self._read(what, request)
            except httpx.TransportError as error:
                failed = f"no connection ({type(error).__name__})"
            else:
                if answer.status not in PASSING:
                    return answer
                failed = f"the service answers {answer.status}"
                wait = max(wait, answer.wait_seconds)
            if wait > LONGEST_WAIT_SECONDS:
                raise self._odd(what, f"{failed} and asks to wait for {wait:,.0f} s: the next run asks again")
            if attempt + 1 < TRIES:
                self._sleep(wait)
        raise self._odd(what, f"{failed}, {TRIES} times")

    def _read(self, what: str, request: httpx.Request) -> _Answer:
        """One try, its body bounded."""
        response = self._client.send(request, stream=True, auth=None)
        try:
            body = bytearray()
            for part in response.iter_bytes():
                body += part
                if len(body) > PAGE_BYTES:
                    raise self._odd(what, f"a page of over {PAGE_BYTES >> 20} MiB: ask for fewer records (page_size)")
        finally:
            response.close()
        link = response.links.get("next", {}).get("url", "")
        following = urljoin(str(response.url), link) if link else ""
        return _Answer(response.status_code, response.headers, bytes(body), following, bool(response.links))

    def _odd(self, what: str, how: str) -> CairnError:
        host = urlsplit(self._place.token_url if what == "token" else self._base(what)).netloc
        return CairnError(f"{what} of {host}: {how}; nothing was loaded")
