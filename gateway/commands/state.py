"""`parley state` and `parley topics`: maintenance of the state store and of the topics."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.commands.common.options import AsJson, ConfigFile, confirm, load, run
from gateway.commands.common.printing import note, print_json
from schemas.errors import Conflict, SetupError
from schemas.validation.texts import describe_count

if TYPE_CHECKING:
    from gateway.config.settings import Config

state = typer.Typer(help="Rebuild or salvage the state store.", no_args_is_help=True)
topics = typer.Typer(help="Create the topics of the event log, and give them more partitions.", no_args_is_help=True)


@state.callback()
def state_group() -> None:
    """Rebuild or salvage the state store."""


@topics.callback()
def topics_group() -> None:
    """Create the topics of the event log, and give them more partitions."""


@state.command()
def rebuild(
    config: ConfigFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    as_json: AsJson = False,
) -> None:
    """Empty the state store and rebuild it from the event log. Processing pauses meanwhile; nothing is lost."""
    loaded = load(config)
    confirm("Empty the state store and rebuild it from the event log?", is_sure=yes)
    report = run(_rebuild(loaded))
    if as_json:
        print_json(report)
    else:
        counts = {key: value for key, value in report.items() if type(value) is int}
        typer.echo(", ".join(f"{key} {value}" for key, value in counts.items()))


@state.command()
def salvage(
    target: Annotated[Path, typer.Argument(help="The folder to create.", show_default=False)],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Copy what is readable in a damaged data folder. Restore a backup instead, if there is one."""
    from infra.state.sqlite.recovery.salvage import salvage as save

    loaded = load(config)
    if not loaded.embedded:
        raise SetupError(
            f"this installation keeps its data in {loaded.servers}",
            fix="docs/operations.md describes how to recover those",
        )
    tables = save(loaded.data_path, target.absolute())
    if as_json:
        print_json({table.table: {"rows": table.rows, "complete": table.complete} for table in tables})
        return
    for table in tables:
        others = "" if table.complete else ", others could not be read"
        typer.echo(f"{table.table}: {describe_count(table.rows, 'row')}{others}")
    note(f"set `data_dir` to {target}, and start")


@topics.command()
def create(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Create the topics that do not exist yet."""
    created = run(_create(load(config)))
    if as_json:
        print_json({"created": created})
    else:
        typer.echo(f"created {', '.join(created)}" if created else "all topics exist")


@topics.command()
def expand(
    config: ConfigFile = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for processes that have just stopped.")] = 60,
    as_json: AsJson = False,
) -> None:
    """Raise the partitions of channels' topics to the configured number. Stop every process first."""
    from gateway.wiring.engines import refuse_embedded

    loaded = load(config)
    refuse_embedded(loaded, "topics expand")
    raised = {f"{loaded.topic_prefix}{topic}": numbers for topic, numbers in run(_expand(loaded, wait)).items()}
    if as_json:
        print_json({"expanded": {topic: {"before": old, "after": new} for topic, (old, new) in raised.items()}})
        return
    for topic, (before, after) in raised.items():
        typer.echo(f"{topic}: {before} → {after} partitions")
    if not raised:
        typer.echo("all topics have the configured number of partitions")


async def _create(config: Config) -> list[str]:
    from gateway.wiring.engines import open_engine, required_topics

    async with open_engine(config, config.data_path) as engine:
        return [f"{config.topic_prefix}{name}" for name in await engine.bus.create_topics(required_topics(config))]


async def _expand(config: Config, wait: float) -> dict[str, tuple[int, int]]:
    from gateway.wiring.engines import build_kafka_bus, channels_of, required_topics, state_location
    from infra.bus.kafka.expansion import expand_topics
    from infra.state.registry import load_engine
    from schemas.topics import list_readers

    bus = build_kafka_bus(config)
    state = await load_engine(config.state).open_state(state_location(config))
    try:
        await bus.start()
        readers = list_readers(channels_of(config), config.desks.values())
        return await expand_topics(bus, state.parking, required_topics(config), readers, wait=wait)
    finally:
        await state.close()
        await bus.close()


async def _rebuild(config: Config) -> dict[str, Any]:
    """Rebuild the state under the lease that running processes use too, so that only one rebuilds it at a time."""
    import asyncio
    from dataclasses import asdict
    from uuid import uuid4

    from gateway.wiring.engines import channels_of, open_engine, periods_of
    from infra.bus.partitioner import SHARDS
    from infra.state.rebuild import rebuild as rebuild_state
    from infra.state.recovery import GRACE, LEASE, LEASE_TTL

    holder = f"command-{uuid4().hex}"
    async with open_engine(config, config.data_path) as engine:
        leases, now = engine.state.leases, datetime.now(UTC)
        if await leases.acquire(LEASE, holder, ttl=LEASE_TTL, now=now) is None:
            raise Conflict(
                "another process is rebuilding the state", fix="wait until it is done, then run it again if needed"
            )
        renewal = asyncio.create_task(_renew(leases, LEASE, holder, LEASE_TTL))
        try:
            report = await rebuild_state(
                engine.bus,
                engine.state.rebuild,
                frozenset(range(SHARDS)),
                channels=channels_of(config),
                grace=0.0 if config.embedded else GRACE,
                now=now,
                periods=periods_of(config),
                progress=lambda item, count: note(f"{count} {item}"),
            )
        finally:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
            await leases.release(LEASE, holder)
    return asdict(report)


async def _renew(leases: Any, name: str, holder: str, ttl: float) -> None:
    import asyncio

    while True:
        await asyncio.sleep(ttl / 4)
        await leases.acquire(name, holder, ttl=ttl, now=datetime.now(UTC))
