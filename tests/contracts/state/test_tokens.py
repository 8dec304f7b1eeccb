"""Visitor tokens: a one-time identity belongs to its first session, and a session that is over stays so."""

from __future__ import annotations

import asyncio

from schemas.conversation_activity import SessionEnded
from schemas.ports import State
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.samples import NOW, later, new_id


async def test_an_identity_belongs_to_the_session_that_was_first(state: State) -> None:
    identity, until = new_id(), later(600)
    sessions = [new_id() for _ in range(20)]
    holders = await asyncio.gather(*(state.tokens.bind(identity, each, until=until, now=NOW) for each in sessions))
    assert len(set(holders)) == 1
    assert holders[0] in sessions
    assert await state.tokens.bind(identity, holders[0], until=until, now=later(300)) == holders[0]
    other = new_id()
    assert await state.tokens.bind(new_id(), other, until=until, now=NOW) == other


async def test_an_identity_that_has_expired_is_forgotten(state: State) -> None:
    identity, first = new_id(), new_id()
    await state.tokens.bind(identity, first, until=later(0.05), now=NOW)

    async def holder() -> str:
        return await state.tokens.bind(identity, new_id(), until=later(2), now=later(1))

    async with asyncio.timeout(30):
        while await holder() == first:  # noqa: ASYNC110  # Redis counts whole seconds of its own
            await asyncio.sleep(0.1)


async def test_a_session_that_was_ended_is_over_until_its_last_token_has_expired(state: State) -> None:
    conversation, session = new_id(), new_id()
    assert not await state.tokens.is_revoked(conversation, session, now=NOW)
    for _ in range(2):
        await state.tokens.revoke(conversation, session, until=later(days=30), now=NOW)
    assert await state.tokens.is_revoked(conversation, session, now=later(days=29))
    assert not await state.tokens.is_revoked(conversation, new_id(), now=NOW)


async def test_a_session_that_is_over_is_so_again_after_a_rebuild(state: State) -> None:
    conversation, session = new_id(), new_id()
    await state.rebuild.prepare(ALL_SHARDS)
    ended = SessionEnded(session=session, until=later(days=30), at=NOW)
    await asyncio.gather(*(state.rebuild.restore_session_ended(conversation, ended, now=NOW) for _ in range(2)))
    await state.rebuild.finish(ALL_SHARDS)
    assert await state.tokens.is_revoked(conversation, session, now=NOW)
