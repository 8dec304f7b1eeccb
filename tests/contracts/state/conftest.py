"""``state``: an empty store, once on each engine of the registry."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from infra.state.registry import EMBEDDED, list_engines
from schemas.ports import State
from tests.contracts.state.engines import SEALED, OpenState, find_opener

_NAMES = [
    pytest.param(
        start + entry.name,
        marks=() if entry.name == EMBEDDED else pytest.mark.scaled,
        id=f"{start}{entry.name}".replace(" ", "-"),
    )
    for start in ("", SEALED)
    for entry in list_engines()
]


@pytest.fixture(params=_NAMES)
def open_state(request: pytest.FixtureRequest) -> OpenState:
    """Opens an empty store of the engine under test."""
    return find_opener(request.param, request)


@pytest.fixture
async def state(open_state: OpenState) -> AsyncIterator[State]:
    async with open_state() as state:
        yield state
