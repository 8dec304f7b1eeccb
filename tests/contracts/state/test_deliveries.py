"""Deliveries: who may send what, once; and what is in doubt until somebody knows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from schemas.conversation import Owner
from schemas.ports import RecordedLine, SendVerdict, State, VendorMessage
from tests.contracts.state.samples import NOW, begin_turn, later, line, make_delivered, new_id, outbound


async def open_claimed_conversation(state: State, *owners: Owner) -> str:
    """A conversation that had these owners after the agent."""
    conversation = new_id()
    await begin_turn(state, conversation)
    for epoch, owner in enumerate(owners):
        won = await state.conversations.own(
            conversation, owner, expected_epoch=epoch, request_id=new_id(), by="colleague", now=NOW
        )
        assert won.won
    return conversation


@pytest.mark.parametrize(
    ("owners", "author", "epoch", "verdict"),
    [
        ([], "agent", 0, "go"),
        (["queue"], "agent", 0, "stale_owner"),
        (["person"], "agent", 0, "stale_owner"),
        (["queue"], "agent", 1, "go"),
        (["queue", "person"], "agent", 1, "stale_owner"),
        (["person", "agent"], "agent", 0, "stale_owner"),
        (["person", "agent"], "agent", 1, "go"),
        (["person", "agent"], "agent", 2, "go"),
        (["closed"], "agent", 0, "go"),
        (["person"], "person", 0, "go"),
        (["person"], "system", 0, "go"),
        (["queue", "person"], "contact", 0, "go"),
    ],
)
async def test_only_the_agent_is_held_back_and_only_by_a_claim_after_its_message(
    state: State, owners: list[Owner], author: str, epoch: int, verdict: SendVerdict
) -> None:
    conversation = await open_claimed_conversation(state, *owners)
    message = outbound(author=author, epoch=epoch)
    assert await state.deliveries.begin_send(conversation, message, deadline=30, now=NOW) == verdict


async def test_a_refused_message_leaves_no_intent_and_is_refused_again(state: State) -> None:
    conversation = await open_claimed_conversation(state, "person")
    stale, old = outbound(), outbound(author="person", expires_at=NOW)
    for _ in range(2):
        assert await state.deliveries.begin_send(conversation, stale, deadline=30, now=NOW) == "stale_owner"
        assert await state.deliveries.begin_send(conversation, old, deadline=30, now=NOW) == "expired"
    assert await state.deliveries.unresolved(before=later(days=2), limit=10) == []


async def test_a_message_goes_until_it_expires(state: State) -> None:
    conversation = new_id()
    one, two = outbound(expires_at=later(60)), outbound(expires_at=later(60))
    assert await state.deliveries.begin_send(conversation, one, deadline=30, now=later(59.999)) == "go"
    assert await state.deliveries.begin_send(conversation, two, deadline=30, now=later(60)) == "expired"


async def test_an_intent_without_an_outcome_is_in_doubt_even_when_expired_or_claimed(state: State) -> None:
    conversation = await open_claimed_conversation(state)
    message = outbound(expires_at=later(60))
    assert await state.deliveries.begin_send(conversation, message, deadline=30, now=NOW) == "go"
    assert await state.deliveries.outcome(conversation, message.id) is None
    await state.conversations.own(conversation, "person", expected_epoch=0, request_id=new_id(), by="x", now=NOW)
    assert await state.deliveries.begin_send(conversation, message, deadline=30, now=later(90)) == "in_doubt"


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        ("sent", "already_sent"),
        ("failed", "already_sent"),
        ("expired", "expired"),
        ("stale_owner", "stale_owner"),
        ("unknown", "in_doubt"),
    ],
)
async def test_after_an_outcome_nothing_is_sent_again(state: State, outcome: str, verdict: SendVerdict) -> None:
    conversation, message = new_id(), outbound()
    assert await state.deliveries.begin_send(conversation, message, deadline=30, now=NOW) == "go"
    recorded = make_delivered(message.id, outcome, at=later(1), external_id="wamid.1")
    await state.deliveries.record(conversation, recorded)
    assert await state.deliveries.begin_send(conversation, message, deadline=30, now=later(2)) == verdict
    assert await state.deliveries.outcome(conversation, message.id) == recorded


async def test_a_send_in_doubt_is_begun_again_only_after_its_deadline_and_by_one_sender(state: State) -> None:
    conversation, message = new_id(), outbound()
    assert await state.deliveries.begin_send(conversation, message, deadline=30, now=NOW) == "go"
    assert await state.deliveries.intent_deadline(conversation, message.id) == later(30)
    again = state.deliveries.begin_resend
    assert await again(conversation, message, deadline=30, now=later(29.999)) == "in_doubt"
    verdicts = await asyncio.gather(*(again(conversation, message, deadline=30, now=later(30)) for _ in range(20)))
    assert sorted(verdicts) == ["go"] + ["in_doubt"] * 19
    assert await state.deliveries.intent_deadline(conversation, message.id) == later(60)
    await state.deliveries.record(conversation, make_delivered(message.id, "sent"))
    assert await state.deliveries.intent_deadline(conversation, message.id) is None
    assert await again(conversation, message, deadline=30, now=later(90)) == "already_sent"


async def test_an_intent_that_is_withdrawn_was_never_there_and_an_outcome_stays(state: State) -> None:
    conversation, one, two = new_id(), outbound(), outbound()
    for message in (one, two):
        await state.deliveries.begin_send(conversation, message, deadline=30, now=NOW)
    await state.deliveries.record(conversation, make_delivered(two.id, "sent"))
    for message in (one, two, outbound()):
        await state.deliveries.withdraw(conversation, message.id)
    assert await state.deliveries.unresolved(before=later(days=1), limit=10) == []
    assert await state.deliveries.begin_send(conversation, one, deadline=30, now=NOW) == "go"
    assert await state.deliveries.begin_send(conversation, two, deadline=30, now=NOW) == "already_sent"


async def test_who_sees_an_outcome_finds_the_message_by_the_vendors_id(state: State) -> None:
    """Otherwise an echo in between would be taken for a person's message."""
    conversation, deliveries = new_id(), state.deliveries

    async def watch(message_id: str, external_id: str) -> tuple[str, str] | None:
        while await deliveries.outcome(conversation, message_id) is None:
            pass
        return await deliveries.by_external_id("shop", "slack", "main", external_id)

    for number in range(20):
        message, external_id = outbound(), f"at-{number}"
        bound = VendorMessage("shop", "slack", "main", external_id, message.id)
        outcome = make_delivered(message.id, "sent", external_id=external_id)
        watcher = asyncio.create_task(watch(message.id, external_id))
        assert await deliveries.record(conversation, outcome, bound=bound) == RecordedLine()
        assert await watcher == (conversation, message.id)


