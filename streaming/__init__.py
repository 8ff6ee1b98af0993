"""Kafka: gateway, topics, producer, receipts, rejected and replay, live."""
