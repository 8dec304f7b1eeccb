"""The bus and the state store that the configuration names: one SQLite file in embedded mode, else servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from connectors.settings import Settings
from gateway.config.secret_keys import SigningKeys
from gateway.config.settings import Config, Tenant
from infra.bus.sealed_bus import EventSealer, SealedBus
from infra.state.registry import StateLocation, load_engine, server_engines
from schemas import topics
from schemas.errors import BusUnavailable, SetupError, TopicMismatch
from schemas.ports import Bus, RetentionPeriods, State
from schemas.privacy.key_service import ContactKeyService
from schemas.privacy.sealed_bodies import BodySealer
from schemas.privacy.sealed_files import FileSealer
from schemas.topics import TopicSpec, topic_specs

if TYPE_CHECKING:
    from infra.bus.kafka import KafkaAccess, KafkaBus
    from infra.database import Database
    from infra.state.sqlite.store import SharedLog


@dataclass(frozen=True, slots=True)
class Engine:
    """The bus and the state store. ``self_repair`` checks and repairs the store while the process serves; None: others
    do. ``sealer`` seals under the keys of contacts; None without a secret key."""

    bus: Bus
    state: State
    sealer: EventSealer | None = None
    self_repair: Callable[[], Coroutine[object, object, None]] | None = None

    @property
    def contact_keys(self) -> ContactKeyService | None:
        return None if self.sealer is None else self.sealer.keys


def channels_of(config: Config) -> list[str]:
    """The channels on which at least one tenant has an account."""
    tenants = config.tenants.values()
    return sorted({name for tenant in tenants for name, accounts in tenant.channels.accounts().items() if accounts})


def required_topics(config: Config) -> list[TopicSpec]:
    """The topics that this installation needs."""
    return topic_specs(
        channels_of(config),
        partitions=config.partitions,
        small=min(6, config.partitions),
        days=retention_of(config),
        channel_partitions=config.channel_partitions,
    )


def retention_of(config: Config) -> dict[str, int]:
    """How many days each topic keeps records: the longest ``retention`` of the tenants that use it."""
    days: dict[str, int] = {}
    for tenant in config.tenants.values():
        for topic, wanted in _wanted_days(tenant).items():
            days[topic] = max(days.get(topic, 0), wanted)
    return days


def periods_of(config: Config) -> dict[str, RetentionPeriods]:
    """How long the state of each tenant is kept."""
    return {name: tenant.retention.periods for name, tenant in config.tenants.items()}


def describe_longer_retention(config: Config) -> list[str]:
    """Descriptions of topics that keep a tenant's records longer than its ``retention``, because others share them."""
    days = retention_of(config)
    return [
        f"{name}: {topic} keeps records for {days[topic]} days instead of {wanted}, because another tenant needs that"
        for name, tenant in config.tenants.items()
        for topic, wanted in _wanted_days(tenant).items()
        if days[topic] > wanted
    ]


def _wanted_days(tenant: Tenant) -> dict[str, int]:
    retention = tenant.retention
    days = {topics.EVENTS: retention.events_days, topics.AUDIT: retention.audit_days}
    for name, accounts in tenant.channels.accounts().items():
        if accounts:
            days |= {topics.inbound(name): retention.inbound_days, topics.outbound(name): retention.outbound_days}
    return days


@asynccontextmanager
async def open_engine(config: Config, data_dir: Path) -> AsyncIterator[Engine]:
    """Open and start the bus and the state store, and close them at the end."""
    opened = _open_embedded(config, data_dir) if config.embedded else _open_scaled(config)
    async with opened as engine:
        yield engine


@asynccontextmanager
async def _open_embedded(config: Config, data_dir: Path) -> AsyncIterator[Engine]:
    from infra.bus.sqlite import SqliteBus
    from infra.state.sqlite.recovery.repair import FileRepair
    from infra.state.sqlite.sealed_log import SealedLog

    database = _open_database(data_dir)
    try:
        bus = SqliteBus(database, desks=config.desks, clock=lambda: datetime.now(UTC))
        log = SealedLog(bus)
        state = await load_engine(config.state).open_state(state_location(config, database, log))
        log.sealer = _build_sealer(config, bus, state)
        sealed = SealedBus(bus, log.sealer) if log.sealer else bus
        mender = FileRepair(database, sealed, state, lambda: datetime.now(UTC))
        await mender.start()
        try:
            await bus.start()
            await bus.create_topics(required_topics(config))
        except (SetupError, BusUnavailable):
            await mender.start(whole=True)  # a large file is only checked as a whole after a failure
            await bus.start()
            await bus.create_topics(required_topics(config))
        try:
            yield Engine(sealed, state, log.sealer, mender.run)
        finally:
            await state.close()
            await bus.close()
    finally:
        await database.close()


