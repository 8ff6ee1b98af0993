"""Systems of the district that produce to Kafka themselves: their user at the broker, and the little it may do.

It may write activity and its receipts, under transactional ids that begin with its own name, and nothing else: read no
topic, refuse nothing, take no other producer's transactions. The broker knows topics and not sources: what such a
system writes as ``source_id`` is not held against its user, so it must be one that the district trusts with that.
"""

from __future__ import annotations

import secrets
import shlex
from dataclasses import dataclass

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from kafka.errors import KafkaError, NoError, SecurityDisabledError

from cairn.errors import CairnError
from cairn.kafka_access import SCRAM, client_options
from cairn.settings import Settings
from cairn.topics import ACTIVITY, RECEIPTS

MAY_WRITE = (ACTIVITY, RECEIPTS)
OPERATIONS = (ACLOperation.WRITE, ACLOperation.DESCRIBE)
# Not among the characters of a source's name: no name's ids can begin with another's.
DELIMITER = ":"
PASSWORD_BYTES = 24
# kafka-python's default, and the least that a broker takes.
ITERATIONS = 4096


@dataclass(frozen=True)
class Direct:
    """A direct producer. ``principal``: who the broker takes it for, ``User:NAME`` by password or ``User:CN=...``."""

    source_id: str
    principal: str

    @property
    def transactional_id_prefix(self) -> str:
        """What its transactional ids begin with."""
        return f"{self.source_id}{DELIMITER}"

    def acls(self) -> list[ACL]:
        """All that it may do."""
        patterns = [ResourcePattern(ResourceType.TOPIC, topic) for topic in MAY_WRITE]
        patterns.append(
            ResourcePattern(
                ResourceType.TRANSACTIONAL_ID, self.transactional_id_prefix, ACLResourcePatternType.PREFIXED
            )
        )
        return [
            ACL(self.principal, "*", operation, ACLPermissionType.ALLOW, pattern)
            for pattern in patterns
            for operation in OPERATIONS
        ]

    def commands(self) -> list[str]:
        """The same as Kafka's own programs say it, for who runs the broker."""
        program = "kafka-acls.sh --bootstrap-server HOST:PORT --command-config ADMIN.properties --add"
        may = " ".join(f"--operation {operation.name.capitalize()}" for operation in OPERATIONS)
        allow = f"--allow-principal {shlex.quote(self.principal)} {may}"
        prefix = f"--transactional-id {shlex.quote(self.transactional_id_prefix)} --resource-pattern-type prefixed"
        return [*(f"{program} {allow} --topic {topic}" for topic in MAY_WRITE), f"{program} {allow} {prefix}"]


def producer(source_id: str, principal: str | None = None) -> Direct:
    """The direct producer of a source; by password where no other principal is named."""
    return Direct(source_id, principal or f"User:{source_id}")


def let_in(settings: Settings, who: Direct, with_password: bool) -> str | None:
    """Make the ACLs at the broker and, with a password, its user; returns the password, which nobody keeps.

    Done again it makes a new password, with which the old one ends. Raises CairnError where the broker refuses.
    """
    with _admin(settings) as admin:
        for error in admin.client.create_acls(who.acls())["failed"]:
            raise error
        if not with_password:
            return None
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        upsertion = UserScramCredentialUpsertion(who.source_id, ScramMechanism.SCRAM_SHA_512, password, ITERATIONS)
        admin.scram(who.source_id, upsertion)
        return password


def shut_out(settings: Settings, who: Direct) -> int:
    """Take a producer's ACLs and its user away; how many ACLs went. What it sends from then on is refused."""
    anything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)
    wanted = ACLFilter(who.principal, "*", ACLOperation.ANY, ACLPermissionType.ANY, anything)
    with _admin(settings) as admin:
        ((_, gone, error),) = admin.client.delete_acls([wanted])
        if error is not NoError:
            raise error
        known = admin.client.describe_user_scram_credentials([who.source_id])[who.source_id]
        if known["error"] is None:
            admin.scram(who.source_id, UserScramCredentialDeletion(who.source_id, ScramMechanism.SCRAM_SHA_512))
        return len(gone)


class _admin:
    """The broker's administration, as a context manager whose errors are one line."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __enter__(self) -> _admin:
        try:
            self.client = KafkaAdminClient(
                client_id="cairn-direct",
                request_timeout_ms=10_000,
                bootstrap_timeout_ms=5_000,
                **client_options(self._settings),
            )
        except (KafkaError, LookupError) as error:
            raise CairnError(
                f"no broker can be asked ({error}): see 'cairn status' and kafka_* in cairn.toml"
            ) from None
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.client.close()
        if isinstance(error, SecurityDisabledError):
            raise CairnError("the broker has no authorizer: set broker_direct_address, or the cluster's own") from None
        if isinstance(error, KafkaError):
            raise CairnError(f"the broker refuses ({error}): kafka_username needs ALTER on the cluster") from None

    def scram(self, user: str, change: UserScramCredentialUpsertion | UserScramCredentialDeletion) -> None:
        """Change a user's password at the broker."""
        failed = self.client.alter_user_scram_credentials([change])[user]
        if failed:
            raise CairnError(f"the broker does not change user {user} ({SCRAM}): {failed}")
