"""Settings of one Cairn installation: ``cairn.toml``, environment ``CAIRN_*`` over it, flags over both."""

from __future__ import annotations

import json
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from cairn.errors import UsageError

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
    lake_url: str = Field(default="", description="the lake's s3://bucket/prefix; a folder in home where empty")
    object_store_endpoint: str = Field(default="", description="address of an S3-like store; Amazon's where empty")
    object_store_region: str = Field(default="us-east-1", description="region of the object store")
    object_store_key_id: str = Field(default="", description="key id for the object store; the machine's role if empty")
    object_store_secret: SecretStr = Field(default=SecretStr(""), description="secret for the object store")
    adult_places_per_class: int = Field(
        default=5, ge=1, description="pupils a class whom an adult can see first; the rest are one tap away"
    )
    carry_replaced_discount: float = Field(
        default=0.9, gt=0, le=1, description="what a share is multiplied by where it is carried to what replaces it"
    )
    carry_match_discount: float = Field(
        default=0.95, gt=0, le=1, description="what a share is multiplied by where it is carried to an exact match"
    )
    carry_steps: int = Field(
        default=3, ge=1, le=6, description="most relations in a row (replacedBy, exactMatchOf) that carry a standing"
    )
    rollup_mastered_pct: int = Field(
        default=80, ge=1, le=100, description="weight of mastered parts from which a competency with parts is mastered"
    )
    rollup_evidence_pct: int = Field(
        default=50, ge=1, le=100, description="weight of parts with evidence from which its parts say anything of it"
    )
    pace_target_share: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="share of a class's plan (pupils and competencies) that is to be mastered by the school year's end",
    )
    pupil_buckets: int = Field(
        default=0, description="buckets of what grows with pupils, set when its tables are made; by the roster where 0"
    )
    key_buckets: int = Field(default=16, ge=1, description="ranges that the keys of accepted events are filed in")
    gateway_host: str = Field(
        default="127.0.0.1", description="address the gateway listens on; 0.0.0.0 lets other machines reach it"
    )
    gateway_port: int = Field(default=0, ge=0, description="port of the gateway; a free one where 0")
    gateway_certificate_file: str = Field(
        default="", description="PEM file of the gateway's certificate and what signed it: it speaks TLS then"
    )
    gateway_key_file: str = Field(default="", description="PEM file of that certificate's key")
    gateway_url: str = Field(
        default="", description="how senders on this machine call the gateway, as https://cairn.district.example:8443/"
    )
    gateway_ca_file: str = Field(
        default="", description="PEM file of who signs the gateway's certificate; the machine's own list where empty"
    )
    kafka_bootstrap: str = Field(default="", description="host:port of the broker; the local stack's where empty")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_SSL"] = Field(
        default="PLAINTEXT",
        description="how the platform's clients speak to the broker; SASL_SSL is with a user's name",
    )
    kafka_ca_file: str = Field(
        default="", description="PEM file of who signs the broker's certificate; the machine's own list where empty"
    )
    kafka_certificate_file: str = Field(default="", description="PEM file of the platform's certificate, if asked for")
    kafka_key_file: str = Field(default="", description="PEM file (PKCS #8) of that certificate's key")
    kafka_username: str = Field(default="", description="the platform's user at the broker (SCRAM-SHA-512)")
    kafka_password: SecretStr = Field(default=SecretStr(""), description="that user's password")
    broker_direct_address: str = Field(
        default="",
        description="host:port at which systems of the district produce to the local stack's broker (SASL_SSL, ACLs);"
        " nobody from outside where empty",
    )
    broker_direct_certificate_file: str = Field(
        default="", description="PEM file for it: key (PKCS #8), certificate and what signed it, in this order"
    )
    spark_master: str = Field(
        default="local[*]", description="Spark master: local[*], local[N], spark://host:port, yarn or k8s://..."
    )
    spark_driver_memory: str = Field(default="1500m", description="heap of a Spark driver (with local[*] of all Spark)")
    spark_driver_max_result_size: str = Field(
        default="512m", description="most that all tasks of a job may send to the driver together"
    )
    spark_driver_host: str = Field(
        default="",
        description="address at which executors reach the driver; 127.0.0.1 on one machine, else Spark's choice",
    )
    spark_driver_bind_address: str = Field(
        default="", description="address the driver listens on; spark_driver_host where empty"
    )
    spark_executor_memory: str = Field(default="2g", description="heap of an executor on a cluster")
    spark_executor_cores: int = Field(
        default=0, ge=0, description="cores of an executor on a cluster; all of its worker's where 0"
    )
    spark_cores_max: int = Field(
        default=0, ge=0, description="cores that one job may take of a cluster; all that are free where 0"
    )
    spark_parallelism: int = Field(
        default=0, ge=0, description="tasks of a stage unless told; one a core where 0 (local or spark_cores_max)"
    )
    spark_shuffle_partitions: int = Field(
        default=0,
        ge=0,
        description="partitions after a shuffle; two a core where 0, Spark's own on a cluster of unknown size",
    )
    spark_python: str = Field(default="", description="Python on the executors; the driver's own where empty")
    spark_python_path: str = Field(
        default="",
        description="PYTHONPATH of the executors, to find Cairn's packages; this copy's folder where empty",
    )
    spark_options: dict[str, str] = Field(
        default_factory=dict,
        description="more Spark options by name, over all others (a table in cairn.toml, JSON in the environment)",
    )
    duckdb_memory_limit: str = Field(default="1500MB", description="memory limit of the warehouse")
    activity_partitions: int = Field(default=4, description="partitions of learner.activity.v1")
    activity_retention_days: int = Field(
        default=12,
        ge=1,
        le=12,
        description="days that the topic of activity keeps a record which the lake holds; gone two days later at most",
    )
    gateway_processes: int = Field(
        default=1, ge=1, le=64, description="processes that the gateway runs on its one port; about one a free core"
    )
    live_memory_mb: int = Field(
        default=256, ge=1, description="most that the live service keeps in memory of pupils' standing evidence, in MiB"
    )
    cache_dir: Path = Field(default=Path.home() / ".cache" / "cairn", description="jars, fetched once")
    trusted_proxies: list[str] = Field(
        default=[], description="addresses or networks of proxies whose X-Forwarded-For the portal believes"
    )
    portal_hosts: list[str] = Field(
        default=[], description="names the portal is asked by, beside the loopback's; *.name for all below a name"
    )
    portal_behind_tls: bool = Field(
        default=False, description="a proxy in front of the portal speaks TLS: Secure cookies and HSTS"
    )
    portal_local_accounts: bool = Field(
        default=True, description="accounts of 'cairn account add' may sign in by their password"
    )
    oidc_issuer: str = Field(
        default="", description="issuer of the district's identity provider (OpenID Connect), https; none where empty"
    )
    oidc_client_id: str = Field(default="", description="the portal's client id at the identity provider")
    oidc_client_secret_file: str = Field(
        default="", description="file (mode 0600) with the portal's secret at the identity provider"
    )
    oidc_scopes: str = Field(default="openid profile email", description="scopes that the portal asks for")
    oidc_label: str = Field(
        default="your district account", description="what the sign-in page calls an account of the provider"
    )

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

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_addresses(cls, given: list[str]) -> list[str]:
        """Refuse what is no address or network: a name, or a star, would believe anybody."""
        for one in given:
            ip_network(one)
        return given

    def model_post_init(self, _context: Any) -> None:
        """Make every path absolute once, so that a change of folder later changes nothing."""
        self.home = self.home.expanduser().resolve()
        own = self.district_dir.expanduser() if "district_dir" in self.model_fields_set else self.home / "district"
        self.district_dir = own.resolve()
        self.cache_dir = self.cache_dir.expanduser().resolve()
        for name in type(self).model_fields:
            if name.endswith("_file") and (file := getattr(self, name)):
                setattr(self, name, str(Path(file).expanduser()))
        if "://" in self.lake_url and not self.lake_url.startswith("s3://"):
            scheme = self.lake_url.partition("://")[0]
            raise UsageError(f"lake_url: {scheme}:// is not supported: use a folder or s3://bucket/prefix")
        if self.lake_url and "://" not in self.lake_url:
            self.lake_url = str(Path(self.lake_url).expanduser().resolve())

    def environment(self) -> dict[str, str]:
        """These settings as ``CAIRN_*`` for another process, secrets in the clear: to be handed on, never logged."""
        found = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                value = value.get_secret_value()
            found[f"CAIRN_{name.upper()}"] = json.dumps(value) if isinstance(value, dict | list) else str(value)
        return found

    @property
    def is_on_object_store(self) -> bool:
        """Whether the lake lies on an object store."""
        return "://" in self.lake

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
    def pickup_dir(self) -> Path:
        """Files that the scheduled pick-up took or refused, by source, and what it remembers."""
        return self.home / "pickup"

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
        if service == "gateway" and self.gateway_url:
            return self.gateway_url
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
