"""The way out: order, owner rule, retries, doubt, and what is told about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.outbound import reconciliation
from connectors.outbound import sender as outbound_sender
from connectors.outbound.delivery_reports import DeliveryReports
from connectors.outbound.pipeline import OutboundPipeline
from connectors.outbound.receipts import ReceiptHandler
from schemas import ids, topics
from schemas.conversation import DeliveryOutcome, OwnerRequested
from schemas.conversation_activity import Feedback
from schemas.desk import DeskUpdate
from schemas.envelope import Envelope
from schemas.errors import (
    CredentialsRevoked,
    Parked,
    RetryLater,
    SendRefused,
    SendUnknown,
    StateUnavailable,
    Unavailable,
    UndecodableRecord,
    UnknownEventType,
)
from schemas.messages import Author, OutboundMessage, Receipt, TranscriptMessage
from schemas.ports import Account, DeliveryPolicy, RateLimit, RecordedLine, VendorMessage
from schemas.runtime.restore_time import save_restore_time
from tests.unit.connectors.conftest import ConnectorEnvironment, OneBatch, ScriptedChannel


async def test_messages_are_sent_in_order_and_told_in_one_append(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel()
    appends: list[int] = []
    append = world.bus.append

    async def counted(envelopes: Any, **more: Any) -> Any:
        appends.append(len(envelopes))
        return await append(envelopes, **more)

    world.bus.append = counted  # type: ignore[method-assign]
    await world.outbound(channel).handle(world.batch(*(world.message(f"r{n}") for n in range(5))))
    assert channel.sent == ["r0", "r1", "r2", "r3", "r4"]
    assert await world.facts() == [(f"r{n}", "sent") for n in range(5)]
    assert appends == [5]
    found = await world.state.deliveries.by_external_id("shop", "web", "main", "x-r3")
    assert found == (world.conversation, "r3")


async def test_a_delivered_message_is_a_line_of_the_transcript(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel("x-1", SendRefused("blocked"))
    await world.claim()
    batch = world.batch(world.message("r1", epoch=1), world.message("r2", epoch=1), world.message("r3"))
    for _ in range(2):
        await world.outbound(channel).handle(batch)
    lines = await world.state.transcript.read(world.conversation)
    assert [(line.id, line.state, line.text, line.seq) for line in lines] == [
        ("r1", "sent", "text of r1", 1),
        ("r2", "failed", "text of r2", 2),
    ]
    told = [event.payload(DeliveryOutcome) for event in await world.logged()]
    assert {(fact.message_id, fact.seq) for fact in told} == {("r1", 1), ("r2", 2), ("r3", 0)}


async def test_a_sent_message_is_bound_to_its_external_id_before_its_outcome(
    world: ConnectorEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An echo that came in between, or after a crash there, would else be taken for the words of a person."""
    record, bindings = world.state.deliveries.record, []

    async def recorded(conversation: str, outcome: DeliveryOutcome, **more: Any) -> RecordedLine:
        bindings.append(more["bound"])
        return await record(conversation, outcome, **more)

    monkeypatch.setattr(world.state.deliveries, "record", recorded)
    await world.outbound(ScriptedChannel()).handle(world.batch(world.message()))
    assert bindings == [VendorMessage("shop", "web", "main", "x-r1", "r1")]
    assert await world.state.deliveries.by_external_id("shop", "web", "main", "x-r1") == (world.conversation, "r1")


async def test_a_fact_names_the_turn_and_its_cause(world: ConnectorEnvironment) -> None:
    await world.outbound(ScriptedChannel()).handle(world.batch(world.message()))
    (event,) = await world.logged()
    assert (event.correlation_id, event.causation_id, event.conversation) == ("turn", "r1", world.conversation)


