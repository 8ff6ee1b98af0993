"""Direct producers at a real broker with TLS, SCRAM and ACLs: who may write what, and the platform's own way in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    NewTopic,
    ResourcePattern,
    ResourceType,
)
from kafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailedError,
)
from pydantic import SecretStr
from typer.testing import CliRunner

from cairn.errors import CairnError, UsageError
from cairn.kafka_access import client_options, java_options
from cairn.settings import REPOSITORY, Settings
from cairn.settings import settings as process_settings
from cli import source
from infra.broker import DirectListener, start_broker
from infra.ports import free_port
from streaming import direct
from streaming.producer import Fate, GroupCommitter
from streaming.sources import SourceRegistry
from streaming.topics import ACTIVITY, ALL, RECEIPTS, REJECTED, Offsets, end_offsets, ensure_topics
from streaming.transactions import Message, TransactionalProducer
from tests.streaming.certificates import make_certificate
from tests.streaming.forgotten_state import forget, set_check

OTHER = "of.somebody.else"
PAGE = (REPOSITORY / "docs" / "how-to" / "connect-an-app.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Secured:
    """A broker with a listener for direct producers: settings on its machine, and that listener from outside."""

    inside: Settings
    address: str
    ca_file: Path

    def outside(self, username: str, password: str) -> Settings:
        """Settings of who comes by the listener for direct producers."""
        return Settings(
            home=self.inside.home,
            kafka_bootstrap=self.address,
            kafka_security_protocol="SASL_SSL",
            kafka_ca_file=str(self.ca_file),
            kafka_username=username,
            kafka_password=SecretStr(password),
        )

    def producer(self, username: str, password: str, **options: Any) -> KafkaProducer:
        given = {"bootstrap_timeout_ms": 5_000, "max_block_ms": 8_000, **options}
        return KafkaProducer(**client_options(self.outside(username, password)), **given)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    home = tmp_path_factory.mktemp("secured")
    ca_file, _, both = make_certificate(home)
    asked = Settings(
        home=home, broker_direct_address=f"localhost:{free_port()}", broker_direct_certificate_file=str(both)
    )
    running = start_broker(home, asked.cache_dir, direct=DirectListener.of(asked))
    inside = Settings(home=home, kafka_bootstrap=running.bootstrap)
    ensure_topics(inside)
    admin = KafkaAdminClient(bootstrap_servers=running.bootstrap)
    admin.create_topics([NewTopic(OTHER, 1, 1)])
    admin.close()
    registry = SourceRegistry(inside)
    for name in ("sis-bridge", "sis-bridge2", "stranger"):
        registry.add(name)
    registry.close()
    yield Secured(inside, asked.broker_direct_address, ca_file)
    running.stop()


def acl(secured: Secured, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> dict[str, Any]:
    """``cairn source acl`` on the broker's machine, with --json."""
    monkeypatch.setenv("CAIRN_HOME", str(secured.inside.home))
    monkeypatch.setenv("CAIRN_KAFKA_BOOTSTRAP", secured.inside.kafka_bootstrap)
    process_settings.cache_clear()
    try:
        done = CliRunner().invoke(source.app, ["acl", *arguments, "--json"])
        assert done.exit_code == 0, (done.output, done.exception)
        found: dict[str, Any] = json.loads(done.stdout)
        return found
    finally:
        process_settings.cache_clear()


def send(producer: KafkaProducer, topic: str) -> None:
    """Send one record and wait for the broker's answer; raises what it says."""
    producer.send(topic, b"{}", partition=0).get(timeout=10)


def wait_for_more(secured: Secured, before: Offsets) -> Offsets:
    """Wait until more activity and receipts are committed than before; where the topics end then."""
    deadline = time.monotonic() + 20
    while True:
        after = end_offsets(secured.inside)
        if all(sum(after[topic].values()) > sum(before[topic].values()) for topic in (ACTIVITY, RECEIPTS)):
            return after
        assert time.monotonic() < deadline, "committed, and never seen"
        time.sleep(0.1)


