"""Messages that a sender gives up on are kept whole and marked."""

from __future__ import annotations

import base64

from connectors.outbound.dead_letters import DeadLetterWriter
from schemas import topics
from schemas.conversation import DeadLetter
from schemas.errors import UndecodableRecord
from schemas.messages import Author, TranscriptMessage
from tests.unit.connectors.conftest import ConnectorEnvironment


def desk(world: ConnectorEnvironment) -> DeadLetterWriter:
    return DeadLetterWriter(bus=world.bus, state=world.state, metrics=world.metrics, clock=world.clock)


async def test_a_given_up_message_is_a_dead_letter_and_failed(world: ConnectorEnvironment) -> None:
    line = TranscriptMessage(id="r1", author=Author(kind="agent"), text="x", created_at=world.clock(), state="pending")
    await world.state.transcript.add(world.conversation, line)
    record = world.record(world.message())
    for _ in range(2):
        await desk(world).give_up(world.conversation, [record], RuntimeError("words of a contact"), 5)
    letters, _ = await world.state.dead_letters.list_page("shop")
    (letter,) = letters
    assert (letter.code, letter.reason, letter.attempts) == ("handler_failed", "RuntimeError", 5)
    assert base64.b64decode(letter.value) == record.value
    assert letter.headers == record.headers
    (marked,) = await world.state.transcript.read(world.conversation)
    assert marked.state == "failed"
    assert ("r1", "failed") in await world.facts()
    events = await world.logged(topics.DEADLETTER)
    assert {event.id for event in events} == {letter.id}
    assert events[0].payload(DeadLetter).conversation_id == world.conversation
    assert world.metrics.registry.get_sample_value("parley_deadletters_total", {"code": "handler_failed"}) == 2


async def test_a_record_without_headers_is_kept_too(world: ConnectorEnvironment) -> None:
    record = world.record(world.message(), headers={}, value=b"\xff")
    await desk(world).give_up(world.conversation, [record], UndecodableRecord("missing header ce_id"), 1)
    (event,) = await world.logged(topics.DEADLETTER)
    letter = event.payload(DeadLetter)
    assert (letter.code, letter.channel, base64.b64decode(letter.value)) == ("undecodable_record", "web", b"\xff")
