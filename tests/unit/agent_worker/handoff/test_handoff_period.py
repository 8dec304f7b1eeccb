"""The time in which people have a conversation: its facts, and what is reported of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agent_worker.router import decision
from schemas import topics
from schemas.conversation import Facts
from schemas.desk import HandoffEnded
from tests.unit.agent_worker.handoff.people_events import (
    HEAT,
    PERSON,
    claim_conversation,
    deliver_replies,
    handed_over,
    handoff_of,
    read_back,
    request_owner,
    resolve_handoff,
    return_conversation,
)
from tests.unit.agent_worker.worker_environment import WorkerEnvironment


async def _ended_handoffs(world: WorkerEnvironment) -> list[HandoffEnded]:
    return await world.told(topics.HANDOFF_ENDED)


async def test_handoff_is_remembered_in_the_turn_that_hands_over(world: WorkerEnvironment) -> None:
    """Reason, number, place and a summary are committed with the words that the contact hears."""
    await world.handle(world.said("m1", HEAT))
    await deliver_replies(world)
    await world.handle(world.said("m2", PERSON))
    handoff = await handoff_of(world)
    assert (handoff.number, handoff.reason, handoff.ended_at) == (1, decision.PERSON_REQUESTED, None)
    assert handoff.opened_at == world.clock()
    lines = await world.state.transcript.read(world.conversation)
    assert [line.text for line in lines if line.seq > handoff.since_seq] == []
    assert len(handoff.summary) == 3
    assert HEAT in handoff.summary[0]
    assert "heat pack to every parcel" in handoff.summary[1]
    assert "asked for a person" in handoff.summary[2]


async def test_request_that_comes_back_over_the_log_begins_nothing_new(world: WorkerEnvironment) -> None:
    """The agent's own request, read again, is the same handoff."""
    await handed_over(world)
    handoff = await handoff_of(world)
    assert (handoff.number, handoff.ended_at) == (1, None)
    assert (await world.known()).owner == "queue"
    assert handoff.epoch == (await world.known()).epoch
    assert await _ended_handoffs(world) == []


async def test_message_before_the_request_is_read_ends_nothing(world: WorkerEnvironment) -> None:
    """While the request is on its way the conversation is still the agent's; the handoff stays open."""
    own = world.state.conversations.own
    world.state.conversations.own = _raise_connection_error  # type: ignore[method-assign, assignment]
    with pytest.raises(ConnectionError):
        await world.handle(world.said("m1", PERSON))
    world.state.conversations.own = own  # type: ignore[method-assign]
    await world.handle(world.said("m2", HEAT))
    assert (await handoff_of(world)).ended_at is None
    await read_back(world)
    assert (await world.known()).owner == "queue"
    assert (await handoff_of(world)).number == 1


async def _raise_connection_error(*_: object, **__: object) -> None:
    raise ConnectionError


async def test_claim_and_replies_are_remembered(world: WorkerEnvironment) -> None:
    """Who claimed it and when, when the first reply came, and how many."""
    await handed_over(world)
    world.clock.advance(minutes=3)
    await claim_conversation(world)
    begun = world.clock()
    world.clock.advance(minutes=4)
    first = world.clock()
    await world.handle(world.said("p1", "Rosa here.", by="person"))
    world.clock.advance(minutes=1)
    await world.handle(world.said("p2", "We will send a new plant on Friday.", by="person"))
    handoff = await handoff_of(world)
    assert (handoff.by, handoff.name, handoff.claimed_at, handoff.first_reply_at) == ("slack:U1", "Rosa", begun, first)
    assert (handoff.replies, handoff.promised) == (2, ["We will send a new plant on Friday."])


async def test_people_who_take_over_by_themselves_begin_a_handoff(world: WorkerEnvironment) -> None:
    """A claim without a request of the agent is a handoff; what the contact has not been answered belongs to it."""
    await world.handle(world.said("m1", HEAT))
    await deliver_replies(world)
    await world.handle(request_owner(world, "person", "claim", epoch=0), world.said("m2", "And how long does it last?"))
    handoff = await handoff_of(world)
    lines = await world.state.transcript.read(world.conversation)
    assert [line.text for line in lines if line.seq > handoff.since_seq] == ["And how long does it last?"]
    assert (handoff.claimed_at, handoff.by) == (world.clock(), "slack:U1")


async def test_persons_message_alone_is_a_handoff(world: WorkerEnvironment) -> None:
    """Who simply answers has taken over, and this is the first reply."""
    await world.handle(world.said("m1", HEAT))
    await world.handle(world.said("p1", "I will check.", by="person"))
    handoff = await handoff_of(world)
    assert (handoff.replies, handoff.promised) == (1, ["I will check."])
    assert handoff.claimed_at is not None


