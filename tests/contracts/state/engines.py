"""The state stores under test, from the registry: each passes the same suite.

A server is given by the session fixture ``<name>_url``, if there is one, or by the environment variable ``<NAME>_URL``.
A package with an engine brings either; the suite does not name it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from infra.database import Database
from infra.state.registry import EMBEDDED, StateLocation, load_engine
from schemas.ports import State

ALL_SHARDS = frozenset(range(256))
OpenState = Callable[[], AbstractAsyncContextManager[State]]


def find_opener(engine: str, request: pytest.FixtureRequest) -> OpenState:
    """How a test opens an empty store of this engine, as often as it likes."""
    if engine == EMBEDDED:
        folder: Path = request.getfixturevalue("tmp_path")
        return lambda: embedded_state(folder / uuid4().hex / "parley.db")
    url = _find_server(engine, request)
    return lambda: server_state(url)


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
async def server_state(url: str) -> AsyncIterator[State]:
    """A state of its own on a shared server, by a prefix nobody else has."""
    state = await load_engine(url).open_state(StateLocation(url, Path(), f"t{uuid4().hex[:12]}"))
    try:
        await state.rebuild.prepare(ALL_SHARDS)
        await state.rebuild.finish(ALL_SHARDS)
        yield state
    finally:
        await state.close()
