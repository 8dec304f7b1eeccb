"""Events of people in a conversation, as the worker reads them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from agent_worker.handoff.desk_service_level import DeskServiceLevel
from schemas import topics
from schemas.conversation import OwnerRequested
from schemas.desk import DraftRequested, Handoff, HandoffResolved
from schemas.envelope import Envelope
from schemas.handoff.business_hours import OfficeHours, span_of
from schemas.ids import derived_id
from schemas.messages import ChoiceSelection, OutboundMessage, TranscriptMessage
from tests.unit.agent_worker.worker_environment import WorkerEnvironment

HEAT = "Do you add a heat pack in winter?"
PERSON = "I want to talk to a human."
ALWAYS = DeskServiceLevel()
WEEKDAYS = OfficeHours(ZoneInfo("Europe/Berlin"), {day: [span_of("09:00-17:00")] for day in range(5)})
NINE_TO_FIVE = DeskServiceLevel(hours=WEEKDAYS, first_reply=timedelta(minutes=15))


def request_owner(
    world: WorkerEnvironment, to: Any, name: str, *, epoch: int, by: str = "slack:U1", who: str = "Rosa"
) -> Envelope:
    """A request as the desk's door appends it."""
    ask = OwnerRequested(
        id=derived_id(name, "ask"), to=to, expected_epoch=epoch, by=by, name=who, reason="", at=world.clock()
    )
    return world.wrap(topics.OWNER_REQUESTED, ask, ask.id)


def resolve_handoff(world: WorkerEnvironment, name: str = "done", **more: Any) -> Envelope:
    told = {"id": derived_id(name, "resolved"), "by": "slack:U1", "name": "Rosa", "at": world.clock()}
    done = HandoffResolved.model_validate(told | more)
    return world.wrap(topics.HANDOFF_RESOLVED, done, done.id)


def draft_wanted(world: WorkerEnvironment, name: str = "draft", hint: str = "") -> Envelope:
    wanted = DraftRequested(id=derived_id(name, "draft"), by="slack:U1", name="Rosa", hint=hint, at=world.clock())
    return world.wrap(topics.DRAFT_REQUESTED, wanted, wanted.id)


def pick_choice(world: WorkerEnvironment, name: str, question: OutboundMessage, choice: str) -> Envelope:
    """The contact presses one of the question's buttons."""
    label = next(each.label for each in question.choices if each.id == choice)
    return world.said(name, label, choice=ChoiceSelection(in_reply_to=question.id, id=choice))


async def claim_conversation(world: WorkerEnvironment, name: str = "claim") -> None:
    """Rosa takes the conversation, as it is now."""
    await world.handle(request_owner(world, "person", name, epoch=(await world.known()).epoch))


async def return_conversation(world: WorkerEnvironment, name: str = "return", to: str = "agent") -> None:
    await world.handle(request_owner(world, to, name, epoch=(await world.known()).epoch))


async def read_back(world: WorkerEnvironment) -> None:
    """The worker's own requests come back to it over the log."""
    read = await world.bus.read(topics.inbound(world.origin.channel))
    found = [record async for record in read if record.headers["ce_source"] == "parley/worker"]
    for record in found:
        await world.handle(Envelope.from_wire(record.headers, record.value))


async def deliver_replies(world: WorkerEnvironment) -> None:
    """Connectors take what was sent to the contact: it joins the transcript."""
    for message in await world.replies():
        await world.state.transcript.add(world.conversation, TranscriptMessage.of_outbound(message, "sent"))


async def handed_over(world: WorkerEnvironment, text: str = PERSON) -> OutboundMessage:
    """The agent passes the conversation to people; what the contact was told."""
    await world.handle(world.said("m-handoff", text))
    await deliver_replies(world)
    await read_back(world)
    return (await world.replies())[-1]


async def handoff_of(world: WorkerEnvironment) -> Handoff:
    handoff = (await world.known()).facts.handoff
    assert handoff is not None
    return handoff