async def test_a_sent_message_is_not_sent_again_and_its_receipt_is_published_again(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel()
    for _ in range(2):
        await world.outbound(channel).handle(world.batch(world.message()))
    assert channel.sent == ["r1"]
    told = await world.logged()
    assert len({event.id for event in told}) == 1


async def test_an_agents_message_from_before_a_claim_is_dropped_and_a_persons_is_not(
    world: ConnectorEnvironment,
) -> None:
    await world.claim()
    channel = ScriptedChannel()
    person = world.message("r2", author=Author(kind="person", name="Mo"))
    notice = world.message("r3", author=Author(kind="system"), purpose="notice")
    await world.outbound(channel).handle(world.batch(world.message("r1", epoch=0), person, notice))
    assert channel.sent == ["r2", "r3"]
    assert await world.facts() == [("r1", "stale_owner"), ("r2", "sent"), ("r3", "sent")]


async def test_an_agents_message_of_the_current_epoch_is_sent(world: ConnectorEnvironment) -> None:
    await world.claim()
    channel = ScriptedChannel()
    await world.outbound(channel).handle(world.batch(world.message(epoch=1)))
    assert channel.sent == ["r1"]


async def test_an_old_message_is_not_sent_after_an_outage(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel()
    message = world.message()
    world.clock.now += timedelta(hours=25)
    await world.outbound(channel).handle(world.batch(message))
    assert (channel.sent, await world.facts()) == ([], [("r1", "expired")])


async def test_what_was_waiting_in_a_backup_is_shown_to_people_and_not_sent_again(world: ConnectorEnvironment) -> None:
    waiting = world.batch(world.message("r1"), world.message("r2"))
    world.clock.now += timedelta(hours=1)
    await save_restore_time(world.state.leases, world.clock())
    world.clock.now += timedelta(seconds=1)
    channel = ScriptedChannel()
    outbound = world.outbound(channel)
    for _ in range(2):
        await outbound.handle(waiting)
    assert channel.sent == []
    known = await world.outcome("r1")
    assert known is not None
    assert (known.state, known.reason) == ("unknown", "restored")
    await outbound.handle(world.batch(world.message("r3")))
    assert channel.sent == ["r3"]


async def test_what_was_waiting_in_a_backup_is_sent_where_a_repeat_shows_nothing_twice(
    world: ConnectorEnvironment,
) -> None:
    waiting = world.batch(world.message("r1"))
    await save_restore_time(world.state.leases, world.clock())
    channel = ScriptedChannel(policy=DeliveryPolicy(reconciliation="repeat"))
    await world.outbound(channel).handle(waiting)
    assert channel.sent == ["r1"]


async def test_a_notice_to_somebody_who_opted_out_is_not_sent_and_a_reply_is(
    world: ConnectorEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact = await world.state.contacts.get("shop", world.contact)
    assert contact is not None

    async def opted_out(tenant: str, contact_id: str) -> Any:
        return contact.model_copy(update={"opted_out": True})

    monkeypatch.setattr(world.state.contacts, "get", opted_out, raising=False)
    channel = ScriptedChannel()
    batch = world.batch(world.message("r1", purpose="notice"), world.message("r2", purpose="reply"))
    await world.outbound(channel).handle(batch)
    assert channel.sent == ["r2"]
    assert await world.facts() == [("r1", "failed"), ("r2", "sent")]


async def test_a_message_of_an_account_that_is_gone_fails(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel()
    batch = world.batch()
    batch.records = [world.record(world.message(), account="gone")]
    await world.outbound(channel).handle(batch)
    outcome = await world.outcome()
    assert outcome is not None
    assert (channel.sent, outcome.state, outcome.reason) == ([], "failed", "account_unknown")


# ── Retries ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_short_delay_is_waited_for_in_the_lane(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(RetryLater("slow down", retry_after_ms=50), RetryLater("slow down"))
    await world.outbound(channel).handle(world.batch(world.message("r1"), world.message("r2")))
    assert channel.sent == ["r1", "r1", "r1", "r2"]
    assert await world.facts() == [("r1", "sent"), ("r2", "sent")]


async def test_a_long_delay_parks_the_conversation_and_what_went_before_is_told(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel("x1", RetryLater("in a minute", retry_after_ms=60_000))
    with pytest.raises(Parked) as parked:
        await world.outbound(channel).handle(world.batch(world.message("r1"), world.message("r2"), world.message("r3")))
    assert parked.value.until >= world.clock() + timedelta(seconds=60)
    assert channel.sent == ["r1", "r2"]
    assert await world.facts() == [("r1", "sent")]


async def test_a_claim_while_the_lane_waits_drops_the_message(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(RetryLater("slow down", retry_after_ms=10))
    channel.before_send = world.claim
    await world.outbound(channel).handle(world.batch(world.message()))
    assert channel.sent == ["r1"]
    assert await world.facts() == [("r1", "stale_owner")]


async def test_a_message_that_expires_while_the_lane_waits_is_dropped(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(RetryLater("slow down", retry_after_ms=10))

    async def a_day_passes() -> None:
        world.clock.now += timedelta(hours=25)

    channel.before_send = a_day_passes
    await world.outbound(channel).handle(world.batch(world.message()))
    assert await world.facts() == [("r1", "expired")]


async def test_a_lane_that_waits_lets_go_when_its_partition_moves(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(RetryLater("slow down", retry_after_ms=20_000))
    batch = world.batch(world.message())
    handling = asyncio.create_task(world.outbound(channel).handle(batch))
    async with asyncio.timeout(30):
        await channel.asked.wait()
        batch.revoking.set()
        with pytest.raises(Unavailable):
            await handling
    assert await world.outcome() is None


async def test_a_refusal_fails_the_message_and_the_next_one_goes_on(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(SendRefused("no such recipient"))
    await world.outbound(channel).handle(world.batch(world.message("r1"), world.message("r2")))
    assert await world.facts() == [("r1", "failed"), ("r2", "sent")]


async def test_a_revoked_token_parks_the_conversation(world: ConnectorEnvironment) -> None:
    with pytest.raises(Parked):
        await world.outbound(ScriptedChannel(CredentialsRevoked("token revoked"))).handle(world.batch(world.message()))
    assert await world.outcome() is None


async def test_no_answer_is_recorded_as_unknown_and_never_blindly_repeated(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(SendUnknown("no answer"))
    await world.outbound(channel).handle(world.batch(world.message()))
    await world.outbound(channel).handle(world.batch(world.message()))
    assert channel.sent == ["r1"]
    outcome = await world.outcome()
    assert outcome is not None
    assert outcome.state == "unknown"


async def test_a_send_that_hangs_ends_at_its_deadline(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(policy=DeliveryPolicy(attempt=0.05))
    channel.before_send = asyncio.Event().wait
    await world.outbound(channel).handle(world.batch(world.message()))
    assert await world.facts() == [("r1", "unknown")]


async def test_no_answer_is_repeated_where_repeating_shows_it_once(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(SendUnknown("no answer"), policy=DeliveryPolicy(reconciliation="repeat"))
    await world.outbound(channel).handle(world.batch(world.message()))
    assert channel.sent == ["r1", "r1"]
    assert await world.facts() == [("r1", "sent")]


BY_REPORT = DeliveryPolicy(reconciliation="receipt", settle_time=12, slow_settle_time=45)

# ── Doubt: an intent without an outcome ──────────────────────────────────────────────────────────────────────────────


async def send_until_done(
    world: ConnectorEnvironment, sender: Callable[[], OutboundPipeline], *messages: OutboundMessage
) -> None:
    """As the lane does: whenever the conversation is parked, so much time passes."""
    while True:
        try:
            return await sender().handle(world.batch(*(messages or [world.message()])))
        except Parked as parked:
            world.clock.now = parked.until


async def intend(world: ConnectorEnvironment) -> None:
    """As a sender that was killed between the intent and the record leaves it."""
    verdict = await world.state.deliveries.begin_send(
        world.conversation, world.message(), deadline=60, now=world.clock()
    )
    assert verdict == "go"


async def test_in_doubt_without_a_way_to_know_is_unknown(world: ConnectorEnvironment) -> None:
    await intend(world)
    channel = ScriptedChannel()
    await world.outbound(channel).handle(world.batch(world.message()))
    assert (channel.sent, await world.facts()) == ([], [("r1", "unknown")])


async def test_in_doubt_is_sent_again_where_repeating_shows_it_once(world: ConnectorEnvironment) -> None:
    await intend(world)
    channel = ScriptedChannel(policy=DeliveryPolicy(reconciliation="repeat"))
    await world.outbound(channel).handle(world.batch(world.message()))
    assert (channel.sent, await world.facts()) == (["r1"], [("r1", "sent")])


async def test_in_doubt_is_looked_up_where_that_is_certain(world: ConnectorEnvironment) -> None:
    await intend(world)
    channel = ScriptedChannel(policy=DeliveryPolicy(reconciliation="lookup"), shown="x9")
    await world.outbound(channel).handle(world.batch(world.message()))
    assert (channel.sent, await world.facts()) == ([], [("r1", "sent")])


async def test_in_doubt_and_certainly_not_shown_is_sent_unless_a_person_claimed_meanwhile(
    world: ConnectorEnvironment,
) -> None:
    await intend(world)
    await world.claim()
    world.clock.now += timedelta(seconds=90)
    channel = ScriptedChannel(policy=DeliveryPolicy(reconciliation="lookup"))
    await world.outbound(channel).handle(world.batch(world.message()))
    assert (channel.sent, await world.facts()) == ([], [("r1", "stale_owner")])


async def test_in_doubt_and_not_shown_waits_until_nobody_can_be_sending_it_any_more(
    world: ConnectorEnvironment,
) -> None:
    await intend(world)
    channel, begun = ScriptedChannel(policy=DeliveryPolicy(reconciliation="lookup", settle_time=30)), world.clock()
    await send_until_done(world, lambda: world.outbound(channel))
    assert (channel.sent, await world.facts()) == (["r1"], [("r1", "sent")])
    assert world.clock() - begun == timedelta(seconds=90)


async def test_an_answer_that_never_came_is_looked_up_and_found(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(SendUnknown("cut"), policy=DeliveryPolicy(reconciliation="lookup"), shown="x7")
    await world.outbound(channel).handle(world.batch(world.message()))
    outcome = await world.outcome()
    assert outcome is not None
    assert (channel.sent, outcome.state, outcome.external_id) == (["r1"], "sent", "x7")


async def test_an_outcome_reported_by_webhook_is_awaited_and_then_unknown(world: ConnectorEnvironment) -> None:
    channel, begun = ScriptedChannel(SendUnknown("cut"), policy=BY_REPORT), world.clock()
    sender = world.outbound(channel)
    await send_until_done(world, lambda: sender)
    assert timedelta(seconds=60) <= world.clock() - begun < timedelta(seconds=65)
    assert (channel.sent, await world.facts()) == (["r1"], [("r1", "unknown")])


async def report_other_message(
    world: ConnectorEnvironment, outbound: OutboundPipeline, reports: DeliveryReports, at: datetime
) -> None:
    """Someone else's message of the same account is reported on."""
    told = Receipt(state="sent", at=at, external_id="x-other")
    record = world.record(told, topics.RECEIPT_RECORDED)
    with pytest.raises(Parked):
        await ReceiptHandler(bus=world.bus, state=world.state, clock=world.clock, reports=reports).handle(
            OneBatch("another", [record])
        )


async def test_a_send_of_which_no_report_came_while_others_came_is_sent_again_once(world: ConnectorEnvironment) -> None:
    channel, reports = ScriptedChannel(SendUnknown("cut"), policy=BY_REPORT), DeliveryReports(world.bus, world.state)
    sender, begun = world.outbound(channel, reports=reports), world.clock()
    with pytest.raises(Parked):
        await sender.handle(world.batch(world.message()))
    await report_other_message(world, sender, reports, world.clock() + timedelta(seconds=1))
    await send_until_done(world, lambda: sender)
    assert (channel.sent, await world.facts()) == (["r1", "r1"], [("r1", "sent")])
    assert timedelta(seconds=12) <= world.clock() - begun < timedelta(seconds=16)


async def test_news_from_before_the_send_is_no_evidence(world: ConnectorEnvironment) -> None:
    channel, reports = ScriptedChannel(SendUnknown("cut"), policy=BY_REPORT), DeliveryReports(world.bus, world.state)
    sender = world.outbound(channel, reports=reports)
    with pytest.raises(Parked):
        await sender.handle(world.batch(world.message()))
    await report_other_message(world, sender, reports, world.clock() - timedelta(seconds=10))
    await send_until_done(world, lambda: sender)
    assert (channel.sent, await world.facts()) == (["r1"], [("r1", "unknown")])


async def test_nothing_is_sent_again_while_a_report_on_it_waits_to_be_applied(world: ConnectorEnvironment) -> None:
    channel, reports = ScriptedChannel(SendUnknown("cut"), policy=BY_REPORT), DeliveryReports(world.bus, world.state)
    sender = world.outbound(channel, reports=reports)
    with pytest.raises(Parked):
        await sender.handle(world.batch(world.message()))
    await report_other_message(world, sender, reports, world.clock() + timedelta(seconds=1))
    told = Receipt(state="sent", at=world.clock(), external_id="x-1", marker="r1")
    event = Envelope.from_wire((record := world.record(told, topics.RECEIPT_RECORDED)).headers, record.value)
    await world.bus.append([event])
    for _ in range(20):
        with pytest.raises(Parked) as parked:
            await sender.handle(world.batch(world.message()))
        world.clock.now = parked.value.until
    assert channel.sent == ["r1"]


async def test_asking_what_became_of_a_send_takes_nothing_of_the_pace(world: ConnectorEnvironment) -> None:
    """Else a minute of doubt would use up what may be sent to this contact, and hold up what comes next."""
    policy = replace(BY_REPORT, contact_pace=RateLimit(per_second=0.001, burst=2))
    channel, begun = ScriptedChannel(SendUnknown("cut"), policy=policy), world.clock()
    sender = world.outbound(channel)
    await send_until_done(world, lambda: sender, world.message("r1"), world.message("r2"))
    assert channel.sent == ["r1", "r2"]
    assert await world.facts() == [("r1", "unknown"), ("r2", "sent")]
    assert world.clock() - begun < timedelta(seconds=65)


async def test_a_delay_after_a_resolved_doubt_leaves_no_doubt(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(
        SendUnknown("later", denied=True), RetryLater("limit", retry_after_ms=60_000), policy=BY_REPORT
    )
    sender, begun = world.outbound(channel), world.clock()
    await send_until_done(world, lambda: sender)
    assert channel.sent == ["r1"] * 3
    assert world.clock() - begun < timedelta(seconds=100)


async def test_a_message_is_sent_again_at_most_twice_for_lack_of_a_report(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(*[SendUnknown("cut")] * 9, policy=BY_REPORT)
    reports = DeliveryReports(world.bus, world.state)
    sender = world.outbound(channel, reports=reports)
    while await world.outcome() is None:
        try:
            await sender.handle(world.batch(world.message()))
        except Parked as parked:
            await report_other_message(world, sender, reports, world.clock())
            world.clock.now = parked.until
    assert (channel.sent, await world.facts()) == (["r1"] * 3, [("r1", "unknown")])


async def test_a_message_that_the_vendor_reports_as_not_sent_is_retried_within_seconds(
    world: ConnectorEnvironment,
) -> None:
    channel = ScriptedChannel(*[SendUnknown("later", denied=True)] * 3, policy=BY_REPORT)
    sender, begun = world.outbound(channel), world.clock()
    await send_until_done(world, lambda: sender)
    assert (channel.sent, await world.facts()) == (["r1"] * 4, [("r1", "sent")])
    assert world.clock() - begun < timedelta(seconds=20)


async def test_a_connection_that_broke_costs_seconds_where_the_vendor_can_be_asked(world: ConnectorEnvironment) -> None:
    """The sender knows that its own attempt is over, so it does not wait for the intent's deadline."""
    channel = ScriptedChannel(
        SendUnknown("reset"), policy=DeliveryPolicy(reconciliation="lookup", deadline=60, settle_time=5)
    )
    sender, begun = world.outbound(channel), world.clock()
    await send_until_done(world, lambda: sender)
    assert (channel.sent, await world.facts()) == (["r1", "r1"], [("r1", "sent")])
    assert timedelta(seconds=5) <= world.clock() - begun < timedelta(seconds=7)


async def test_another_process_still_waits_for_the_deadline_of_an_intent(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(
        SendUnknown("reset"), policy=DeliveryPolicy(reconciliation="lookup", deadline=60, settle_time=5)
    )
    begun = world.clock()
    await send_until_done(world, lambda: world.outbound(channel))
    assert channel.sent == ["r1", "r1"]
    assert world.clock() - begun >= timedelta(seconds=65)


async def test_a_vendor_that_may_still_be_at_it_is_given_longer(world: ConnectorEnvironment) -> None:
    policy = DeliveryPolicy(reconciliation="lookup", settle_time=5, slow_settle_time=30)
    channel = ScriptedChannel(SendUnknown("no answer in time", slow=True), policy=policy)
    sender, begun = world.outbound(channel), world.clock()
    await send_until_done(world, lambda: sender)
    assert channel.sent == ["r1", "r1"]
    assert world.clock() - begun >= timedelta(seconds=30)


async def test_a_process_that_was_held_up_does_not_act_under_an_old_intent(
    world: ConnectorEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever resolves the intent may be sending by then."""
    begin, held_up = world.state.deliveries.begin_send, [True]

    async def slowly(conversation: str, message: OutboundMessage, *, deadline: float, now: datetime) -> Any:
        verdict = await begin(conversation, message, deadline=deadline, now=now)
        if held_up.pop() if held_up else False:
            await asyncio.sleep(deadline)
        return verdict

    monkeypatch.setattr(world.state.deliveries, "begin_send", slowly)
    again, renewed = world.state.deliveries.begin_resend, []

    async def renewing(*given: Any, **more: Any) -> Any:
        renewed.append(more["held"])
        return await again(*given, **more)

    monkeypatch.setattr(world.state.deliveries, "begin_resend", renewing)
    channel = ScriptedChannel(policy=DeliveryPolicy(reconciliation="lookup", deadline=0.6))
    monkeypatch.setattr(outbound_sender, "MIN_SECONDS_LEFT", 0.1)
    await world.outbound(channel).handle(world.batch(world.message()))
    assert (len(renewed), channel.sent) == (1, ["r1"])


# ── Doubt that remains is people's ───────────────────────────────────────────────────────────────────────────────────


async def asked_for_people(world: ConnectorEnvironment) -> list[OwnerRequested]:
    logged = await world.logged(topics.inbound("web"))
    return [event.payload(OwnerRequested) for event in logged if event.type == topics.OWNER_REQUESTED]


async def test_an_answer_that_may_be_lost_is_shown_as_that_and_hands_the_conversation_to_people(
    world: ConnectorEnvironment,
) -> None:
    for _ in range(2):
        await world.outbound(ScriptedChannel(SendUnknown("cut"))).handle(world.batch(world.message()))
    (line,) = await world.state.transcript.read(world.conversation)
    assert (line.id, line.state) == ("r1", "unknown")
    asked = await asked_for_people(world)
    assert {(each.id, each.to, each.expected_epoch) for each in asked} == {(asked[0].id, "queue", 0)}
    assert "may not have reached" in asked[0].reason
    assert b'parley_outbound_total{channel="web",result="unknown"}' in world.metrics.render()


async def test_people_who_have_the_conversation_are_not_asked_again_but_told(world: ConnectorEnvironment) -> None:
    await world.bus.create_topics(topics.topic_specs(["slack"], partitions=3, small=3))
    await world.claim()
    outbound = OutboundPipeline(
        ScriptedChannel(SendUnknown("cut")),
        bus=world.bus,
        state=world.state,
        metrics=world.metrics,
        clock=world.clock,
        account_of=world.account,
        desk_tenants=frozenset({"shop"}),
    )
    await outbound.handle(world.batch(world.message(epoch=1)))
    assert await asked_for_people(world) == []
    touched = [event.payload(DeskUpdate) for event in await world.logged(topics.outbound("slack"))]
    assert [each.changed for each in touched] == [["r1"]]


async def test_a_report_that_comes_late_ends_what_people_were_told(world: ConnectorEnvironment) -> None:
    await world.bus.create_topics(topics.topic_specs(["slack"], partitions=3, small=3))
    await world.outbound(ScriptedChannel(SendUnknown("cut"))).handle(world.batch(world.message()))
    told = Receipt(state="delivered", at=world.clock(), external_id="x-1", marker="r1")
    receipts = ReceiptHandler(bus=world.bus, state=world.state, clock=world.clock, desk_tenants=frozenset({"shop"}))
    await receipts.handle(world.batch(told, kind=topics.RECEIPT_RECORDED))
    (line,) = await world.state.transcript.read(world.conversation)
    assert line.state == "delivered"
    assert await world.facts() == [("r1", "unknown"), ("r1", "sent")]
    touched = [event.payload(DeskUpdate) for event in await world.logged(topics.outbound("slack"))]
    assert [each.changed for each in touched] == [["r1"]]


async def test_an_identical_text_of_another_part_does_not_resolve_the_doubt(world: ConnectorEnvironment) -> None:
    await world.outbound(ScriptedChannel("x9")).handle(world.batch(world.message("r0")))
    await intend(world)
    world.clock.now += timedelta(seconds=90)
    channel = ScriptedChannel("x10", policy=DeliveryPolicy(reconciliation="lookup"), shown="x9")
    await world.outbound(channel).handle(world.batch(world.message()))
    outcome = await world.outcome()
    assert outcome is not None
    assert (channel.sent, outcome.external_id) == (["r1"], "x10")


async def test_a_message_with_an_id_and_no_outcome_after_a_crash_is_recognized(world: ConnectorEnvironment) -> None:
    await intend(world)
    await world.state.deliveries.bind("shop", "web", "main", "x9", world.conversation, "r1")
    channel = ScriptedChannel(policy=DeliveryPolicy(reconciliation="lookup"), shown="x9")
    await world.outbound(channel).handle(world.batch(world.message()))
    assert (channel.sent, await world.facts()) == ([], [("r1", "sent")])


async def test_of_two_equal_pieces_the_second_is_not_taken_for_the_first(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(
        "x9", SendUnknown("cut"), "x10", policy=DeliveryPolicy(reconciliation="lookup"), shown="x9"
    )
    sender, message = world.outbound(channel), world.message(text="again\nagain")
    while True:
        try:
            await sender.handle(world.batch(message))
            break
        except Parked as parked:
            world.clock.now = parked.until
    outcome = await world.outcome()
    assert outcome is not None
    assert (channel.sent, outcome.external_id) == (["r1.0", "r1", "r1"], "x10")


async def test_a_lookup_that_can_never_tell_leaves_the_outcome_unknown(world: ConnectorEnvironment) -> None:
    await intend(world)
    channel = ScriptedChannel(policy=DeliveryPolicy(reconciliation="lookup"), shown=SendRefused("history_hidden"))
    await world.outbound(channel).handle(world.batch(world.message()))
    assert (channel.sent, await world.facts()) == ([], [("r1", "unknown")])


async def test_a_look_up_without_an_answer_is_asked_again_until_the_message_expires(
    world: ConnectorEnvironment,
) -> None:
    await intend(world)
    message = world.message()
    channel = ScriptedChannel(policy=DeliveryPolicy(reconciliation="lookup"), shown=SendUnknown("cut"))
    with pytest.raises(Parked):
        await world.outbound(channel).handle(world.batch(message))
    world.clock.now = message.expires_at
    await world.outbound(channel).handle(world.batch(message))
    assert (channel.sent, await world.facts()) == ([], [("r1", "unknown")])


# ── Doubt: a marker that is known again for a while, then a look-up ──────────────────────────────────────────────────

REPEATS = DeliveryPolicy(repeats=True, reconciliation="lookup", deadline=60, settle_time=30)


async def test_a_marker_that_is_known_again_is_repeated_without_a_look_up(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(SendUnknown("cut"), policy=REPEATS, shown=AssertionError("nobody is to ask"))
    await world.outbound(channel).handle(world.batch(world.message()))
    assert (channel.sent, await world.facts()) == (["r1", "r1"], [("r1", "sent")])


async def test_after_a_crash_it_is_repeated_until_the_deadline_of_the_intent(world: ConnectorEnvironment) -> None:
    await intend(world)
    world.clock.now += timedelta(seconds=40)
    channel = ScriptedChannel(policy=REPEATS, shown=AssertionError("nobody is to ask"))
    await world.outbound(channel).handle(world.batch(world.message()))
    assert (channel.sent, await world.facts()) == (["r1"], [("r1", "sent")])


async def test_after_the_deadline_of_the_intent_it_is_looked_up(world: ConnectorEnvironment) -> None:
    await intend(world)
    world.clock.now += timedelta(seconds=61)
    channel = ScriptedChannel(policy=REPEATS, shown="x9")
    await world.outbound(channel).handle(world.batch(world.message()))
    assert (channel.sent, await world.facts()) == ([], [("r1", "sent")])


@pytest.mark.parametrize("error", [RetryLater("later", retry_after_ms=600_000), CredentialsRevoked("revoked")])
async def test_a_repeat_that_is_put_off_leaves_the_doubt_about_the_first_try(
    world: ConnectorEnvironment, error: Exception
) -> None:
    channel = ScriptedChannel(SendUnknown("cut"), error, policy=REPEATS, shown="x9")
    sender = world.outbound(channel)
    with pytest.raises(Parked) as parked:
        await sender.handle(world.batch(world.message()))
    world.clock.now = parked.value.until + timedelta(seconds=1)
    await sender.handle(world.batch(world.message()))
    assert (channel.sent, await world.facts()) == (["r1", "r1"], [("r1", "sent")])


@pytest.mark.parametrize(("shown", "outcome"), [("x9", "sent"), (None, "failed"), (SendRefused("hidden"), "failed")])
async def test_a_repeat_that_is_refused_fails_unless_the_first_try_was_shown(
    world: ConnectorEnvironment, shown: str | Exception | None, outcome: str
) -> None:
    channel = ScriptedChannel(SendUnknown("cut"), SendRefused("blocked"), policy=REPEATS, shown=shown)
    await world.outbound(channel).handle(world.batch(world.message()))
    assert (channel.sent, await world.facts()) == (["r1", "r1"], [("r1", outcome)])


# ── Messages of several pieces ───────────────────────────────────────────────────────────────────────────────────────


async def test_each_piece_is_sent_once_and_the_message_is_sent_with_the_last(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel("x1", "x2", RetryLater("later", retry_after_ms=60_000))
    message = world.message(text="one\ntwo\nthree")
    with pytest.raises(Parked):
        await world.outbound(channel).handle(world.batch(message))
    await world.outbound(channel).handle(world.batch(message))
    assert len(channel.sent) == 4
    assert channel.sent[2:] == ["r1", "r1"]
    assert len(set(channel.sent)) == 3
    told = [event.payload(DeliveryOutcome) for event in await world.logged()]
    assert {fact.message_id for fact in told if not fact.part_of} == {"r1"}
    for external_id in ("x1", "x2", "x-r1"):
        assert await world.state.deliveries.by_external_id("shop", "web", "main", external_id) == (
            world.conversation,
            "r1",
        )


async def test_a_piece_that_is_refused_ends_the_message(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel("x1", SendRefused("too rude"))
    await world.outbound(channel).handle(world.batch(world.message(text="one\ntwo\nthree"), world.message("r2")))
    outcome = await world.outcome()
    assert outcome is not None
    assert (len(channel.sent), outcome.state) == (3, "failed")


async def test_no_piece_is_sent_after_one_that_failed(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel("x1", SendRefused("too rude"))
    await world.outbound(channel).handle(world.batch(world.message(text="one\ntwo\nthree\nfour")))
    assert channel.sent == [ids.part_id("r1", 0, 4), ids.part_id("r1", 1, 4)]
    outcome = await world.outcome()
    assert outcome is not None
    assert outcome.state == "failed"


# ── Accounts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_delayed_or_refused_send_leaves_no_doubt(world: ConnectorEnvironment) -> None:
    for error in (RetryLater("later", retry_after_ms=60_000), CredentialsRevoked("revoked")):
        with pytest.raises(Parked):
            await world.outbound(ScriptedChannel(error)).handle(world.batch(world.message()))
    await world.outbound(channel := ScriptedChannel()).handle(world.batch(world.message()))
    assert channel.sent == ["r1"]


async def test_one_message_learns_that_an_account_is_stopped_and_the_others_do_not_ask(
    world: ConnectorEnvironment,
) -> None:
    channel = ScriptedChannel(CredentialsRevoked("token revoked"), CredentialsRevoked("token revoked"))
    sender = world.outbound(channel)
    for number in range(5):
        with pytest.raises(Parked):
            await sender.handle(world.batch(world.message(f"r{number}")))
    assert channel.sent == ["r0"]
    world.clock.now += reconciliation.REVOKED_PAUSE
    with pytest.raises(Parked):
        await sender.handle(world.batch(world.message("r1")))
    assert channel.sent == ["r0", "r1"]


async def test_a_limit_of_the_whole_account_stops_the_account_and_one_of_the_message_does_not(
    world: ConnectorEnvironment,
) -> None:
    channel = ScriptedChannel(
        RetryLater("this room", retry_after_ms=60_000),
        "x2",
        RetryLater("all", retry_after_ms=60_000, of_account=True),
    )
    sender = world.outbound(channel)
    with pytest.raises(Parked):
        await sender.handle(world.batch(world.message("r1")))
    await sender.handle(world.batch(world.message("r2")))
    for name in ("r3", "r4"):
        with pytest.raises(Parked):
            await sender.handle(world.batch(world.message(name)))
    assert channel.sent == ["r1", "r2", "r3"]


# ── Records and stores ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_record_that_cannot_be_read_is_raised_for_the_lane(world: ConnectorEnvironment) -> None:
    sender = world.outbound(ScriptedChannel())
    batch = world.batch()
    batch.records = [world.record(world.message(), value=b"{")]
    with pytest.raises(UndecodableRecord):
        await sender.handle(batch)
    feedback = Feedback(message_id="r1", value="up", at=world.clock())
    with pytest.raises(UnknownEventType):
        await sender.handle(world.batch(feedback, kind="parley.feedback.given.v1"))


async def test_a_store_that_is_away_during_a_web_send_is_only_a_delay(world: ConnectorEnvironment) -> None:
    web = world.web()
    add = world.state.transcript.add
    calls: list[int] = []

    async def flaky(conversation: str, message: TranscriptMessage) -> int:
        calls.append(1)
        if len(calls) == 1:
            raise StateUnavailable("the store is away")
        return await add(conversation, message)

    world.state.transcript.add = flaky  # type: ignore[method-assign]
    sender = world.outbound(web)
    with pytest.raises(StateUnavailable):
        await sender.handle(world.batch(world.message()))
    await sender.handle(world.batch(world.message()))
    assert [line.state for line in await world.state.transcript.read(world.conversation)] == ["sent"]
    assert await world.facts() == [("r1", "sent")]


async def test_one_account_is_paced(world: ConnectorEnvironment) -> None:
    channel = ScriptedChannel(policy=DeliveryPolicy(pace=RateLimit(per_second=0.001, burst=2)))
    sender = world.outbound(channel)
    with pytest.raises(Parked):
        await sender.handle(world.batch(*(world.message(f"r{n}") for n in range(3))))
    assert channel.sent == ["r0", "r1"]


async def test_results_are_counted(world: ConnectorEnvironment) -> None:
    await world.outbound(ScriptedChannel(SendRefused("no"))).handle(
        world.batch(world.message("r1"), world.message("r2"))
    )
    value = world.metrics.registry.get_sample_value
    assert value("parley_outbound_total", {"channel": "web", "result": "failed"}) == 1
    assert value("parley_outbound_total", {"channel": "web", "result": "sent"}) == 1


class ByAccount(ScriptedChannel):
    """Its accounts differ: one can be looked up."""

    def policy_of(self, account: Account) -> DeliveryPolicy:
        return DeliveryPolicy(reconciliation="lookup") if account.name == "main" else DeliveryPolicy()


@pytest.mark.parametrize(("account", "expected"), [("main", "sent"), ("other", "unknown")])
async def test_accounts_of_one_channel_may_differ_in_what_is_done_about_doubt(
    world: ConnectorEnvironment, monkeypatch: pytest.MonkeyPatch, account: str, expected: str
) -> None:
    monkeypatch.setattr(
        ConnectorEnvironment, "account", lambda self, tenant, channel, name: Account(tenant, channel, name, None)
    )
    await intend(world)
    channel = ByAccount(shown="x9")
    batch = world.batch()
    batch.records = [world.record(world.message(), account=account)]
    await world.outbound(channel).handle(batch)
    assert (channel.sent, await world.facts()) == ([], [("r1", expected)])


async def test_accounts_of_one_channel_may_differ_in_their_window(world: ConnectorEnvironment) -> None:
    class WindowedChannel(ScriptedChannel):
        def policy_of(self, account: Account) -> DeliveryPolicy:
            return DeliveryPolicy(window=timedelta(hours=24))

    channel = WindowedChannel()
    await world.outbound(channel).handle(world.batch(world.message()))
    outcome = await world.outcome()
    assert outcome is not None
    assert (channel.sent, outcome.state, outcome.reason) == ([], "failed", "window_closed")


async def test_a_desk_hears_what_became_of_what_people_and_the_system_said(world: ConnectorEnvironment) -> None:
    await world.bus.create_topics(topics.topic_specs(["slack"], partitions=3, small=3))
    watching = OutboundPipeline(
        ScriptedChannel("x-1", SendRefused("blocked")),
        bus=world.bus,
        state=world.state,
        metrics=world.metrics,
        clock=world.clock,
        account_of=world.account,
        desk_tenants=frozenset({"shop"}),
    )
    await world.outbound(ScriptedChannel()).handle(world.batch(world.message("r0")))
    person, system = Author(kind="person", name="Mo"), Author(kind="system")
    said = [world.message("r1", author=person), world.message("r2", author=system), world.message("r3")]
    await watching.handle(world.batch(*said))
    told = [event.payload(DeskUpdate).changed for event in await world.logged(topics.outbound("slack"))]
    assert sorted(told) == [["r1"], ["r2"]]
