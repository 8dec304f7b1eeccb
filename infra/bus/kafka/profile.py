"""Timeouts and sizes of the Kafka adapter. The production values tolerate slow brokers; tests use shorter ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infra.bus.kafka.access import OPEN, KafkaAccess

# Value and headers. With framing it still fits into what client and broker accept by default, a mebibyte.
LARGEST_RECORD = 1_000_000


@dataclass(frozen=True, slots=True)
class KafkaProfile:
    """Fields in ``_ms`` are milliseconds, deadlines are seconds.

    ``rebalance_timeout_ms`` must exceed the consumer's drain budget: a member that drains longer loses its partitions
    while it works. ``session_timeout_ms`` is how long a stopped static member keeps them."""

    session_timeout_ms: int = 30_000
    heartbeat_ms: int = 3_000
    rebalance_timeout_ms: int = 60_000
    max_poll_interval_ms: int = 300_000
    metadata_max_age_ms: int = 60_000
    retry_backoff_ms: int = 100
    request_timeout_ms: int = 30_000
    fetch_max_wait_ms: int = 250
    fetch_max_bytes: int = 16 * 1024 * 1024
    linger_ms: int = 0
    max_batch_bytes: int = 256 * 1024
    pending_records: int = 20_000
    pending_bytes: int = 64 * 1024 * 1024
    start_deadline: float = 10.0
    append_deadline: float = 5.0
    commit_deadline: float = 5.0
    admin_deadline: float = 15.0
    ready_deadline: float = 2.0
    close_deadline: float = 5.0
    read_stall: float = 30.0
    access: KafkaAccess = OPEN

    def client(self, bootstrap: str) -> dict[str, Any]:
        """Settings for every kind of client."""
        return {
            **self.access.client(),
            "bootstrap_servers": bootstrap.split(","),
            "client_id": "parley",
            "metadata_max_age_ms": self.metadata_max_age_ms,
            "retry_backoff_ms": self.retry_backoff_ms,
            "request_timeout_ms": self.request_timeout_ms,
        }

    def producer(self, bootstrap: str) -> dict[str, Any]:
        return self.client(bootstrap) | {
            "enable_idempotence": True,
            "acks": "all",
            "linger_ms": self.linger_ms,
            "max_batch_size": self.max_batch_bytes,
        }

    def consumer(self, bootstrap: str) -> dict[str, Any]:
        return self.client(bootstrap) | {
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "fetch_max_wait_ms": self.fetch_max_wait_ms,
            "fetch_max_bytes": self.fetch_max_bytes,
        }

    def member(self, bootstrap: str) -> dict[str, Any]:
        return self.consumer(bootstrap) | {
            "session_timeout_ms": self.session_timeout_ms,
            "heartbeat_interval_ms": self.heartbeat_ms,
            "rebalance_timeout_ms": self.rebalance_timeout_ms,
            "max_poll_interval_ms": self.max_poll_interval_ms,
        }


PRODUCTION = KafkaProfile()