async def test_return_ends_the_handoff_once(world: WorkerEnvironment) -> None:
    """Giving it back ends it, and its figures are told."""
    await handed_over(world)
    opened = world.clock()
    world.clock.advance(minutes=2)
    await claim_conversation(world)
    world.clock.advance(minutes=5)
    await world.handle(world.said("p1", "Done.", by="person"))
    world.clock.advance(minutes=1)
    await return_conversation(world)
    await world.handle(world.said("m2", HEAT))
    (ended,) = await _ended_handoffs(world)
    assert (ended.number, ended.ended, ended.by, ended.replies) == (1, "returned", "slack:U1", 1)
    assert (ended.opened_at, ended.claimed_at) == (opened, opened + timedelta(minutes=2))
    assert (ended.first_reply_at, ended.at) == (opened + timedelta(minutes=7), opened + timedelta(minutes=8))
    assert (await handoff_of(world)).ended_at == ended.at


@pytest.mark.parametrize(
    "order", ["resolved alone", "resolved, then closed", "closed and resolved at once", "closed, then resolved"]
)
@pytest.mark.parametrize("by", ["slack:U1", "console:anna"])
async def test_resolving_closes_and_names_the_outcome(world: WorkerEnvironment, order: str, by: str) -> None:
    """The figures of what people resolve bear the outcome and the tags, whatever request for closing is beside it."""
    await handed_over(world)
    await claim_conversation(world)
    done = resolve_handoff(world, by=by, outcome="Solved", tags=["refund"], ask=False)
    epoch = (await world.known()).epoch
    closing = request_owner(world, "closed", "close", epoch=epoch, by=by)
    if order == "resolved alone":
        await world.handle(done)
    elif order == "resolved, then closed":
        await world.handle(done)
        await world.handle(closing)
    elif order == "closed, then resolved":
        await world.handle(closing)
        assert await _ended_handoffs(world) == []
        await world.handle(done)
    else:
        await world.handle(closing, done)
    (ended,) = await _ended_handoffs(world)
    assert (ended.ended, ended.outcome, ended.tags) == ("resolved", "Solved", ["refund"])
    assert (await world.known()).owner == "closed"


async def test_resolving_that_was_cut_off_after_the_owner_changed_is_resolved(world: WorkerEnvironment) -> None:
    """A worker that died between the change of owner and its commit leaves the same figures to the next."""
    await handed_over(world)
    await claim_conversation(world)
    commit = world.state.conversations.commit
    world.state.conversations.commit = _raise_connection_error  # type: ignore[method-assign, assignment]
    done = resolve_handoff(world, outcome="Solved", ask=False)
    with pytest.raises(ConnectionError):
        await world.handle(done)
    world.state.conversations.commit = commit  # type: ignore[method-assign]
    assert (await world.known()).owner == "closed"
    await world.handle(done)
    (ended,) = await _ended_handoffs(world)
    assert (ended.ended, ended.outcome) == ("resolved", "Solved")


async def test_closing_without_a_word_is_closed(world: WorkerEnvironment) -> None:
    """What is closed over the API ends as closed, at once."""
    await handed_over(world)
    await world.handle(request_owner(world, "closed", "close", epoch=(await world.known()).epoch, by="admin"))
    assert [ended.ended for ended in await _ended_handoffs(world)] == ["closed"]


async def test_word_of_the_desk_that_never_comes_is_not_waited_for(world: WorkerEnvironment) -> None:
    """What was closed at the desk without a word counts as closed once the contact writes again."""
    await handed_over(world)
    await claim_conversation(world)
    await return_conversation(world, to="closed")
    await world.handle(world.said("m2", HEAT))
    assert [ended.ended for ended in await _ended_handoffs(world)] == ["closed"]


async def test_word_that_comes_after_the_contact_wrote_again_closes_nothing(world: WorkerEnvironment) -> None:
    """A message between closing and its word has opened the conversation again, and it stays so, unasked."""
    await handed_over(world)
    await claim_conversation(world)
    done = resolve_handoff(world, outcome="Solved")
    await return_conversation(world, to="closed")
    await world.handle(world.said("m2", HEAT))
    await world.handle(done)
    assert (await world.known()).owner == "agent"
    assert (await handoff_of(world)).asked == ""
    assert (await world.replies())[-1].choices == []
    assert [ended.ended for ended in await _ended_handoffs(world)] == ["closed"]


