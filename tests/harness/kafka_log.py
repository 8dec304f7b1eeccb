"""Reading the log of a running installation from beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from gateway.config.loader import load
from gateway.config.secret_keys import SigningKeys
from infra.bus.kafka import KafkaBus
from infra.bus.sealed_bus import EventSealer, SealedBus
from schemas.errors import StateLost
from schemas.ports import Bus
from schemas.privacy.contact_keys import ContactKey
from schemas.privacy.key_service import ContactKeyService


class _LogOnly:
    """A state store that was lost, so that keys come from the log. The one of the installation may be down."""

    async def get(self, tenant: str, contact: str) -> NoReturn:
        raise StateLost("only the log is read", shards=frozenset())

    async def get_each(self, owners: Sequence[tuple[str, str]]) -> NoReturn:
        raise StateLost("only the log is read", shards=frozenset())

    async def put(self, key: ContactKey) -> NoReturn:
        raise StateLost("only the log is read", shards=frozenset())

    async def remove(self, key: ContactKey) -> NoReturn:
        raise StateLost("only the log is read", shards=frozenset())


async def _find_nothing(_conversation: str) -> None:
    """Events are only read here."""


@asynccontextmanager
async def open_kafka_log(file: Path) -> AsyncIterator[Bus]:
    """The log of a scaled installation with this configuration, with its records opened."""
    config = load(file)
    bus = KafkaBus(config.bus.removeprefix("kafka://"), prefix=config.topic_prefix)
    secrets = SigningKeys(config.secret_key, "contact-keys")
    keys = ContactKeyService(
        bus=bus, keys=_LogOnly(), derive_secrets=lambda: secrets.valid_keys, clock=lambda: datetime.now(UTC)
    )
    await bus.start()
    try:
        yield SealedBus(bus, EventSealer(keys, _find_nothing))
    finally:
        await bus.close()
