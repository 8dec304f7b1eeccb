"""Ownership at the desk: claims, and the commands that end a claim."""

from __future__ import annotations

from connectors.desk.client import DeskClient
from connectors.desk.events import build_desk_event, event_source
from schemas import ids, topics
from schemas.conversation import Conversation, DeliveryOutcome
from schemas.desk import DeskCommand, DeskCommandKind, DeskUpdate
from schemas.errors import Unavailable
from schemas.handoff.rules import Actor, CommandKind, OwnershipCommand, holder_name
from schemas.handoff.service import HandoffResolution, OwnershipDecision, OwnershipService
from schemas.ports import Account, Bus, Clock, State

ENDING_COMMANDS: dict[DeskCommandKind, tuple[CommandKind, str]] = {
    "release": ("release", "released at the desk"),
    "return": ("return", "returned to the agent"),
    "resolve": ("resolve", "resolved at the desk"),
    "transfer": ("transfer", "passed on at the desk"),
    "escalate": ("transfer", "escalated at the desk"),
}


class DeskOwnership:
    """Passes commands to the ownership service and informs people of the result. Both methods may be repeated; they
    raise Unavailable and the errors of the ports."""

    def __init__(self, *, client: DeskClient, bus: Bus, state: State, clock: Clock) -> None:
        self._service = OwnershipService(bus=bus, conversations=state.conversations, clock=clock)
        self._deliveries = state.deliveries
        self._client = client
        self._bus = bus
        self._clock = clock

    async def claim(self, account: Account, conversation: Conversation, command: DeskCommand) -> None:
        """Claim the conversation at once, while the vendor waits for its response, without a lane.

        One of several concurrent claims wins, and the others learn who holds the conversation. A decision is final: a
        repeated claim does nothing, even if the conversation is free again.
        """
        if await self._deliveries.outcome(conversation.id, command.id) is not None:
            return
        decision = await self._perform(conversation, command, "claim", "claimed at the desk")
        is_held = decision.outcome == "held"
        outcome = DeliveryOutcome(message_id=command.id, state="stale_owner" if is_held else "sent", at=self._clock())
        await self._deliveries.record(conversation.id, outcome)
        if is_held:
            text = f"Claimed by {holder_name(decision.conversation)}."
            await self._client.whisper(account, command.place, command.by, text)

    async def end(self, conversation: Conversation, command: DeskCommand, account: Account) -> None:
        """Release, return, resolve or transfer the conversation."""
        if command.kind == "transfer" and (text := _explain_unclear_transfer(command)):
            return await self._client.whisper(account, command.place, command.by, text)
        kind, reason = ENDING_COMMANDS[command.kind]
        assignee = _assignee(conversation, command)
        if assignee is not None:
            reason = f"passed on by {command.name}"
        resolution = _resolution(command) if kind == "resolve" else None
        decision = await self._perform(conversation, command, kind, reason, assignee=assignee, resolution=resolution)
        if decision.outcome == "held":
            text = f"{holder_name(decision.conversation)} holds this conversation. Release it first."
            await self._client.whisper(account, command.place, command.by, text)

    async def _perform(
        self,
        conversation: Conversation,
        command: DeskCommand,
        kind: CommandKind,
        reason: str,
        *,
        assignee: Actor | None = None,
        resolution: HandoffResolution | None = None,
    ) -> OwnershipDecision:
        actor = Actor(command.by, event_source(conversation, command), command.name)
        request = OwnershipCommand(command.id, kind, actor, reason, command.at, assignee=assignee, cause=command.id)
        decision = await self._service.perform(conversation, request, resolution)
        if decision.outcome == "lost":
            raise Unavailable("the owner of the conversation keeps changing")
        if decision.outcome == "changed":
            # The worker reports the change too, but only after its turn; the desk shows it at once.
            now = self._clock()
            touched, event_id = DeskUpdate(owner=True, at=now), ids.derived_id(command.id, "touched")
            await self._bus.append(
                [build_desk_event(conversation, topics.DESK_UPDATE, touched, event_id, now, command)]
            )
        return decision


def _assignee(conversation: Conversation, command: DeskCommand) -> Actor | None:
    person = _first(command, "person")
    return Actor(person, event_source(conversation, command), _first(command, "name")) if person else None


def _resolution(command: DeskCommand) -> HandoffResolution:
    fields = command.fields
    # A reaction has no form, so the tenant's rules decide about the rating.
    asks = bool(fields.get("ask")) if "ask" in fields or "outcome" in fields else True
    return HandoffResolution(_first(command, "outcome"), fields.get("tags", []), _first(command, "note"), asks)


def _first(command: DeskCommand, field: str) -> str:
    return next(iter(command.fields.get(field, ())), "")


def _explain_unclear_transfer(command: DeskCommand) -> str:
    if command.fields.get("refused"):
        return "This colleague cannot act in this channel, so the conversation was not transferred."
    return "" if command.value or command.fields.get("person") else "Choose a channel or a colleague to transfer it to."
