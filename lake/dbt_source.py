"""dbt's sources through the lake's own door: a plugin of dbt-duckdb that hands DuckDB an Arrow dataset, no extension.

Beside them models may call ``durable_share``, the compiled formula (:mod:`lake.share_function`). A source's
``lake_table`` names the table. ``CAIRN_LAKE_VERSIONS`` (JSON: table to version) pins those that a night wrote, so
that a build reads what the night committed, whatever is written meanwhile.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pyarrow.dataset as ds
from dbt.adapters.duckdb.plugins import BasePlugin
from dbt.adapters.duckdb.utils import SourceConfig

from cairn.settings import settings
from lake import share_function
from lake.dataset import EVERY, dataset
from lake.sql import Connection

VERSIONS_VARIABLE = "CAIRN_LAKE_VERSIONS"


class Plugin(BasePlugin):
    """What ``plugins: - module: lake.dbt_source`` in profiles.yml loads."""

    def initialize(self, _config: dict[str, Any]) -> None:
        """Nothing to prepare: settings come from the environment, as everywhere."""

    def configure_connection(self, conn: Connection) -> None:
        """The share on a date as a function, with models as of the night's version where the table is pinned."""
        share_function.register(conn, settings(), _pinned().get(share_function.MODEL))

    def load(self, source_config: SourceConfig) -> ds.Dataset:
        """The table that the source names, at the night's version of it where it is pinned."""
        name = str(source_config["lake_table"])
        return dataset(settings(), name, EVERY, _pinned().get(name))

    def default_materialization(self) -> str:
        """A view: what a model does not ask for is not read."""
        return "view"


def _pinned() -> dict[str, int]:
    """Table to version, of those that are pinned."""
    found: dict[str, int] = json.loads(os.environ.get(VERSIONS_VARIABLE) or "{}")
    return found
