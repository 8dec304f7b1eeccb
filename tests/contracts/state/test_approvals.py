"""Expired approvals are found from the facts of each conversation, indexed in the step that commits them."""

from __future__ import annotations

from schemas.actions import ActionMemory, PendingApproval
from schemas.conversation import Facts
from schemas.ports import State
from tests.contracts.state.engines import ALL_SHARDS, OpenState
from tests.contracts.state.samples import NOW, begin_turn, commit_turn, later, new_id
from tests.contracts.state.test_rebuild import snapshot


def facts(*expire: float) -> Facts:
    """With an approval for each of these seconds from now."""
    approvals = [
        PendingApproval(
            id=new_id(),
            action="refund",
            arguments={},
            digest="d",
            contact_id="contact-1",
            reason="above 50",
            requested_at=NOW,
            expires_at=later(seconds),
        )
        for seconds in expire
    ]
    return Facts(actions=ActionMemory(approvals=approvals))


async def ask_for_approvals(state: State, *expire: float) -> str:
    conversation = new_id()
    await commit_turn(state, conversation, await begin_turn(state, conversation), facts=facts(*expire))
    return conversation


async def list_expiring(state: State, seconds: float, limit: int = 9) -> list[str]:
    return await state.conversations.list_expiring(before=later(seconds), limit=limit)


async def test_those_whose_first_approval_has_expired_are_told_the_longest_first(state: State) -> None:
    late, soon, never = (
        await ask_for_approvals(state, 20),
        await ask_for_approvals(state, 30, 10),
        await ask_for_approvals(state),
    )
    assert await list_expiring(state, 10) == []
    assert await list_expiring(state, 10.5) == [soon]
    assert await list_expiring(state, 60) == [soon, late]
    assert await list_expiring(state, 60, limit=1) == [soon]
    assert never not in await list_expiring(state, 10_000)


async def test_a_commit_without_approvals_settles_it(state: State) -> None:
    conversation = await ask_for_approvals(state, 10)
    await commit_turn(state, conversation, await begin_turn(state, conversation), facts=facts())
    assert await list_expiring(state, 60) == []


async def test_a_commit_that_was_stale_changes_nothing(state: State) -> None:
    conversation = await ask_for_approvals(state, 10)
    start = await begin_turn(state, conversation)
    await begin_turn(state, conversation)
    assert await commit_turn(state, conversation, start, facts=facts()) == "stale"
    assert await list_expiring(state, 60) == [conversation]


async def test_a_postponed_approval_waits_unless_a_commit_changes_it(state: State) -> None:
    conversation = await ask_for_approvals(state, 10)
    await state.conversations.postpone(conversation, later(100))
    assert await list_expiring(state, 60) == []
    assert await list_expiring(state, 101) == [conversation]
    await commit_turn(state, conversation, await begin_turn(state, conversation), facts=facts(20))
    assert await list_expiring(state, 60) == [conversation]


async def test_nothing_is_postponed_where_nothing_is_open(state: State) -> None:
    conversation = await ask_for_approvals(state)
    await state.conversations.postpone(conversation, later(1))
    assert await list_expiring(state, 60) == []


async def test_a_rebuild_knows_them_from_the_snapshot(state: State, open_state: OpenState) -> None:
    conversation, settled = await ask_for_approvals(state, 10), await ask_for_approvals(state)
    async with open_state() as other:
        await other.rebuild.prepare(ALL_SHARDS)
        for each in (conversation, settled):
            await other.rebuild.restore(await snapshot(state, each))
        await other.rebuild.finish(ALL_SHARDS)
        assert await list_expiring(other, 60) == [conversation]