async def test_an_outcome_is_shown_in_the_transcript_in_the_same_step(state: State) -> None:
    """A missing line is added once, and a line there gets the state; the first outcome stays on record."""
    conversation, deliveries = new_id(), state.deliveries
    await begin_turn(state, conversation)
    written, missing = line(author="agent", state="pending"), line(author="agent", state="sent")
    assert await state.transcript.add(conversation, written) == 1
    shown = written.model_copy(update={"state": "sent"})
    assert await deliveries.record(conversation, make_delivered(written.id, "sent"), line=shown) == RecordedLine(1)
    for is_new in (True, False):
        recorded = await deliveries.record(conversation, make_delivered(missing.id, "sent"), line=missing)
        assert recorded == RecordedLine(2, is_new)
    for seq, each in enumerate((shown, missing), 1):
        assert await state.transcript.find(conversation, each.id) == each.model_copy(update={"seq": seq})


async def test_a_line_that_people_have_read_is_not_sent_again_and_what_was_dropped_gets_no_line(state: State) -> None:
    conversation, deliveries = new_id(), state.deliveries
    await begin_turn(state, conversation)
    read, dropped = line(author="agent", state="read"), line(author="agent", state="dropped")
    await state.transcript.add(conversation, read)
    again = read.model_copy(update={"state": "sent"})
    assert await deliveries.record(conversation, make_delivered(read.id, "sent"), line=again) == RecordedLine(1)
    assert await state.transcript.find(conversation, read.id) == read.model_copy(update={"seq": 1})
    outcome = make_delivered(dropped.id, "stale_owner")
    assert await deliveries.record(conversation, outcome, line=dropped) == RecordedLine()
    assert await state.transcript.find(conversation, dropped.id) is None
    assert await deliveries.outcome(conversation, dropped.id) == outcome


async def test_a_line_added_with_its_outcome_counts_like_every_other_line(state: State) -> None:
    conversation = new_id()
    await begin_turn(state, conversation)
    message = line(author="agent", state="sent")
    assert await state.transcript.add(conversation, line()) == 1
    recorded = await state.deliveries.record(conversation, make_delivered(message.id, "sent"), line=message)
    assert recorded == RecordedLine(2, is_new=True)
    assert await state.transcript.add(conversation, message) == 2
    assert await state.transcript.head(conversation) == 2


