"""The state stores under test, from the registry: each passes the same suite.

A server is given by the session fixture ``<name>_url``, if there is one, or by the environment variable ``<NAME>_URL``.
A package with an engine brings either; the suite does not name it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from infra.bus.sqlite import SqliteBus
from infra.database import Database
from infra.state.registry import EMBEDDED, StateLocation, load_engine
from schemas.ports import State
from schemas.privacy.key_service import ContactKeyService
from schemas.privacy.sealed_bodies import BodySealer
from schemas.topics import topic_specs

ALL_SHARDS = frozenset(range(256))
SEALED = "sealed "
OpenState = Callable[[], AbstractAsyncContextManager[State]]


def find_opener(engine: str, request: pytest.FixtureRequest) -> OpenState:
    """How a test opens an empty store of this engine, as often as it likes. ``sealed NAME`` is an engine that encrypts
    what it stores."""
    name, folder = engine.removeprefix(SEALED), request.getfixturevalue("tmp_path")
    if name == EMBEDDED:

        def open_state() -> AbstractAsyncContextManager[State]:
            return embedded_state(folder / uuid4().hex / "parley.db")

    else:
        url = _find_server(name, request)

        def open_state() -> AbstractAsyncContextManager[State]:
            return server_state(url)

    return open_state if name == engine else lambda: sealed_state(open_state(), folder / uuid4().hex / "keys.db")


@asynccontextmanager
async def sealed_state(opened: AbstractAsyncContextManager[State], log: Path) -> AsyncIterator[State]:
    """The state, encrypted under keys whose log is in a file of its own."""
    async with opened as state, open_keys(state, log) as keys:
        assert state.seal_with is not None
        state.seal_with(BodySealer(keys))
        yield state


@asynccontextmanager
async def open_keys(
    state: State, log: Path, secrets: Sequence[bytes] = (b"1" * 32,)
) -> AsyncIterator[ContactKeyService]:
    """The keys of contacts of this state, whose log is in a file of its own. ``secrets`` may change meanwhile."""
    database = Database.open(log)
    bus = SqliteBus(database)
    await bus.start()
    await bus.create_topics(topic_specs(["web"], partitions=2, small=2))
    try:
        yield ContactKeyService(
            bus=bus, keys=state.contact_keys, derive_secrets=lambda: secrets, clock=lambda: datetime.now(UTC)
        )
    finally:
        await bus.close()
        await database.close()


def _find_server(engine: str, request: pytest.FixtureRequest) -> str:
    variable = f"{engine.upper()}_URL"
    try:
        return str(request.getfixturevalue(variable.lower()))
    except pytest.FixtureLookupError:
        if url := os.environ.get(variable):
            return url
    raise LookupError(f"no server for the state engine {engine}: set {variable}, or add a fixture {variable.lower()}")


@asynccontextmanager
async def embedded_state(path: Path) -> AsyncIterator[State]:
    database = Database.open(path)
    state = await load_engine(EMBEDDED).open_state(StateLocation(EMBEDDED, path.parent, database=database))
    try:
        yield state
    finally:
        await state.close()
        await database.close()


@asynccontextmanager
async def server_state(url: str, prefix: str = "") -> AsyncIterator[State]:
    """A state of its own on a shared server, by a prefix nobody else has."""
    state = await load_engine(url).open_state(StateLocation(url, Path(), prefix or f"t{uuid4().hex[:12]}"))
    try:
        await state.rebuild.prepare(ALL_SHARDS)
        await state.rebuild.finish(ALL_SHARDS)
        yield state
    finally:
        await state.close()
