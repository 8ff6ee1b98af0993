"""The district's feeds.yaml: for each school the ways its feed is delivered, and where their secrets lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cairn.district import district_path, load_yaml_mapping
from cairn.errors import CairnError
from cairn.mastery.schema_check import check
from cairn.settings import Settings
from loading.pickup.config import LOOPBACK, FolderPlace, Secret, SftpPlace, secret_of, sftp_place

FEEDS_FILE = "feeds.yaml"


@dataclass(frozen=True)
class S3Place:
    """A prefix in a bucket of an S3-like store; Amazon's where ``endpoint`` is empty."""

    bucket: str
    prefix: str
    endpoint: str
    region: str
    key_id: str
    secret: Secret | None


@dataclass(frozen=True)
class Way:
    """One way to one place. ``where`` names it in receipts and messages, without anything secret."""

    kind: str
    place: FolderPlace | SftpPlace | S3Place
    where: str


def load_ways(settings: Settings) -> dict[str, list[Way]]:
    """The ways by school_id. Raises CairnError naming file and key of what is wrong."""
    path = district_path(settings, FEEDS_FILE)
    raw = load_yaml_mapping(path)
    check(raw, "feeds", str(path), mask="what is written")
    return {
        str(school): [_way(one, f"{path}: schools.{school}.{number}") for number, one in enumerate(ways)]
        for school, ways in raw["schools"].items()
    }


def _way(raw: Mapping[str, Any], where: str) -> Way:
    kind = raw["kind"]
    if kind == "folder":
        folder = FolderPlace(Path(raw["path"]).expanduser())
        return Way(kind, folder, str(folder.path))
    if kind == "sftp":
        server = sftp_place(raw, where)
        return Way(kind, server, f"{server.host}:{server.port}{server.path}")
    endpoint = raw.get("endpoint", "").rstrip("/")
    if endpoint.startswith("http://") and urlsplit(endpoint).hostname not in LOOPBACK:
        raise CairnError(f"{where}.endpoint: http:// can be changed on the way: use https://")
    store = S3Place(
        raw["bucket"],
        raw.get("prefix", ""),
        endpoint,
        raw.get("region", ""),
        raw.get("key_id", ""),
        secret_of(raw.get("secret")),
    )
    return Way(kind, store, f"{endpoint or 's3'}/{store.bucket}/{store.prefix}".rstrip("/"))
