"""Who may speak, as people at the desk change it: the request on the log first, then one compare-and-set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from connectors.slack.desk.wrapping import wrapped
from schemas import ids, topics
from schemas.conversation import Conversation, Owner, OwnerRequested
from schemas.crash_points import reach
from schemas.desk import DeskActed, DeskTouched
from schemas.errors import NotFound, Unavailable
from schemas.ports import Bus, Clock, Conversations

log = structlog.get_logger("parley.desk")
TRIES = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """``by`` is who has the conversation then, where that is a person: not always who acted."""

    to: Owner
    by: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """``refused``: what ``allowed`` said of ``conversation`` as it was then; empty when the wish came true."""

    conversation: Conversation
    refused: str = ""


Rule = Callable[[Conversation], str]
"""Why this may not be done to the conversation as it is; empty when it may."""


class Owners:
    def __init__(self, *, bus: Bus, conversations: Conversations, clock: Clock) -> None:
        self._bus = bus
        self._conversations = conversations
        self._clock = clock

    async def change(self, found: Conversation, acted: DeskActed, wish: Wish, allowed: Rule) -> Settled:
        """Tried again while somebody else changes the owner in between and the rule still holds. Repeating it with the
        same act changes nothing. Raises Unavailable, BusUnavailable, StateUnavailable, StateLost."""
        for _ in range(TRIES):
            now = await self._conversations.get(found.id)
            if now is None:
                return Settled(found, "gone")
            if refused := allowed(now):
                return Settled(now, refused)
            if await self._wins(now, acted, wish):
                return Settled(now)
        raise Unavailable("the owner of the conversation keeps changing")

    async def _wins(self, found: Conversation, acted: DeskActed, wish: Wish) -> bool:
        asked = OwnerRequested(
            id=acted.id,
            to=wish.to,
            expected_epoch=found.epoch,
            by=wish.by,
            name=wish.name,
            reason=wish.reason,
            at=acted.at,
        )
        # Each try is an event of its own, while the store knows one request.
        event_id = ids.derived_id(acted.id, "own", found.epoch)
        reach("edge.before_append")
        await self._bus.append([wrapped(found, topics.OWNER_REQUESTED, asked, event_id, self._clock(), acted.id)])
        reach("edge.after_append")
        try:
            owned = await self._conversations.own(
                found.id,
                wish.to,
                expected_epoch=found.epoch,
                request_id=acted.id,
                by=wish.by,
                name=wish.name,
                reason=wish.reason,
                now=acted.at,
            )
        except NotFound:
            return False
        if owned.won:
            await self._touch(found, acted, self._clock())
        log.info("desk_owner", conversation_id=found.id, to=wish.to, won=owned.won, epoch=owned.epoch)
        return owned.won

    async def _touch(self, found: Conversation, acted: DeskActed, now: datetime) -> None:
        touched = DeskTouched(owner=True, at=now)
        event_id = ids.derived_id(acted.id, "touched")
        await self._bus.append([wrapped(found, topics.DESK_TOUCHED, touched, event_id, now, acted.id)])
