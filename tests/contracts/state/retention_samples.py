"""A tenant's retention, and conversations of all ages, for the tests of what it removes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from schemas.conversation import Facts, Origin
from schemas.ports import Removal, Retention, RetentionPeriods, State
from tests.contracts.state.samples import NOW, begin_turn, commit_turn, conversation_of, line, origin

TENANT = "plantstore"
PERIODS = RetentionPeriods(transcripts=timedelta(days=30), turns=timedelta(days=10), contacts=timedelta(days=60))
GROUPS = ("parley.worker.web", "parley.sender.web")


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def retention_of(state: State) -> Retention:
    assert state.retention is not None
    return state.retention


async def sweep(state: State, *, now: datetime = NOW, periods: RetentionPeriods = PERIODS) -> int:
    """One whole round over conversations, contacts and dead letters. Returns the number of removed rows."""
    retention, removed, after = retention_of(state), 0, ""
    while True:
        step = await retention.sweep_conversations({TENANT: periods}, groups=GROUPS, now=now, after=after)
        removed, after = removed + step.removed, step.next
        if not after:
            break
    while True:
        before = now - timedelta(days=90)
        step = await retention.sweep_tenant(TENANT, periods, letters_before=before, now=now, after=after)
        removed, after = removed + step.removed, step.next
        if not after:
            break
    await retention.tidy(now=now)
    return removed


async def list_removals(state: State) -> list[Removal]:
    return sorted(await retention_of(state).list_removals(limit=1_000), key=lambda each: (each.kind, each.id))


async def hold_conversation(
    state: State,
    *,
    days: Sequence[float],
    where: Origin | None = None,
    facts: Facts | None = None,
) -> str:
    """A conversation with an answered message at each of these days before now."""
    where = where or origin()
    conversation = conversation_of(where)
    for number, age in enumerate(days):
        at, event = days_ago(age), f"event-{number}"
        await state.transcript.add(conversation, line(id=f"{conversation}-{number}", created_at=at))
        begun = await begin_turn(state, conversation, event, now=at, where=where)
        settled = facts or Facts(heard_at=at, answered_at=at)
        assert await commit_turn(state, conversation, begun, handled=[event], facts=settled, now=at) == "committed"
    return conversation
