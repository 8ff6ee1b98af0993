"""Where a table lies, on a folder or an object store, and how it is reached there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.exceptions import DeltaError
from pyarrow import fs

from cairn.contracts import load_contract
from cairn.errors import CairnError
from cairn.settings import Settings

# How object_store colours and indents the causes of an error.
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def table_uri(settings: Settings, name: str) -> str:
    """Where table ``layer.table`` lies: a folder or a URL."""
    contract = load_contract(name)
    return f"{settings.lake}/{contract.layer}/{contract.table}"


def join(uri: str, path: str) -> str:
    """A path below a folder or URL."""
    return f"{uri.rstrip('/')}/{path}"


def storage_options(settings: Settings) -> dict[str, str] | None:
    """What deltalake needs to reach an object store; None for a folder."""
    if not settings.is_on_object_store:
        return None
    options = {
        "AWS_REGION": settings.object_store_region,
        "AWS_ACCESS_KEY_ID": settings.object_store_key_id,
        "AWS_SECRET_ACCESS_KEY": settings.object_store_secret.get_secret_value(),
        # Two writers at once: the second of the same version is refused by the store (If-None-Match), not lost.
        "aws_conditional_put": "etag",
    }
    if settings.object_store_endpoint:
        options["AWS_ENDPOINT_URL"] = settings.object_store_endpoint.rstrip("/")
        options["AWS_ALLOW_HTTP"] = str(settings.object_store_endpoint.startswith("http://")).lower()
    return {key: value for key, value in options.items() if value}


def table_filesystem(settings: Settings, name: str) -> fs.FileSystem:
    """An Arrow file system whose root is the table."""
    return filesystem_at(settings, table_uri(settings, name))


def filesystem_at(settings: Settings, uri: str) -> fs.FileSystem:
    """An Arrow file system whose root is a folder or URL of the lake.

    Not deltalake's own, which calls Python from threads of its own: every third process that ended soon after a read
    died with "terminate called without an active exception".
    """
    if "://" not in uri:
        return fs.SubTreeFileSystem(uri, fs.LocalFileSystem())
    store = _store(
        settings.object_store_endpoint.rstrip("/"),
        settings.object_store_region,
        settings.object_store_key_id,
        settings.object_store_secret.get_secret_value(),
        os.getpid(),
    )
    return fs.SubTreeFileSystem(uri.partition("://")[2], store)


@cache
def _store(endpoint: str, region: str, key_id: str, secret: str, _process: int) -> fs.S3FileSystem:
    """One client a process: it keeps its connections, and must not be carried over a fork."""
    scheme, _, host = endpoint.rpartition("://")
    return fs.S3FileSystem(
        access_key=key_id or None,
        secret_key=secret or None,
        region=region or None,
        endpoint_override=host or None,
        scheme=scheme or "https",
    )


def open_table(settings: Settings, name: str, version: int | None = None) -> DeltaTable:
    """The table at its newest, or a named, version. Raises CairnError where it, or that version, is not there."""
    uri = table_uri(settings, name)
    try:
        return DeltaTable(uri, version=version, storage_options=storage_options(settings))
    except Exception as error:
        if not exists(settings, name):
            raise CairnError(f"no table {name} at {uri}: nothing was written to it yet") from error
        at = "" if version is None else f" at version {version}"
        said = str(error).splitlines()[0][:200]
        raise CairnError(f"table {name}{at} cannot be read ({said}): restore {uri} from backup") from error


def exists(settings: Settings, name: str) -> bool:
    """Whether the table has been created. Raises CairnError where the object store does not say."""
    return is_table(settings, table_uri(settings, name))


def is_table(settings: Settings, uri: str) -> bool:
    """Whether a table lies at an address of the lake. Raises CairnError where the object store does not say."""
    try:
        return bool(DeltaTable.is_deltatable(uri, storage_options(settings)))
    except OSError as error:
        if not settings.is_on_object_store:
            raise
        store = settings.object_store_endpoint or "Amazon S3"
        said = " ".join(_COLOURS.sub("", str(error)).replace("↳", " ").split())
        for secret in (settings.object_store_key_id, settings.object_store_secret.get_secret_value()):
            said = said.replace(secret, "***") if secret else said
        raise CairnError(
            f"the object store {store} does not let us read {uri} ({said[:300]}): "
            "check lake_url, object_store_endpoint, object_store_key_id and object_store_secret"
        ) from error


def create_at(
    settings: Settings, uri: str, schema: pa.Schema, partitions: Sequence[str], configuration: Mapping[str, str]
) -> None:
    """Create an empty Delta table; where one is there, or another process makes it meanwhile, that one stands."""
    try:
        DeltaTable.create(
            uri,
            schema,
            mode="ignore",
            partition_by=list(partitions) or None,
            configuration=dict(configuration),
            storage_options=storage_options(settings),
            commit_properties=CommitProperties(max_commit_retries=0),
        )
    except DeltaError:
        # "ignore" looks first and commits then. Of two at once the second must fail at version 0: where it may try
        # again, it commits its own table over the first one's rows, as a later version with another id.
        if not is_table(settings, uri):
            raise


def make_folder(uri: str) -> None:
    """Make the folder of a table that lies on a file system."""
    if "://" not in uri:
        Path(uri).mkdir(parents=True, exist_ok=True)


def count_rows(settings: Settings, name: str) -> int:
    """Rows of a table, from the numbers in its log; 0 where it was not created yet."""
    if not exists(settings, name):
        return 0
    return int(open_table(settings, name).count())


def actual_columns(settings: Settings, name: str) -> list[str]:
    """The columns that the table has, whatever its contract says; none where it was not created yet."""
    return [field.name for field in open_table(settings, name).schema().fields] if exists(settings, name) else []