async def test_word_about_an_earlier_handoff_leaves_the_next_one_alone(world: WorkerEnvironment) -> None:
    """A late word does not close what people were asked for since."""
    await handed_over(world)
    await claim_conversation(world)
    done = resolve_handoff(world, outcome="Solved")
    await return_conversation(world, to="closed")
    world.clock.advance(minutes=1)
    await world.handle(world.said("m2", PERSON))
    await read_back(world)
    await world.handle(done)
    assert (await world.known()).owner == "queue"
    assert (await handoff_of(world)).ended_at is None


async def test_whole_stretch_in_one_batch_is_told(world: WorkerEnvironment) -> None:
    """A claim, a reply and the return that are read at once are a handoff like any other."""
    await world.handle(world.said("m1", HEAT))
    await deliver_replies(world)
    await world.handle(
        request_owner(world, "person", "claim", epoch=0),
        world.said("p1", "We will refund 12 €.", by="person"),
        request_owner(world, "agent", "return", epoch=1),
    )
    (ended,) = await _ended_handoffs(world)
    assert (ended.ended, ended.replies) == ("returned", 1)
    assert (await handoff_of(world)).promised == ["We will refund 12 €."]


async def test_handoff_that_was_decided_before_its_record_was_read(world: WorkerEnvironment) -> None:
    """A claim and a return that were both decided at the door are told once, though their records come later."""
    await world.handle(world.said("m1", HEAT))
    claim, back = request_owner(world, "person", "claim", epoch=0), request_owner(world, "agent", "return", epoch=1)
    for number, (request, to) in enumerate(((claim, "person"), (back, "agent"))):
        await world.state.conversations.own(
            world.conversation,
            to,  # type: ignore[arg-type]
            expected_epoch=number,
            request_id=request.id,
            by="slack:U1",
            name="Rosa",
            now=world.clock(),
        )
    await world.handle(claim)
    await world.handle(back)
    assert [(ended.number, ended.ended) for ended in await _ended_handoffs(world)] == [(1, "returned")]


async def test_second_handoff_is_numbered(world: WorkerEnvironment) -> None:
    """Handoffs of a conversation are counted."""
    await handed_over(world)
    await return_conversation(world)
    await world.handle(world.said("m3", "Let me talk to a real person."))
    await read_back(world)
    handoff = await handoff_of(world)
    assert (handoff.number, handoff.ended_at) == (2, None)
    assert (await world.known()).owner == "queue"


@pytest.mark.parametrize("when", ["while it lasts", "once it has ended"])
async def test_summary_forgets_what_was_taken_back(world: WorkerEnvironment, when: str) -> None:
    """A message that is deleted or changed stands in the summary no more, nor do its words in what is kept."""
    await world.handle(world.said("m1", "Why is my secret orchid ill?"))
    await deliver_replies(world)
    await world.handle(world.said("m2", "Do you deliver to the harbour?"))
    await deliver_replies(world)
    await handed_over(world)
    assert "secret orchid" in (await handoff_of(world)).summary[0]
    if when == "once it has ended":
        await return_conversation(world)
    await world.handle(world.deleted("m1"))
    await world.handle(world.edited("m2", "Do you deliver to the station?"))
    known = await world.known()
    assert "secret orchid" not in known.model_dump_json()
    assert "harbour" not in known.model_dump_json()
    assert "station" in (await handoff_of(world)).summary[0]


async def test_conversation_without_people_remembers_nothing_of_them(world: WorkerEnvironment) -> None:
    """Where the agent answers alone nothing is written down for people."""
    await world.handle(world.said("m1", HEAT))
    facts = (await world.known()).facts
    assert facts == Facts(
        **facts.model_dump(include={"turns", "last_turn_id", "last_route", "locale", "heard_at", "answered_at"})
    )


async def test_figures_are_counted(world: WorkerEnvironment) -> None:
    """The metrics tell how many handoffs ended how, and how long people took."""
    await handed_over(world)
    world.clock.advance(minutes=2)
    await claim_conversation(world)
    world.clock.advance(minutes=4)
    await world.handle(world.said("p1", "Done.", by="person"))
    world.clock.advance(minutes=4)
    await return_conversation(world)
    shown = world.metrics.render()
    assert b'parley_handoffs_total{channel="web",ended="returned",tenant="shop"} 1.0' in shown
    assert b'parley_handoff_first_reply_seconds_sum{tenant="shop"} 360.0' in shown
    assert b'parley_handoff_seconds_sum{tenant="shop"} 600.0' in shown
