"""Changes of the owner that people ask for at the desk."""

from __future__ import annotations

from connectors.slack.desk.wrapping import source_of, wrapped
from schemas import ids, topics
from schemas.conversation import Conversation
from schemas.desk import DeskActed, DeskTouched
from schemas.handoff.rules import ActKind, Actor, OwnershipAct
from schemas.handoff.service import Decision, OwnershipService, Resolution
from schemas.ports import Bus, Clock, Conversations


class Owners:
    def __init__(self, *, bus: Bus, conversations: Conversations, clock: Clock) -> None:
        self._service = OwnershipService(bus=bus, conversations=conversations, clock=clock)
        self._bus = bus
        self._clock = clock

    async def change(
        self,
        found: Conversation,
        acted: DeskActed,
        kind: ActKind,
        reason: str,
        *,
        assignee: Actor | None = None,
        resolution: Resolution | None = None,
    ) -> Decision:
        """Perform an act as the rules allow, and bring the desk in line at once. Repeating it changes nothing. Raises
        Unavailable, BusUnavailable, StateUnavailable, StateLost."""
        actor = Actor(acted.by, source_of(found), acted.name)
        act = OwnershipAct(acted.id, kind, actor, reason, acted.at, assignee=assignee, cause=acted.id)
        decision = await self._service.perform(found, act, resolution)
        if decision.outcome == "changed":
            now = self._clock()
            touched = DeskTouched(owner=True, at=now)
            event_id = ids.derived_id(acted.id, "touched")
            await self._bus.append([wrapped(found, topics.DESK_TOUCHED, touched, event_id, now, acted.id)])
        return decision