async def test_a_send_of_unknown_outcome_may_be_begun_again(state: State) -> None:
    conversation, message = new_id(), outbound()
    await state.deliveries.begin_send(conversation, message, deadline=30, now=NOW)
    await state.deliveries.record(conversation, make_delivered(message.id, "unknown"))
    assert await state.deliveries.begin_resend(conversation, message, deadline=30, now=later(31)) == "go"
    assert await state.deliveries.begin_send(conversation, message, deadline=30, now=later(32)) == "in_doubt"


async def test_beginning_again_obeys_the_owner_rule_and_the_expiry(state: State) -> None:
    conversation = await open_claimed_conversation(state)
    stale, old = outbound(), outbound(author="person", expires_at=later(60))
    for message in (stale, old):
        assert await state.deliveries.begin_send(conversation, message, deadline=30, now=NOW) == "go"
    await state.conversations.own(conversation, "person", expected_epoch=0, request_id=new_id(), by="x", now=NOW)
    assert await state.deliveries.begin_resend(conversation, stale, deadline=30, now=later(40)) == "stale_owner"
    assert await state.deliveries.begin_resend(conversation, old, deadline=30, now=later(61)) == "expired"


async def test_of_fifty_concurrent_senders_one_goes(state: State) -> None:
    conversation, message = new_id(), outbound()
    verdicts = await asyncio.gather(
        *(state.deliveries.begin_send(conversation, message, deadline=30, now=NOW) for _ in range(50))
    )
    assert sorted(verdicts) == ["go"] + ["in_doubt"] * 49


async def test_a_claim_that_races_with_a_sender_either_comes_after_its_intent_or_stops_it(state: State) -> None:
    conversations = [await open_claimed_conversation(state) for _ in range(30)]
    messages = [outbound() for _ in conversations]

    async def claim(conversation: str) -> None:
        await state.conversations.own(conversation, "person", expected_epoch=0, request_id=new_id(), by="x", now=NOW)

    async def send(conversation: str, message: Any) -> SendVerdict:
        return await state.deliveries.begin_send(conversation, message, deadline=30, now=NOW)

    results = await asyncio.gather(
        *(call for pair in zip(conversations, messages, strict=True) for call in (send(*pair), claim(pair[0])))
    )
    for conversation, message, verdict in zip(conversations, messages, results[::2], strict=True):
        assert verdict in ("go", "stale_owner")
        assert await send(conversation, message) == ("in_doubt" if verdict == "go" else "stale_owner")
        assert await send(conversation, outbound()) == "stale_owner"


@pytest.mark.parametrize("final", ["sent", "failed", "expired", "stale_owner"])
async def test_the_first_final_outcome_stays_and_unknown_gives_way(state: State, final: str) -> None:
    conversation, message = new_id(), new_id()
    await state.deliveries.record(conversation, make_delivered(message, "unknown"))
    settled = make_delivered(message, final, at=later(5), external_id="x")
    await state.deliveries.record(conversation, settled)
    for other in ("unknown", "sent", "failed"):
        await state.deliveries.record(conversation, make_delivered(message, other, at=later(9)))
    assert await state.deliveries.outcome(conversation, message) == settled


async def test_only_the_holder_of_an_intent_renews_it_before_its_deadline(state: State) -> None:
    conversation, message = await open_claimed_conversation(state), outbound(expires_at=later(days=1))
    assert await state.deliveries.begin_send(conversation, message, deadline=30, now=NOW) == "go"
    again = state.deliveries.begin_resend
    for held in (None, later(29), later(31)):
        assert await again(conversation, message, deadline=30, now=later(2), held=held) == "in_doubt"
    assert await again(conversation, message, deadline=30, now=later(2), held=later(30)) == "go"
    assert await state.deliveries.intent_deadline(conversation, message.id) == later(32)
    assert await again(conversation, message, deadline=30, now=later(3), held=later(30)) == "in_doubt"
    await state.conversations.own(conversation, "person", expected_epoch=0, request_id=new_id(), by="x", now=NOW)
    assert await again(conversation, message, deadline=30, now=later(4), held=later(32)) == "stale_owner"


