"""Whatever a store holds, retention removes nothing that is younger, that somebody waits for, or that must be
remembered; and it removes everything else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.actions import ActionMemory, PendingApproval, PendingConfirmation
from schemas.conversation import Facts, Owner, Turn
from schemas.ports import State
from tests.contracts.state.engines import OpenState
from tests.contracts.state.retention_samples import GROUPS, PERIODS, days_ago, retention_of, sweep
from tests.contracts.state.samples import (
    NOW,
    attachment,
    begin_turn,
    commit_turn,
    conversation_of,
    line,
    make_intended,
    make_settled,
    new_id,
    origin,
    outbound,
    record,
    reply,
)
from tests.harness.sizes import size

AGES = st.sampled_from([0.5, 7, 9.5, 11, 29, 31, 45, 300])


@dataclass(frozen=True)
class SampleConversation:
    """A conversation: the ages of its messages in days, the oldest first, and what somebody may still wait for."""

    ages: tuple[float, ...]
    channel: str
    owner: Owner
    unanswered: bool
    late_answer: bool
    unpublished: bool
    unsent: bool
    pending_line: bool
    parked: bool
    in_doubt: bool
    approval: bool
    confirmation: float | None
    """Hours until the confirmation expires."""
    turn_ages: tuple[float, ...]

    @property
    def is_awaited(self) -> bool:
        waits_for_answer = self.owner == "agent" and (self.unanswered or self.late_answer)
        is_open = self.approval or (self.confirmation is not None and self.confirmation > 0)
        is_under_way = self.unpublished or self.unsent or self.parked or self.in_doubt
        return self.owner in ("queue", "person") or waits_for_answer or is_open or is_under_way

    def keeps_line(self, number: int) -> bool:
        """Return whether the line of this message must stay."""
        return self.is_awaited or self.ages[number] < 30

    def is_removed(self) -> bool:
        """Return whether nothing may be left."""
        return not self.is_awaited and not self.pending_line and min(self.ages) > 30


@st.composite
def sample_conversations(draw: st.DrawFn) -> SampleConversation:
    rare = st.sampled_from([False, False, False, False, False, True])
    return SampleConversation(
        ages=tuple(sorted(draw(st.lists(AGES, min_size=1, max_size=3)), reverse=True)),
        channel=draw(st.sampled_from(["web", "slack"])),
        owner=draw(st.sampled_from(["agent", "agent", "closed", "queue", "person"])),
        unanswered=draw(rare),
        late_answer=draw(rare),
        unpublished=draw(rare),
        unsent=draw(rare),
        pending_line=draw(rare),
        parked=draw(rare),
        in_doubt=draw(rare),
        approval=draw(rare),
        confirmation=draw(st.sampled_from([None, None, None, -1.0, 5.0])),
        turn_ages=tuple(draw(st.lists(st.sampled_from([1.0, 9.0, 11.0, 40.0]), max_size=3, unique=True))),
    )


def build_memory(shape: SampleConversation) -> ActionMemory | None:
    if not shape.approval and shape.confirmation is None:
        return None
    common: dict[str, Any] = {"id": "i", "action": "refund", "arguments": {}, "digest": "d", "contact_id": "contact-1"}
    approvals = [PendingApproval(**common, reason="r", requested_at=days_ago(60), expires_at=days_ago(59))]
    expires_at = NOW + timedelta(hours=shape.confirmation or 0)
    confirmation = PendingConfirmation(
        **common, message_id="m", turn_id="t", asked_at=days_ago(60), expires_at=expires_at
    )
    return ActionMemory(
        approvals=approvals if shape.approval else [],
        confirmation=None if shape.confirmation is None else confirmation,
    )


async def build_conversation(state: State, shape: SampleConversation) -> str:
    where = origin(channel=shape.channel)
    conversation, last = conversation_of(where), days_ago(shape.ages[-1])
    facts = Facts(
        heard_at=last,
        answered_at=last - timedelta(minutes=1) if shape.late_answer else last,
        unanswered=("waiting",) if shape.unanswered else (),
        actions=build_memory(shape),
    )
    for number, age in enumerate(shape.ages):
        at = days_ago(age)
        await state.transcript.add(
            conversation, line(id=f"{number}", created_at=at, attachments=[attachment(new_id())])
        )
        begun = await begin_turn(state, conversation, f"e{number}", now=at, where=where)
        events = [reply(conversation, at=at)] if shape.unpublished and number == 0 else []
        handled = [f"e{number}"]
        if number < len(shape.ages) - 1:
            await commit_turn(state, conversation, begun, handled=handled, outbox=events, now=at)
            continue
        if shape.in_doubt:
            intended = make_intended(at=at, due=at, deadline=at)
            claim = await state.journal.claim(conversation, intended, token=begun.token, epoch=0, now=at)
            assert claim.verdict == "go"
            await state.journal.record(conversation, make_settled(outcome="unknown", at=at))
        await commit_turn(state, conversation, begun, handled=handled, outbox=events, facts=facts, now=at)
    if shape.pending_line:
        await state.transcript.add(conversation, line(id="reply", author="agent", state="pending", created_at=last))
    if shape.unsent:
        await state.deliveries.begin_send(
            conversation, outbound(id="reply", expires_at=last + timedelta(days=1)), deadline=5, now=last
        )
    if shape.parked:
        await state.parking.park(GROUPS[1], conversation, [record(1, conversation)], until=last)
    for age in shape.turn_ages:
        await state.turns.add(conversation, Turn(id=f"t{age}", handled=[], route="local", at=days_ago(age)))
    if shape.owner != "agent":
        request = new_id()
        won = await state.conversations.own(
            conversation, shape.owner, expected_epoch=0, request_id=request, by="p", now=last
        )
        assert won.won
        await state.conversations.published(
            conversation, [event.id for event in await state.conversations.read_outbox(conversation)][-1:]
        )
    return conversation


async def check_shape(state: State, conversation: str, shape: SampleConversation) -> None:
    kept = [each.id for each in await state.transcript.read(conversation)]
    for number in range(len(shape.ages)):
        if shape.keeps_line(number):
            assert str(number) in kept
        else:
            assert str(number) not in kept
    held = await state.conversations.get(conversation)
    turns = {turn.id for turn in await state.turns.list_newest(conversation)}
    if shape.is_removed():
        assert (held, kept, turns) == (None, [], set())
        assert await state.transcript.head(conversation) == (len(shape.ages) if shape.channel == "web" else 0)
        return
    assert held is not None
    assert held.version == len(shape.ages)
    assert held.facts.unanswered == (("waiting",) if shape.unanswered else ())
    assert ("reply" in kept) == shape.pending_line
    assert {f"t{age}" for age in shape.turn_ages if shape.is_awaited or age < 10} == turns
    assert bool(await state.conversations.read_outbox(conversation)) == shape.unpublished
    assert (await state.deliveries.intent_deadline(conversation, "reply") is not None) == shape.unsent
    assert len(await state.parking.read(GROUPS[1], conversation, limit=5)) == shape.parked
    assert len(await state.journal.list_in_doubt(conversation)) == shape.in_doubt
    begun = await begin_turn(state, conversation, *(f"e{number}" for number in range(len(shape.ages))))
    assert len(begun.handled) == len(shape.ages)


def test_retention_removes_what_has_expired_and_nothing_else(open_state: OpenState) -> None:
    async def check(shape_list: list[SampleConversation]) -> None:
        async with open_state() as state:
            conversations = [await build_conversation(state, shape) for shape in shape_list]
            await sweep(state)
            files = {each.conversation for each in await retention_of(state).list_removals(limit=1_000)} - {""}
            for conversation, shape in zip(conversations, shape_list, strict=True):
                await check_shape(state, conversation, shape)
                lines = range(len(shape.ages))
                assert (conversation in files) == any(not shape.keeps_line(number) for number in lines)

    @settings(max_examples=size(12, full=40), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.lists(sample_conversations(), min_size=size(8, full=1), max_size=size(12, full=6)))
    def run(shape_list: list[SampleConversation]) -> None:
        asyncio.run(check(shape_list))

    run()


def test_a_shorter_retention_never_reaches_what_must_be_remembered(open_state: OpenState) -> None:
    """Repeats of a message are recognized for eight days, whatever the retention."""
    shortest = replace(PERIODS, transcripts=timedelta(hours=1), turns=timedelta(hours=1))

    async def check(ages: list[float]) -> None:
        async with open_state() as state:
            found: dict[str, float] = {}
            for age in ages:
                where = origin()
                conversation = conversation_of(where)
                begun = await begin_turn(state, conversation, "e", now=days_ago(age), where=where)
                await commit_turn(state, conversation, begun, handled=["e"], now=days_ago(age))
                found[conversation] = age
            await sweep(state, periods=shortest)
            for conversation, age in found.items():
                begun = await begin_turn(state, conversation, "e")
                assert (begun.handled == {"e"}) == (age < 8)

    @settings(max_examples=size(8, full=20), deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.lists(st.sampled_from([0.1, 1, 7.9, 8.1, 9.0, 30]), min_size=1, max_size=8))
    def run(ages: list[float]) -> None:
        asyncio.run(check(ages))

    run()
