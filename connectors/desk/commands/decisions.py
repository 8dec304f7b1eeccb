"""Commands about drafts and approvals: request, send or discard a draft, resend a message, approve or deny an
action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from connectors.desk.client import DeskClient
from connectors.desk.events import build_desk_event, build_reply_event, event_source
from connectors.desk.rules import TenantDeskRules
from schemas import ids, topics
from schemas.conversation import Conversation, DeliveryOutcome
from schemas.desk import DeskCommand, DraftRequested, DraftSettled
from schemas.envelope import Envelope
from schemas.handoff.rules import Actor, holder_name, is_held_by, pending_approvals
from schemas.handoff.service import ApprovalOutcome, OwnershipService
from schemas.ports import Account, Bus, Clock, State

Outcome = Literal["sent", "edited", "discarded"]
DRAFT_GONE = "This draft no longer exists. Please ask for another one."
DRAFT_USED = "This draft has already been sent or discarded."
ARRIVED = "It has arrived after all, so nothing was sent."
RESENT = "This has already been sent again."
FIRST_OF_TWO = "Your approval counts. Another person has to approve it, too."
APPROVAL_OBJECTIONS: dict[ApprovalOutcome, str] = {
    "role_too_low": "Your role does not allow you to decide this.",
    "same_person": "You have approved this already. Another person has to approve it, too.",
}
ALREADY_DECIDED = "This has already been decided, or it is too late."


class Decisions:
    def __init__(
        self, *, rules: Mapping[str, TenantDeskRules], client: DeskClient, bus: Bus, state: State, clock: Clock
    ) -> None:
        self._rules = rules
        self._client = client
        self._bus = bus
        self._conversations = state.conversations
        self._ownership = OwnershipService(bus=bus, conversations=state.conversations, clock=clock)
        self._deliveries = state.deliveries
        self._transcript = state.transcript
        self._clock = clock

    async def request_draft(self, conversation: Conversation, command: DeskCommand) -> None:
        """Request a draft from the agent."""
        request = DraftRequested(id=command.id, by=command.by, name=command.name, hint=command.text, at=command.at)
        await self._bus.append(
            [build_desk_event(conversation, topics.DRAFT_REQUESTED, request, command.id, self._clock(), command)]
        )

    async def send_draft(self, conversation: Conversation, command: DeskCommand, account: Account) -> None:
        """Send a draft once, as a message of the person who holds the conversation."""
        current = await self._conversations.get(conversation.id) or conversation
        draft = _read_field(command, "draft")
        recorded = await self._deliveries.outcome(current.id, _draft_outcome_id(command))
        if recorded is None and (refusal := _explain_not_held(current, command)):
            return await self._client.whisper(account, command.place, command.by, f"The draft was not sent. {refusal}")
        if recorded is None and not command.text.strip():
            return await self._client.whisper(account, command.place, command.by, DRAFT_GONE)
        epoch = await self._record_decision(current, command, str(current.epoch))
        if not epoch:
            return await self._client.whisper(account, command.place, command.by, DRAFT_USED)
        outcome: Outcome = "sent" if command.text == draft else "edited"
        await self._bus.append(
            [
                build_reply_event(current, command, int(epoch), (), self._clock()),
                self._build_settled_event(current, command, command.text, outcome),
            ]
        )

    async def resend_message(self, conversation: Conversation, command: DeskCommand, account: Account) -> None:
        """Send a line that may not have arrived again, once, as a message of the person who holds the conversation."""
        current = await self._conversations.get(conversation.id) or conversation
        line = await self._transcript.find(current.id, command.value)
        refusal = ARRIVED if line is None or line.state != "unknown" else _explain_not_held(current, command)
        if await self._deliveries.outcome(current.id, _draft_outcome_id(command)) is None and refusal:
            return await self._client.whisper(account, command.place, command.by, refusal)
        epoch = await self._record_decision(current, command, str(current.epoch))
        if not epoch or line is None:
            return await self._client.whisper(account, command.place, command.by, RESENT)
        command_with_text = command.model_copy(update={"text": line.text})
        await self._bus.append(
            [build_reply_event(current, command_with_text, int(epoch), line.attachments, self._clock())]
        )

    async def discard_draft(self, conversation: Conversation, command: DeskCommand, account: Account) -> None:
        if not await self._record_decision(conversation, command, "discarded"):
            return await self._client.whisper(account, command.place, command.by, DRAFT_USED)
        await self._bus.append([self._build_settled_event(conversation, command, "", "discarded")])

    async def decide_approval(self, conversation: Conversation, command: DeskCommand, account: Account) -> None:
        """Approve or deny an action."""
        current = await self._conversations.get(conversation.id) or conversation
        person = self._rules[current.origin.tenant].find_person(command.by)
        source = event_source(current, command)
        actor = Actor(command.by, source, command.name, role=person.role or "viewer", person_id=person.id)
        decision: Literal["approve", "deny"] = "approve" if command.kind == "approve" else "deny"
        outcome = await self._ownership.decide_approval(current, command.value, decision, actor, id=command.id)
        if outcome == "decided":
            await self._deliveries.record(
                current.id, DeliveryOutcome(message_id=command.id, state="sent", at=self._clock())
            )
            if decision == "approve" and _is_first_of_two(current, command.value):
                await self._client.whisper(account, command.place, command.by, FIRST_OF_TWO)
        elif await self._deliveries.outcome(current.id, command.id) is None:
            text = APPROVAL_OBJECTIONS.get(outcome, ALREADY_DECIDED)
            await self._client.whisper(account, command.place, command.by, text)

    async def _record_decision(self, conversation: Conversation, command: DeskCommand, value: str) -> str:
        """Record this decision unless another one came first. Return the recorded value; empty if this command lost."""
        outcome_id = _draft_outcome_id(command)
        recorded = await self._deliveries.outcome(conversation.id, outcome_id)
        if recorded is None:
            recorded = DeliveryOutcome(
                message_id=outcome_id, state="sent", reason=f"{command.id} {value}", at=self._clock()
            )
            await self._deliveries.record(conversation.id, recorded)
        by, _, text = recorded.reason.partition(" ")
        return text if by == command.id else ""

    def _build_settled_event(
        self, conversation: Conversation, command: DeskCommand, sent: str, outcome: Outcome
    ) -> Envelope:
        settled = DraftSettled(
            id=command.value,
            draft=_read_field(command, "draft"),
            sent=sent,
            outcome=outcome,
            model=_read_field(command, "model"),
            by=command.by,
            at=command.at,
        )
        event_id = ids.derived_id(command.value, "settled")
        return build_desk_event(conversation, topics.DRAFT_SETTLED, settled, event_id, self._clock(), command)


def _is_first_of_two(conversation: Conversation, approval: str) -> bool:
    """Tell whether another person has to approve after this one."""
    pending = (each for each in pending_approvals(conversation) if each.id == approval)
    return any(len(each.approved_by) + 1 < each.people for each in pending)


def _explain_not_held(conversation: Conversation, command: DeskCommand) -> str:
    """Explain why this person may not write to the contact now; empty if they may."""
    if conversation.owner != "person":
        return "Claim it first."
    return "" if is_held_by(conversation, command.by) else f"{holder_name(conversation)} holds this conversation."


def _read_field(command: DeskCommand, name: str) -> str:
    return next(iter(command.fields.get(name, ())), "")


def _draft_outcome_id(command: DeskCommand) -> str:
    return ids.derived_id(command.value, "draft-settled")