async def test_an_intent_without_an_outcome_is_kept_however_old_it_is(state: State) -> None:
    """Outcomes beyond the newest are forgotten after eight days, when another message is begun."""
    conversation = new_id()
    in_doubt, done = outbound(expires_at=later(days=90)), outbound(expires_at=later(days=90))
    for message in (in_doubt, done):
        assert await state.deliveries.begin_send(conversation, message, deadline=30, now=NOW) == "go"
    await state.deliveries.record(conversation, make_delivered(done.id, "sent"))
    for number in range(25):
        another = outbound(expires_at=later(days=90))
        at = later(number, days=30)
        assert await state.deliveries.begin_send(conversation, another, deadline=30, now=at) == "go"
        await state.deliveries.record(conversation, make_delivered(another.id, "sent", at=at))
    assert await state.deliveries.outcome(conversation, done.id) is None
    assert await state.deliveries.begin_send(conversation, in_doubt, deadline=30, now=later(days=31)) == "in_doubt"
    assert await state.deliveries.intent_deadline(conversation, in_doubt.id) == later(30)


async def test_unresolved_are_intents_past_their_deadline_without_an_outcome(state: State) -> None:
    conversation = new_id()
    late, early, done, in_doubt = [outbound() for _ in range(4)]
    for message, deadline in ((late, 100), (early, 10), (done, 10), (in_doubt, 10)):
        await state.deliveries.begin_send(conversation, message, deadline=deadline, now=NOW)
    await state.deliveries.record(conversation, make_delivered(done.id, "sent"))
    await state.deliveries.record(conversation, make_delivered(in_doubt.id, "unknown"))
    assert await state.deliveries.unresolved(before=later(10), limit=10) == []
    assert await state.deliveries.unresolved(before=later(11), limit=10) == [(conversation, early.id)]
    both = await state.deliveries.unresolved(before=later(101), limit=10)
    assert set(both) == {(conversation, early.id), (conversation, late.id)}
    assert len(await state.deliveries.unresolved(before=later(101), limit=1)) == 1


async def test_a_report_on_a_request_without_an_intent_is_kept(state: State) -> None:
    """So any process learns that reports come."""
    conversation = new_id()
    await begin_turn(state, conversation)
    bound = VendorMessage("shop", "whatsapp", "main", new_id(), "r1")
    await state.deliveries.record(conversation, make_delivered("r1.probe1", "sent"), bound=bound)
    known = await state.deliveries.outcome(conversation, "r1.probe1")
    assert known is not None
    assert (known.state, await state.deliveries.outcome(conversation, "r1")) == ("sent", None)


async def test_external_ids_lead_to_the_message_of_their_account_alone(state: State) -> None:
    await state.deliveries.bind("plantstore", "whatsapp", "meta", "wamid.1", "c-1", "m-1")
    await state.deliveries.bind("plantstore", "whatsapp", "meta", "wamid.1", "c-1", "m-1")
    await state.deliveries.bind("plantstore", "whatsapp", "twilio", "wamid.1", "c-2", "m-2")
    await state.deliveries.bind("other", "whatsapp", "meta", "wamid.1", "c-3", "m-3")
    find = state.deliveries.by_external_id
    assert await find("plantstore", "whatsapp", "meta", "wamid.1") == ("c-1", "m-1")
    assert await find("plantstore", "whatsapp", "twilio", "wamid.1") == ("c-2", "m-2")
    assert await find("other", "whatsapp", "meta", "wamid.1") == ("c-3", "m-3")
    assert await find("other", "whatsapp", "twilio", "wamid.1") is None
    assert await find("plantstore", "whatsapp", "meta:wamid", "1") is None


async def test_a_message_id_is_one_per_conversation(state: State) -> None:
    message = outbound()
    assert await state.deliveries.begin_send(new_id(), message, deadline=30, now=NOW) == "go"
    assert await state.deliveries.begin_send(new_id(), message, deadline=30, now=NOW) == "go"


async def test_a_clock_that_jumps_ahead_makes_no_message_unsent(state: State) -> None:
    """A hundred days, for a moment: what was sent is not sent again when it is read once more."""
    conversation, sent = new_id(), outbound()
    assert await state.deliveries.begin_send(conversation, sent, deadline=5, now=NOW) == "go"
    await state.deliveries.record(conversation, make_delivered(sent.id, "sent"))
    for _ in range(2):
        other = outbound(expires_at=later(days=200))
        assert await state.deliveries.begin_send(conversation, other, deadline=5, now=later(days=100)) == "go"
        await state.deliveries.record(conversation, make_delivered(other.id, "sent", at=later(days=100)))
    assert await state.deliveries.begin_send(conversation, sent, deadline=5, now=NOW) == "already_sent"
