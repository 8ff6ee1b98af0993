"""Settings of one Cairn installation: ``cairn.toml``, environment ``CAIRN_*`` over it, flags over both."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

REPOSITORY = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """One typed object for every room; paths derive from ``home``.

    Addresses of the local stack are not settings: ports are free ones, chosen when the stack starts
    and written to ``stack_state_path``; see :meth:`address`.
    """

    model_config = SettingsConfigDict(env_prefix="CAIRN_", toml_file="cairn.toml", extra="ignore")

    home: Path = Field(default=Path(".cairn"), description="where data lives")
    district_dir: Path = Field(
        default=Path("district"), description="the district's own configuration, over that in schemas/district"
    )
    timezone: str = Field(default="America/Chicago", description="the district's time zone (IANA name)")
    lake_url: str = Field(default="", description="object store of the lake; a folder in home where empty")
    object_store_endpoint: str = Field(default="", description="address of an S3-like store; Amazon's where empty")
    object_store_region: str = Field(default="us-east-1", description="region of the object store")
    object_store_key_id: str = Field(default="", description="key id for the object store; the machine's role if empty")
    object_store_secret: SecretStr = Field(default=SecretStr(""), description="secret for the object store")
    pupil_buckets: int = Field(
        default=0, description="buckets of what grows with pupils, set when its tables are made; by the roster where 0"
    )
    key_buckets: int = Field(default=16, ge=1, description="ranges that the keys of accepted events are filed in")
    kafka_bootstrap: str = Field(default="", description="host:port of the broker; the local stack's where empty")
    spark_master: str = Field(default="local[*]", description="Spark master")
    spark_driver_memory: str = Field(default="1500m", description="heap of a Spark driver")
    duckdb_memory_limit: str = Field(default="1500MB", description="memory limit of the warehouse")
    activity_partitions: int = Field(default=4, description="partitions of learner.activity.v1")
    cache_dir: Path = Field(default=Path.home() / ".cache" / "cairn", description="jars, fetched once")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags (init) over environment over ``cairn.toml``."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    def model_post_init(self, _context: Any) -> None:
        """Make every path absolute once, so that a change of folder later changes nothing."""
        self.home = self.home.expanduser().resolve()
        own = self.district_dir.expanduser() if "district_dir" in self.model_fields_set else self.home / "district"
        self.district_dir = own.resolve()
        self.cache_dir = self.cache_dir.expanduser().resolve()

    @property
    def zone(self) -> ZoneInfo:
        """The district's time zone."""
        return ZoneInfo(self.timezone)

    @property
    def lake(self) -> str:
        """Root of the lake: a folder or a URL; tables are ``{lake}/{layer}/{table}``."""
        return self.lake_url.rstrip("/") or str(self.home / "lake")

    @property
    def stack_state_path(self) -> Path:
        """Addresses and process ids of the local stack, written by ``cairn up``."""
        return self.home / "stack" / "state.json"

    @property
    def logs_dir(self) -> Path:
        """One log a service."""
        return self.home / "logs"

    @property
    def vault_dir(self) -> Path:
        """The identity vault and the district's keys; opened by ``identity`` only."""
        return self.home / "vault"

    @property
    def keys_dir(self) -> Path:
        """Key files: the subject key and the sealing key, readable by the owner only."""
        return self.home / "keys"

    @property
    def sealed_dir(self) -> Path:
        """Originals of refused statements, sealed."""
        return self.home / "sealed"

    @property
    def checkpoints_dir(self) -> Path:
        """Streaming checkpoints."""
        return self.home / "checkpoints"

    @property
    def releases_dir(self) -> Path:
        """Blue/green warehouses: ``releases/learning/<id>/``, ``releases/evaluation/<id>/`` and ``current.json``."""
        return self.home / "releases"

    @property
    def feeds_dir(self) -> Path:
        """Per-school feed folders."""
        return self.home / "feeds"

    @property
    def reports_dir(self) -> Path:
        """Data Docs and dbt docs."""
        return self.home / "reports"

    @property
    def night_dir(self) -> Path:
        """State of each night: what ran, how long, from where to resume."""
        return self.home / "nights"

    def address(self, service: str) -> str:
        """Address of a service of the local stack: ``http://127.0.0.1:PORT/`` or the broker's ``host:port``.

        Raises LookupError, with what to do, where the stack is not up or has no such service.
        """
        if service == "broker" and self.kafka_bootstrap:
            return self.kafka_bootstrap
        try:
            services = json.loads(self.stack_state_path.read_text())["services"]
            return str(services[service]["address"])
        except (OSError, KeyError, ValueError) as error:
            raise LookupError(
                f"no address of {service!r} in {self.stack_state_path}: start the stack with 'cairn up'"
            ) from error


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