def _build_sealer(config: Config, bus: Bus, state: State) -> EventSealer | None:
    """The sealer of events under the keys of contacts, which also seal the state from now on; None where no secret
    could wrap keys."""
    if not config.secret_key.keys:
        return None
    secrets = SigningKeys(config.secret_key, "contact-keys")
    keys = ContactKeyService(
        bus=bus,
        keys=state.contact_keys,
        derive_secrets=lambda: secrets.valid_keys,
        clock=partial(datetime.now, UTC),  # asked ten times in a turn, and a lambda takes twice as long
    )
    events = EventSealer(keys, state.conversations.get, is_sealing=config.encrypt_log)
    if state.seal_with is not None:
        state.seal_with(BodySealer(keys, is_sealing=config.encrypt_state, note_contact=events.remember))
    return events


def build_file_sealer(config: Config, engine: Engine) -> FileSealer | None:
    """The sealer of files; None where no secret could wrap keys."""
    if engine.sealer is None:
        return None
    find_contact, clock = engine.sealer.load_contact, lambda: datetime.now(UTC)
    return FileSealer(engine.sealer.keys, find_contact, clock, is_sealing=config.encrypt_files)


def _open_database(data_dir: Path) -> Database:
    from infra.database import Database, database_file

    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Database.open(database_file(data_dir))


def state_location(config: Config, database: Database | None = None, log: SharedLog | None = None) -> StateLocation:
    """The location of the state. ``database``: the open file in embedded mode, for those who work with the state;
    ``log``: the log in it, for the workers."""
    prefix = f"{config.topic_prefix}parley"
    return StateLocation(config.state, config.data_path, prefix, config.state_settings, database, log)


def kafka_access(config: Config) -> KafkaAccess:
    """How to connect to the brokers. Raises MissingDependency if the client is not installed."""
    from infra.bus.kafka import KafkaAccess

    return KafkaAccess(**reveal_secrets(config.kafka))


def reveal_secrets(settings: Settings) -> dict[str, Any]:
    """The values of a section with its secrets as plain texts, for the adapter that needs them."""
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in settings.model_dump().items()
    }


def build_kafka_bus(config: Config) -> KafkaBus:
    """The log as it is on the brokers, where what contacts said is encrypted."""
    from infra.bus.kafka import KafkaBus

    brokers = config.bus.removeprefix("kafka://")
    return KafkaBus(brokers, prefix=config.topic_prefix, desks=config.desks, access=kafka_access(config))


@asynccontextmanager
async def _open_scaled(config: Config) -> AsyncIterator[Engine]:
    bus = build_kafka_bus(config)
    state = await load_engine(config.state).open_state(state_location(config))
    await bus.start()
    sealer = _build_sealer(config, bus, state)
    try:
        yield Engine(SealedBus(bus, sealer) if sealer else bus, state, sealer)
    finally:
        await state.close()
        await bus.close()


async def check_topics(bus: Bus, config: Config) -> None:
    """Raises TopicMismatch if a topic is missing, or has another number of partitions than the configuration."""
    present = await bus.describe_topics()
    for spec in required_topics(config):
        if spec.name not in present:
            raise TopicMismatch(f"topic {spec.name} does not exist", fix="run: parley topics create")
        if present[spec.name] != spec.partitions:
            raise TopicMismatch(
                f"topic {spec.name} has {present[spec.name]} partitions, but the configuration says {spec.partitions}",
                fix="set `partitions` or `channel_partitions` to the topic's number; to give a channel more, stop "
                "every process and run: parley topics expand",
            )


def refuse_embedded(config: Config, command: str) -> None:
    """Raise SetupError if the configuration uses SQLite, which separate processes cannot share."""
    if config.bus == "sqlite" or config.state == "sqlite":
        names = " or ".join(entry.title for entry in server_engines())
        schemes = " or ".join(f"`state: {entry.schemes[0]}://…`" for entry in server_engines())
        raise SetupError(
            f"`parley {command}` needs Kafka and {names}; this configuration uses SQLite",
            fix=f"set `bus: kafka://…` and {schemes}, or start everything in one process with `parley dev`",
        )
