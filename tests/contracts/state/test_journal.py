"""The journal of actions: each is begun once, what came of it is known or in doubt, and limits hold."""

from __future__ import annotations

import asyncio

import pytest

from infra.state.rebuild import rebuild
from schemas import topics
from schemas.actions import ActionIntended, ActionOutcome, ActionSettled, JournalEntry
from schemas.ports import ActionClaim, BegunConversation, Bus, State
from tests.contracts.state.engines import ALL_SHARDS
from tests.contracts.state.recorded_history import CHANNELS, TENANT, build_envelope
from tests.contracts.state.samples import NOW, begin_turn, later, make_intended, make_settled, new_id


async def claim(state: State, start: BegunConversation, what: ActionIntended, **changes: int) -> ActionClaim:
    held = {"token": start.token, "epoch": start.conversation.epoch} | changes
    return await state.journal.claim(start.conversation.id, what, token=held["token"], epoch=held["epoch"], now=NOW)


async def due(state: State, seconds: float = 1e6) -> list[str]:
    return [key for _, key in await state.journal.unresolved(before=later(seconds), limit=50)]


async def test_of_fifty_who_claim_one_action_at_once_one_may_do_it(state: State) -> None:
    start = await begin_turn(state, new_id())
    claims = await asyncio.gather(*(claim(state, start, make_intended()) for _ in range(50)))
    assert sorted(each.verdict for each in claims) == ["go"] + ["known"] * 49
    assert all(each.entry == JournalEntry(intended=make_intended()) for each in claims if each.verdict == "known")


async def test_a_worker_that_does_not_hold_the_conversation_claims_nothing(state: State) -> None:
    """Not with an older token, not from before an owner change, not without a conversation."""
    start = await begin_turn(state, new_id())
    newer = await begin_turn(state, start.conversation.id)
    assert (await claim(state, start, make_intended())).verdict == "stale"
    await state.conversations.own(
        start.conversation.id, "person", expected_epoch=0, request_id=new_id(), by="colleague", now=NOW
    )
    assert (await claim(state, newer, make_intended())).verdict == "stale"
    assert (await claim(state, newer, make_intended(), epoch=1)).verdict == "go"
    nowhere = await state.journal.claim(new_id(), make_intended(), token=1, epoch=0, now=NOW)
    assert nowhere.verdict == "stale"
    assert await due(state) == ["key-1"]


async def test_an_outcome_is_told_to_whoever_claims_next(state: State) -> None:
    start = await begin_turn(state, new_id())
    await claim(state, start, make_intended())
    done = make_settled(result={"refund": "R-7", "lines": [1, None]})
    await state.journal.record(start.conversation.id, done)
    again = await claim(state, await begin_turn(state, start.conversation.id), make_intended())
    assert again == ActionClaim("known", JournalEntry(intended=make_intended(), settled=done))
    assert await state.journal.entry(start.conversation.id, "key-1") == again.entry
    assert await due(state) == []


@pytest.mark.parametrize(
    ("words", "holds", "left"),
    [
        (["succeeded"], "succeeded", []),
        (["succeeded", "failed"], "succeeded", []),
        (["succeeded", "unknown"], "succeeded", []),
        (["refused"], "refused", []),
        (["unknown"], "unknown", ["key-1"]),
        (["unknown", "succeeded"], "succeeded", ["key-1"]),
        (["unknown", "unknown"], "unknown", ["key-1"]),
        (["unknown", "failed!"], "failed", []),
        (["unknown", "unknown!"], "unknown", []),
        (["unknown", "succeeded", "failed!"], "succeeded", []),
        (["unknown", "unknown!", "succeeded"], "succeeded", []),
    ],
)
async def test_the_first_word_that_is_sure_stays_and_doubt_ends_when_somebody_was_told(
    state: State, words: list[str], holds: ActionOutcome, left: list[str]
) -> None:
    start = await begin_turn(state, new_id())
    await claim(state, start, make_intended())
    for number, word in enumerate(words):
        outcome: ActionOutcome = word.rstrip("!")  # type: ignore[assignment]
        said = make_settled(outcome=outcome, resolved=word.endswith("!"), reason=str(number))
        for _ in range(2):
            await state.journal.record(start.conversation.id, said)
    entry = await state.journal.entry(start.conversation.id, "key-1")
    assert entry is not None
    assert entry.settled is not None
    assert entry.settled.outcome == holds
    assert await due(state) == left


async def test_a_claim_is_unresolved_from_its_due_time_and_can_be_put_off(state: State) -> None:
    start = await begin_turn(state, new_id())
    await claim(state, start, make_intended("late", due=later(90)))
    await claim(state, start, make_intended("soon", due=later(40)))
    assert await due(state, 40) == []
    assert await due(state, 41) == ["soon"]
    await state.journal.postpone(start.conversation.id, "soon", later(100))
    await state.journal.postpone(start.conversation.id, "nobody", later(5))
    assert await due(state, 99) == ["late"]
    assert await due(state) == ["late", "soon"]


async def test_a_claim_that_was_taken_back_can_be_made_again_but_not_an_outcome(state: State) -> None:
    start = await begin_turn(state, new_id())
    await claim(state, start, make_intended())
    await state.journal.withdraw(start.conversation.id, "key-1")
    assert await due(state) == []
    assert (await claim(state, start, make_intended())).verdict == "go"
    await state.journal.record(start.conversation.id, make_settled(outcome="unknown"))
    await state.journal.withdraw(start.conversation.id, "key-1")
    assert (await claim(state, start, make_intended())).verdict == "known"


