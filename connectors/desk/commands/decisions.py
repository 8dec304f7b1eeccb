"""Commands about the agent's requests: drafts to make, send or discard, and actions to approve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from connectors.desk.client import DeskClient
from connectors.desk.events import desk_event, source_of
from schemas import ids, topics
from schemas.conversation import Conversation, DeliveryOutcome
from schemas.desk import DeskCommand, DraftRequested, DraftSettled
from schemas.envelope import Envelope
from schemas.handoff.rules import Actor, holder_name, is_held_by
from schemas.handoff.service import OwnershipService
from schemas.messages import Attachment, Author, InboundMessage
from schemas.ports import Account, Bus, Clock, State

Outcome = Literal["sent", "edited", "discarded"]
GONE = "This draft is not there any more. Please ask for another one."
USED = "This draft was sent or discarded already."
ARRIVED = "It has arrived after all, so nothing was sent."
RESENT = "This was sent again already."
DECIDED = "This was decided already, or it is too late."


class Decisions:
    def __init__(self, *, client: DeskClient, bus: Bus, state: State, clock: Clock) -> None:
        self._client = client
        self._bus = bus
        self._conversations = state.conversations
        self._ownership = OwnershipService(bus=bus, conversations=state.conversations, clock=clock)
        self._deliveries = state.deliveries
        self._transcript = state.transcript
        self._clock = clock

    async def ask(self, found: Conversation, acted: DeskCommand) -> None:
        """For what the agent would answer now."""
        wanted = DraftRequested(id=acted.id, by=acted.by, name=acted.name, hint=acted.text, at=acted.at)
        await self._append([desk_event(found, topics.DRAFT_REQUESTED, wanted, acted.id, self._clock(), acted)])

    async def send(self, found: Conversation, acted: DeskCommand, account: Account) -> None:
        """A draft goes out once, as its sender's own words, by whoever holds the conversation."""
        now = await self._conversations.get(found.id) or found
        draft = next(iter(acted.fields.get("draft", ())), "")
        known = await self._deliveries.outcome(now.id, _draft_outcome_id(acted))
        if known is None and (refused := _not_held(now, acted)):
            return await self._client.whisper(account, acted.place, acted.by, f"The draft was not sent. {refused}")
        if known is None and not acted.text.strip():
            return await self._client.whisper(account, acted.place, acted.by, GONE)
        epoch = await self._record_decision(now, acted, str(now.epoch))
        if not epoch:
            return await self._client.whisper(account, acted.place, acted.by, USED)
        outcome: Outcome = "sent" if acted.text == draft else "edited"
        await self._append(
            [self._build_reply_event(now, acted, int(epoch)), self._pair(now, acted, draft, acted.text, outcome)]
        )

    async def resend(self, found: Conversation, acted: DeskCommand, account: Account) -> None:
        """A line that may not have arrived, once more and once, as the words of whoever holds the conversation."""
        now = await self._conversations.get(found.id) or found
        line = await self._transcript.find(now.id, acted.value)
        refused = ARRIVED if line is None or line.state != "unknown" else _not_held(now, acted)
        if await self._deliveries.outcome(now.id, _draft_outcome_id(acted)) is None and refused:
            return await self._client.whisper(account, acted.place, acted.by, refused)
        epoch = await self._record_decision(now, acted, str(now.epoch))
        if not epoch or line is None:
            return await self._client.whisper(account, acted.place, acted.by, RESENT)
        said = acted.model_copy(update={"text": line.text})
        await self._append([self._build_reply_event(now, said, int(epoch), line.attachments)])

    async def discard(self, found: Conversation, acted: DeskCommand, account: Account) -> None:
        if not await self._record_decision(found, acted, "discarded"):
            return await self._client.whisper(account, acted.place, acted.by, USED)
        draft = next(iter(acted.fields.get("draft", ())), "")
        await self._append([self._pair(found, acted, draft, "", "discarded")])

    async def decide(self, found: Conversation, acted: DeskCommand, account: Account) -> None:
        """Approve or deny an action that waits for it."""
        now = await self._conversations.get(found.id) or found
        actor = Actor(acted.by, source_of(now, acted), acted.name)
        decision: Literal["approve", "deny"] = "approve" if acted.kind == "approve" else "deny"
        outcome = await self._ownership.decide_approval(now, acted.value, decision, actor, id=acted.id)
        if outcome == "decided":
            await self._deliveries.record(now.id, DeliveryOutcome(message_id=acted.id, state="sent", at=self._clock()))
        elif await self._deliveries.outcome(now.id, acted.id) is None:
            await self._client.whisper(account, acted.place, acted.by, DECIDED)

    async def _record_decision(self, found: Conversation, acted: DeskCommand, how: str) -> str:
        """Record this decision on the draft unless another came first. Return this one's text; empty when it lost."""
        about = _draft_outcome_id(acted)
        known = await self._deliveries.outcome(found.id, about)
        if known is None:
            known = DeliveryOutcome(message_id=about, state="sent", reason=f"{acted.id} {how}", at=self._clock())
            await self._deliveries.record(found.id, known)
        by, _, told = known.reason.partition(" ")
        return told if by == acted.id else ""

    def _build_reply_event(
        self, found: Conversation, acted: DeskCommand, epoch: int, files: Sequence[Attachment] = ()
    ) -> Envelope:
        origin = found.origin
        said = InboundMessage(
            id=acted.id,
            external_id=acted.external_id,
            place=origin.place,
            contact_id=origin.contact_id,
            author=Author(kind="person", name=acted.name),
            text=acted.text,
            attachments=list(files),
            epoch=epoch,
            sent_at=acted.at,
        )
        # The act's own id is that of the event at the desk.
        return desk_event(found, topics.MESSAGE_RECEIVED, said, acted.id, self._clock(), acted)

    def _pair(
        self,
        found: Conversation,
        acted: DeskCommand,
        draft: str,
        sent: str,
        outcome: Literal["sent", "edited", "discarded"],
    ) -> Envelope:
        pair = DraftSettled(id=acted.value, draft=draft, sent=sent, outcome=outcome, by=acted.by, at=acted.at)
        event_id = ids.derived_id(acted.value, "settled")
        return desk_event(found, topics.DRAFT_SETTLED, pair, event_id, self._clock(), acted)

    async def _append(self, events: list[Envelope]) -> None:
        await self._bus.append(events)


def _not_held(now: Conversation, acted: DeskCommand) -> str:
    """Why this person may not write to the contact now; empty when they may."""
    if now.owner != "person":
        return "Claim it first."
    return "" if is_held_by(now, acted.by) else f"{holder_name(now)} holds this conversation."


def _draft_outcome_id(acted: DeskCommand) -> str:
    return ids.derived_id(acted.value, "draft-settled")
