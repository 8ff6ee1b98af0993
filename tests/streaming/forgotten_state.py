"""Makes the state in which a broker leaves a transaction when it is killed before it told every partition.

The coordinator says that it is complete, and records of it are open in a partition. Without a kill: with the broker's
check switched off that a partition belongs to the transaction, records go to one that the coordinator does not know
of, and so never tells.
"""

from __future__ import annotations

from contextlib import closing

from kafka import TopicPartition, errors
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.protocol.producer import EndTxnRequest

from cairn.kafka_access import client_options
from cairn.settings import Settings
from streaming.topics import ACTIVITY, ALL, RECEIPTS
from streaming.transactions import TransactionalProducer

TOLD, UNTOLD = TopicPartition(RECEIPTS, 0), TopicPartition(ACTIVITY, 1)
CHECK = "transaction.partition.verification.enable"


def set_check(broker: Settings, value: str) -> None:
    admin = KafkaAdminClient(**client_options(broker))
    admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", {CHECK: value})])
    admin.close()


def begin(broker: Settings, name: str, text: bytes, family: str = "") -> TransactionalProducer:
    """A producer with records in two partitions, one of which the coordinator knows."""
    producer = TransactionalProducer(client_options(broker), name, ALL, family)
    producer._add_partitions([TOLD])
    producer._produce({TOLD: [(None, text)], UNTOLD: [(None, text)]})
    return producer


def end(producer: TransactionalProducer, is_committed: bool) -> None:
    request = EndTxnRequest(
        transactional_id=producer._id,
        producer_id=producer._producer.producer_id,
        producer_epoch=producer._producer.epoch,
        committed=is_committed,
        max_version=3,
    )
    for _ in ("noted", "told to all partitions that it knows"):
        while code := producer._ask(producer._coordinator, request).error_code:
            assert code == errors.ConcurrentTransactionsError.errno


def forget(broker: Settings, name: str, text: bytes, is_committed: bool) -> None:
    with closing(begin(broker, name, text)) as producer:
        end(producer, is_committed)