async def test_a_begun_action_is_found_by_its_authority_in_its_conversation_alone(state: State) -> None:
    start, other = await begin_turn(state, new_id()), await begin_turn(state, new_id())
    await claim(state, start, make_intended("two", authority="b", at=later(2)))
    await claim(state, start, make_intended("one", authority="a", at=later(1)))
    await claim(state, start, make_intended("three", authority="c"))
    await claim(state, other, make_intended("four", authority="a"))
    found = await state.journal.find_by_authority(start.conversation.id, ["b", "a", "z"])
    assert [entry.intended.key for entry in found] == ["one", "two"]


async def test_an_action_in_doubt_is_listed_until_its_outcome_is_known(state: State) -> None:
    start = await begin_turn(state, new_id())
    for number, key in enumerate(("begun", "unknown", "given up", "done")):
        await claim(state, start, make_intended(key, at=later(number)))
    await state.journal.record(start.conversation.id, make_settled("unknown", "unknown"))
    await state.journal.record(start.conversation.id, make_settled("given up", "unknown", resolved=True))
    await state.journal.record(start.conversation.id, make_settled("done"))
    found = await state.journal.list_in_doubt(start.conversation.id)
    assert [entry.intended.key for entry in found] == ["begun", "unknown", "given up"]
    await state.journal.record(start.conversation.id, make_settled("unknown", "failed", resolved=True))
    assert [entry.intended.key for entry in await state.journal.list_in_doubt(start.conversation.id)] == [
        "begun",
        "given up",
    ]


async def test_entries_go_after_eight_days_unless_they_are_in_doubt(state: State) -> None:
    start = await begin_turn(state, new_id())
    for key in ("old", "doubtful", "fresh"):
        await claim(state, start, make_intended(key, at=later(days=7) if key == "fresh" else NOW))
    await state.journal.record(start.conversation.id, make_settled("old"))
    await state.journal.record(start.conversation.id, make_settled("fresh"))
    for number in range(20):
        await claim(state, start, make_intended(f"filler-{number}", at=later(days=7)))
    await state.journal.claim(
        start.conversation.id, make_intended("new", at=later(days=9)), token=start.token, epoch=0, now=later(days=9)
    )
    kept = await state.journal.find_by_authority(start.conversation.id, ["confirmation-1"])
    names = [entry.intended.key for entry in kept if not entry.intended.key.startswith("filler")]
    assert names == ["doubtful", "fresh", "new"], "of the rest the newest twenty stay"


async def test_a_clock_that_jumps_ahead_makes_no_action_forgotten(state: State) -> None:
    """A hundred days, for a moment: what was done is still known when the same is asked for again."""
    start = await begin_turn(state, new_id())
    await claim(state, start, make_intended("paid"))
    await state.journal.record(start.conversation.id, make_settled("paid"))
    for key in ("one", "two"):
        jumped = make_intended(key, at=later(days=100))
        await state.journal.claim(start.conversation.id, jumped, token=start.token, epoch=0, now=later(days=100))
    entry = await state.journal.entry(start.conversation.id, "paid")
    assert entry is not None
    assert entry.settled is not None


async def test_a_limit_counts_each_key_once_by_contact_action_and_day(state: State) -> None:
    async def admit(key: str, *, contact: str = "c:1", action: str = "refund", day: str = "2026-03-01") -> bool:
        return await state.journal.admit(TENANT, contact, action, day, key, most=2)

    assert await state.journal.count_admitted(TENANT, "c:1", "refund", "2026-03-01") == 0
    assert [await admit(key) for key in ("a", "b", "a", "c", "b")] == [True, True, True, False, True]
    assert await state.journal.count_admitted(TENANT, "c:1", "refund", "2026-03-01") == 2
    assert await admit("c", contact="c")
    assert await admit("c", action="cancel")
    assert await admit("c", day="2026-03-02")
    raced = await asyncio.gather(*(admit(f"k{n}", contact="crowd") for n in range(20)))
    assert sum(raced) == 2


async def test_the_journal_comes_back_from_the_log(state: State, bus: Bus) -> None:
    """Entries, what is in doubt and since when, and what counts against limits."""
    start = await begin_turn(state, new_id())
    conversation = start.conversation.id
    facts = [
        (topics.ACTION_INTENDED, make_intended("done")),
        (topics.ACTION_SETTLED, make_settled("done", result={"n": 1})),
        (topics.ACTION_INTENDED, make_intended("doubt", due=later(50))),
        (topics.ACTION_SETTLED, make_settled("doubt", "unknown")),
        (topics.ACTION_INTENDED, make_intended("begun", due=later(60))),
        (topics.ACTION_INTENDED, make_intended("told")),
        (topics.ACTION_SETTLED, make_settled("told", "unknown")),
        (topics.ACTION_SETTLED, make_settled("told", "failed", resolved=True)),
    ]
    for number, (kind, fact) in enumerate(facts):
        await bus.append([build_envelope(kind, fact, conversation, f"fact-{number}")])
        if isinstance(fact, ActionIntended):
            assert (await claim(state, start, fact)).verdict == "go"
            assert await state.journal.admit(TENANT, "contact-1", "refund", fact.day, fact.key, most=4)
        elif isinstance(fact, ActionSettled):
            await state.journal.record(conversation, fact)
    before = await state.journal.find_by_authority(conversation, ["confirmation-1"])
    await rebuild(bus, state.rebuild, ALL_SHARDS, channels=CHANNELS, grace=0, now=NOW)
    assert await state.journal.find_by_authority(conversation, ["confirmation-1"]) == before
    assert len(before) == 4
    assert await due(state, 51) == ["doubt"]
    assert await due(state) == ["doubt", "begun"]
    assert not await state.journal.admit(TENANT, "contact-1", "refund", "2026-03-01", "fifth", most=4)
    assert await state.journal.admit(TENANT, "contact-1", "refund", "2026-03-01", "doubt", most=4)
