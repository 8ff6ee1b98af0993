"""The district's pickup.yaml: sources of files, what is taken of each, and where their secrets lie."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cairn.district import district_path, load_yaml_mapping
from cairn.errors import CairnError
from cairn.mastery.schema_check import check
from cairn.settings import Settings
from cairn.whole_file import private_text

PICKUP_FILE = "pickup.yaml"
ROSTER = "roster"
ROSTERING = ("orgs", "academicSessions", "courses", "classes", "users", "enrollments", "demographics")
# What a token is asked for where the district names nothing (OneRoster 1.2, security: the read-only scopes).
SCOPES = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
SCOPE = f"{SCOPES}roster.readonly {SCOPES}roster-demographics.readonly"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Secret:
    """Where a secret lies; read when it is needed, and never shown."""

    variable: str = ""
    path: str = ""

    def read(self) -> str:
        """The secret. Raises CairnError where it is not there, or where others than its owner may read the file."""
        if self.variable:
            found = os.environ.get(self.variable, "")
            if not found:
                raise CairnError(f"the environment has no {self.variable}: set it where the pick-up runs")
            return found
        return private_text(Path(self.path), PICKUP_FILE)


@dataclass(frozen=True)
class Take:
    """Files of a name (``*`` stands for any characters) and the command that takes them, with its layout."""

    match: str
    load: str
    layout: str = ""

    def fits(self, name: str) -> bool:
        """Whether a file of that name is meant."""
        return fnmatchcase(name.lower(), self.match.lower())


@dataclass(frozen=True)
class FolderPlace:
    """A folder on this machine into which others drop files."""

    path: Path


@dataclass(frozen=True)
class SftpPlace:
    """A folder on an SFTP server, whose host key stands in ``known_hosts``."""

    host: str
    port: int
    username: str
    path: str
    known_hosts: Path
    client_key: Path | None = None
    passphrase: Secret | None = None
    password: Secret | None = None


@dataclass(frozen=True)
class RestPlace:
    """A OneRoster 1.2 service with OAuth 2 client credentials (1EdTech Security Framework 1.1, section 4)."""

    base_url: str
    gradebook_url: str
    token_url: str
    client_id: str
    client_secret: Secret
    client_auth: str
    scope: str
    collections: tuple[str, ...]
    page_size: int
    is_delta: bool
    whole_every_days: int
    overlap_hours: int
    retry_seconds: float


@dataclass(frozen=True)
class Source:
    """One source. ``takes``: the first rule that fits a name counts; ``removes``: what was dealt with is removed there.

    ``every_minutes``: a service is asked no more often, unless somebody names it.
    """

    name: str
    kind: str
    place: FolderPlace | SftpPlace | RestPlace
    takes: tuple[Take, ...] = ()
    removes: bool = False
    stable_seconds: int = 60
    marker: str = ""
    accepts_refusals: bool = False
    keep_days: int = 14
    every_minutes: int = 0

    def marker_of(self, name: str) -> str:
        """The name of the file whose coming says that this one is whole; empty where the source has no markers."""
        return self.marker.replace("{name}", name)

    def take_of(self, name: str) -> Take | None:
        """The rule for a file; None for one that nobody asked for."""
        return next((take for take in self.takes if take.fits(name)), None)

    def place_of(self, name: str) -> int:
        """The place of the file's rule in the list: rosters can stand before what leans on them."""
        return next((number for number, take in enumerate(self.takes) if take.fits(name)), len(self.takes))


def load_sources(settings: Settings) -> list[Source]:
    """The district's sources, in the order of the file. Raises CairnError naming file and key of what is wrong."""
    path = district_path(settings, PICKUP_FILE)
    raw = load_yaml_mapping(path)
    check(raw, "pickup", str(path), mask="what is written")
    return [_source(name, given, path) for name, given in raw["sources"].items()]


def chosen(sources: list[Source], names: list[str]) -> list[Source]:
    """The sources of these names, all where none is given. Raises CairnError for a name that there is not."""
    missing = [name for name in names if name not in {source.name for source in sources}]
    if missing:
        there = ", ".join(source.name for source in sources) or "none"
        raise CairnError(f"no source {', '.join(missing)} in {PICKUP_FILE}: there is {there}")
    return [source for source in sources if not names or source.name in names]


def _source(name: str, raw: Mapping[str, Any], path: Path) -> Source:
    where = f"{path}: sources.{name}"
    kind = raw["kind"]
    place: FolderPlace | SftpPlace | RestPlace
    if kind == "folder":
        place = FolderPlace(Path(raw["path"]).expanduser())
    elif kind == "sftp":
        place = _sftp(raw, where)
    else:
        place = _rest(raw, where)
    takes = tuple(Take(one["match"], one["load"], one.get("layout", "")) for one in raw.get("take") or ())
    return Source(
        name=name,
        kind=kind,
        place=place,
        takes=takes or (Take("*", ROSTER),),
        removes=raw.get("after", "remove" if kind == "folder" else "keep") == "remove",
        stable_seconds=raw.get("stable_seconds", 60),
        marker=raw.get("marker", ""),
        accepts_refusals=raw.get("accept_refusals", False),
        keep_days=raw.get("keep_days", 14),
        every_minutes=raw.get("every_minutes", 60 if kind == "oneroster" else 0),
    )


def _sftp(raw: Mapping[str, Any], where: str) -> SftpPlace:
    key = raw.get("client_key")
    if not key and "password" not in raw:
        raise CairnError(f"{where}: give client_key (the path of a private key) or password")
    return SftpPlace(
        host=raw["host"],
        port=raw.get("port", 22),
        username=raw["username"],
        path=raw["path"].rstrip("/") or "/",
        known_hosts=Path(raw["known_hosts"]).expanduser(),
        client_key=Path(key).expanduser() if key else None,
        passphrase=_secret(raw.get("passphrase")),
        password=_secret(raw.get("password")),
    )


def _rest(raw: Mapping[str, Any], where: str) -> RestPlace:
    for name in ("base_url", "gradebook_url", "token_url"):
        address = urlsplit(raw.get(name, ""))
        if address.scheme == "http" and address.hostname not in LOOPBACK:
            raise CairnError(f"{where}.{name}: http:// shows the token to everybody on the way: use https://")
    collections = tuple(raw.get("collections") or ROSTERING)
    if not raw.get("gradebook_url") and set(collections) - set(ROSTERING):
        raise CairnError(f"{where}: lineItems and results come from the gradebook's service: give gradebook_url")
    secret = _secret(raw["client_secret"])
    assert secret is not None  # the schema asks for it
    return RestPlace(
        base_url=raw["base_url"].rstrip("/"),
        gradebook_url=raw.get("gradebook_url", "").rstrip("/"),
        token_url=raw["token_url"],
        client_id=raw["client_id"],
        client_secret=secret,
        client_auth=raw.get("client_auth", "basic"),
        scope=raw.get("scope", SCOPE),
        collections=collections,
        page_size=raw.get("page_size", 1000),
        is_delta=raw.get("delta", True),
        whole_every_days=raw.get("whole_every_days", 7),
        overlap_hours=raw.get("overlap_hours", 24),
        retry_seconds=raw.get("retry_seconds", 1.0),
    )


def _secret(raw: Mapping[str, str] | None) -> Secret | None:
    return Secret(raw.get("env", ""), raw.get("file", "")) if raw else None