@pytest.mark.broker
def test_a_direct_producer_writes_its_own_and_nothing_else(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    let_in = acl(secured, monkeypatch, "sis-bridge", "--apply")
    me = "sis-bridge", let_in["password"]
    before = end_offsets(secured.inside)
    producer = secured.producer(*me, transactional_id=f"{let_in['transactional_id_prefix']}1")
    producer.init_transactions()
    producer.begin_transaction()
    for topic in (ACTIVITY, RECEIPTS):
        send(producer, topic)
    producer.commit_transaction()
    producer.close()
    after = wait_for_more(secured, before)

    plain = secured.producer(*me, enable_idempotence=False)
    for topic in (REJECTED, OTHER):
        with pytest.raises(TopicAuthorizationFailedError):
            send(plain, topic)
    plain.close()
    assert end_offsets(secured.inside)[REJECTED] == after[REJECTED]
    # Neither another producer's ids, whose name begins like its own, nor the gateway's.
    for foreign in ("sis-bridge2:1", GroupCommitter(secured.inside).transactional_id):
        other = secured.producer(*me, transactional_id=foreign)
        with pytest.raises(TransactionalIdAuthorizationFailedError):
            other.init_transactions()
        other.close(timeout=0)


def refusal(options: dict[str, Any]) -> str:
    """Why a client of these options is turned away. In a process of its own: kafka-python leaves such sockets open."""
    client = f"kafka.KafkaConsumer(**{options!r}, bootstrap_timeout_ms=1_500)"
    program = f"import kafka, logging; logging.basicConfig(); {client}"
    refused = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    return refused.stderr


@pytest.mark.broker
def test_who_is_not_let_in_stays_out(secured: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ACLs, a wrong password, no TLS, no user any more; and nobody reads."""
    password = acl(secured, monkeypatch, "stranger", "--apply")["password"]
    reading = KafkaConsumer(
        **client_options(secured.outside("stranger", password)), bootstrap_timeout_ms=5_000, enable_auto_commit=False
    )
    reading.assign([TopicPartition(ACTIVITY, 0)])
    reading.seek(TopicPartition(ACTIVITY, 0), 0)
    with pytest.raises(TopicAuthorizationFailedError):
        reading.poll(timeout_ms=10_000)
    reading.close()

    producer = secured.producer("stranger", password, enable_idempotence=False)
    send(producer, ACTIVITY)
    shut_out = acl(secured, monkeypatch, "stranger", "--remove")
    assert shut_out["removed"] == 6
    before = end_offsets(secured.inside)[ACTIVITY]
    with pytest.raises(KafkaError):
        send(producer, ACTIVITY)
    producer.close()
    without_a_user, guessing = (client_options(secured.outside("stranger", one)) for one in (password, "guess"))
    for wrong in (without_a_user, guessing, {"bootstrap_servers": secured.address}):
        assert "Error" in refusal(wrong)
    assert end_offsets(secured.inside)[ACTIVITY] == before


@pytest.mark.broker
def test_the_platform_itself_comes_by_tls_and_name(secured: Secured) -> None:
    """As on a cluster of the district's: topics, ends and the gateway's transactions by SASL_SSL."""
    password = direct.let_in(secured.inside, direct.producer("sis-bridge2"), with_password=True)
    assert password is not None
    platform = secured.outside("sis-bridge2", password)
    assert REJECTED not in end_offsets(platform), "not among what it may see yet"
    # What docs/how-to/connect-an-app.md asks who runs the cluster for.
    prefixed = ACLResourcePatternType.PREFIXED
    patterns = [
        ResourcePattern(ResourceType.TOPIC, "learner.activity", prefixed),
        ResourcePattern(ResourceType.TRANSACTIONAL_ID, "cairn-", prefixed),
    ]
    admin = KafkaAdminClient(bootstrap_servers=secured.inside.kafka_bootstrap)
    admin.create_acls(
        [ACL("User:sis-bridge2", "*", ACLOperation.ALL, ACLPermissionType.ALLOW, one) for one in patterns]
    )
    # What the broker left behind is ended by whoever may alter the cluster, and nobody begins over it.
    committer = GroupCommitter(platform)
    set_check(secured.inside, "false")
    forget(secured.inside, committer.transactional_id, b"{}", is_committed=True)
    with pytest.raises(ClusterAuthorizationFailedError):
        TransactionalProducer(client_options(platform), committer.transactional_id, ALL)
    cluster = ResourcePattern(ResourceType.CLUSTER, "kafka-cluster")
    admin.create_acls([ACL("User:sis-bridge2", "*", ACLOperation.ALTER, ACLPermissionType.ALLOW, cluster)])
    admin.close()
    committer.start()
    assert committer.send([Message(topic, 0, None, b"{}") for topic in ALL]) is Fate.COMMITTED
    committer.stop()
    assert end_offsets(platform) == end_offsets(secured.inside)
    # A certificate that nobody known has signed.
    assert "CERTIFICATE_VERIFY_FAILED" in refusal(client_options(platform.model_copy(update={"kafka_ca_file": ""})))


def test_spark_is_told_the_same_in_its_own_words(tmp_path: Path) -> None:
    certificate, key, _ = make_certificate(tmp_path)
    given = Settings(
        home=tmp_path,
        kafka_security_protocol="SASL_SSL",
        kafka_ca_file=str(certificate),
        kafka_certificate_file=str(certificate),
        kafka_key_file=str(key),
        kafka_username="cairn",
        kafka_password=SecretStr('a "quoted" \\ word'),
    )
    options = java_options(given)
    assert (
        options["ssl.truststore.certificates"] == options["ssl.keystore.certificate.chain"] == certificate.read_text()
    )
    assert options["ssl.keystore.key"] == key.read_text()
    assert options["sasl.jaas.config"].endswith('username="cairn" password="a \\"quoted\\" \\\\ word";')
    assert java_options(Settings(home=tmp_path)) == {}


def test_files_may_lie_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for kafka-python, which knows no tilde, as for Spark."""
    make_certificate(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    options = {"kafka_security_protocol": "SSL", "kafka_ca_file": "~/certificate.pem"}
    given = Settings(home=tmp_path, kafka_bootstrap="broker.example:9093", **options)
    assert client_options(given)["ssl_cafile"] == str(tmp_path / "certificate.pem")
    assert java_options(given)["ssl.truststore.certificates"] == (tmp_path / "certificate.pem").read_text()


def test_settings_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    for wrong, said in (
        ({"kafka_username": "cairn"}, "SASL_SSL"),
        ({"kafka_security_protocol": "SASL_SSL"}, "CAIRN_KAFKA_PASSWORD"),
        ({"kafka_security_protocol": "SSL", "kafka_certificate_file": "c.pem"}, "go together"),
    ):
        with pytest.raises(CairnError, match=said):
            client_options(Settings(home=tmp_path, kafka_bootstrap="broker.example:9093", **wrong))
    for wrong, said in (({"broker_direct_address": "9093"}, "host:port"), ({"broker_direct_address": "a:1"}, "PEM")):
        with pytest.raises(UsageError, match=said):
            DirectListener.of(Settings(home=tmp_path, **wrong))


@pytest.mark.broker
def test_the_page_about_connecting_an_app_says_what_works(
    secured: Secured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its commands in their order, and its producer, with this broker's address and files."""
    monkeypatch.setenv("CAIRN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CAIRN_KAFKA_BOOTSTRAP", secured.inside.kafka_bootstrap)
    process_settings.cache_clear()
    commands = [line.split()[2:] for line in PAGE.splitlines() if line.startswith("    cairn source ")]
    assert [command[0] for command in commands] == ["add", "rotate", "list", "rotate", "add", "asked", "acl"]
    said = [CliRunner().invoke(source.app, [*command, "--json"], catch_exceptions=False) for command in commands]
    process_settings.cache_clear()
    assert [done.exit_code for done in said] == [0] * len(commands)
    monkeypatch.setenv("SIS_BRIDGE_PASSWORD", json.loads(said[-1].stdout)["password"])

    program = PAGE.split("```python\n")[1].split("```")[0]
    program = program.replace("cairn.district.example:9093", secured.address)
    program = program.replace("district-ca.pem", str(secured.ca_file))
    for topic, name in ((ACTIVITY, "record.json"), (RECEIPTS, "receipt.json")):
        sample = sorted((REPOSITORY / "schemas" / "events" / topic / "passing").glob("*.json"))[0]
        program = program.replace(name, str(sample))
    before = end_offsets(secured.inside)
    exec(compile(program, "connect-an-app.md", "exec"), {})
    wait_for_more(secured, before)


def test_the_settings_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"^((?:kafka|gateway|broker)_\w+) =", PAGE, re.MULTILINE))
    assert len(named) == 12
    assert named <= set(Settings.model_fields)
