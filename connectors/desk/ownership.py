"""Ownership at the desk: claims, and what makes a conversation leave its holder."""

from __future__ import annotations

from connectors.desk.client import DeskClient
from connectors.desk.events import desk_event, source_of
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
    """Hands commands to the ownership service and tells people what came of them. Both methods may be repeated, and
    raise Unavailable and what the ports raise."""

    def __init__(self, *, client: DeskClient, bus: Bus, state: State, clock: Clock) -> None:
        self._service = OwnershipService(bus=bus, conversations=state.conversations, clock=clock)
        self._deliveries = state.deliveries
        self._client = client
        self._bus = bus
        self._clock = clock

    async def claim(self, account: Account, found: Conversation, acted: DeskCommand) -> None:
        """Claim while the vendor waits for its answer: a claim waits for no turn and for no thread.

        Of several at once one wins, and the others are told who. A decision is final: the same claim again takes
        nothing, also when the conversation is free by then.
        """
        if await self._deliveries.outcome(found.id, acted.id) is not None:
            return
        decision = await self._perform(found, acted, "claim", "claimed at the desk")
        is_taken = decision.outcome == "held"
        told = DeliveryOutcome(message_id=acted.id, state="stale_owner" if is_taken else "sent", at=self._clock())
        await self._deliveries.record(found.id, told)
        if is_taken:
            text = f"Claimed by {holder_name(decision.conversation)}."
            await self._client.whisper(account, acted.place, acted.by, text)

    async def end(self, found: Conversation, acted: DeskCommand, account: Account) -> None:
        """Release, return, resolve or pass on the conversation."""
        if acted.kind == "transfer" and (said := _explain_unclear_transfer(acted)):
            return await self._client.whisper(account, acted.place, acted.by, said)
        kind, reason = ENDING_COMMANDS[acted.kind]
        assignee = _assignee(found, acted)
        if assignee is not None:
            reason = f"passed on by {acted.name}"
        resolution = _resolution(acted) if kind == "resolve" else None
        decision = await self._perform(found, acted, kind, reason, assignee=assignee, resolution=resolution)
        if decision.outcome == "held":
            said = f"{holder_name(decision.conversation)} holds this conversation. Release it first."
            await self._client.whisper(account, acted.place, acted.by, said)

    async def _perform(
        self,
        found: Conversation,
        acted: DeskCommand,
        kind: CommandKind,
        reason: str,
        *,
        assignee: Actor | None = None,
        resolution: HandoffResolution | None = None,
    ) -> OwnershipDecision:
        actor = Actor(acted.by, source_of(found, acted), acted.name)
        command = OwnershipCommand(acted.id, kind, actor, reason, acted.at, assignee=assignee, cause=acted.id)
        decision = await self._service.perform(found, command, resolution)
        if decision.outcome == "lost":
            raise Unavailable("the owner of the conversation keeps changing")
        if decision.outcome == "changed":
            # The worker tells it, too, after its turn; people want to see it at once.
            now = self._clock()
            touched, event_id = DeskUpdate(owner=True, at=now), ids.derived_id(acted.id, "touched")
            await self._bus.append([desk_event(found, topics.DESK_TOUCHED, touched, event_id, now, acted)])
        return decision


def _assignee(found: Conversation, acted: DeskCommand) -> Actor | None:
    person = _first(acted, "person")
    return Actor(person, source_of(found, acted), _first(acted, "name")) if person else None


def _resolution(acted: DeskCommand) -> HandoffResolution:
    fields = acted.fields
    # A reaction fills in no form, and leaves the question to the tenant's rules.
    asks = bool(fields.get("ask")) if "ask" in fields or "outcome" in fields else True
    return HandoffResolution(_first(acted, "outcome"), fields.get("tags", []), _first(acted, "note"), asks)


def _first(acted: DeskCommand, field: str) -> str:
    return next(iter(acted.fields.get(field, ())), "")


def _explain_unclear_transfer(acted: DeskCommand) -> str:
    if acted.fields.get("refused"):
        return "This colleague cannot act in this channel, so the conversation was not passed on."
    return "" if acted.value or acted.fields.get("person") else "Choose a channel or a colleague to pass it on to."
