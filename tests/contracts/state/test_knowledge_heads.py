"""Heads: how far a tenant's knowledge was written, only ever upwards."""

from __future__ import annotations

import asyncio

from schemas.ports import State


async def test_a_head_only_rises(state: State) -> None:
    assert await state.heads.of("plantstore") == {}
    await asyncio.gather(*(state.heads.advance("plantstore", 0, offset) for offset in (3, 11, 2, 9)))
    await state.heads.advance("plantstore", 2, 0)
    assert await state.heads.of("plantstore") == {0: 11, 2: 0}


async def test_each_tenant_has_its_own_heads(state: State) -> None:
    await state.heads.advance("plantstore", 0, 5)
    assert await state.heads.of("other") == {}
