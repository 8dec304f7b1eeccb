"""Which message is a conversation's card: the first, or the next where that was deleted or left for another channel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connectors.desk.posts.posted_state import Records
from connectors.desk.posts.poster import Poster, Session
from connectors.desk.posts.posts import Place
from schemas import ids


@dataclass(frozen=True, slots=True)
class Root:
    """``number`` counts a conversation's cards from 0. ``place`` is None while it is not shown yet; ``bound_to``: the
    channel that it must be shown in, empty where the rules say it."""

    conversation: str
    number: int
    place: Place | None = None
    bound_to: str = ""
    shown_at: datetime | None = None

    @property
    def marker(self) -> str:
        return root_id(self.conversation, self.number)


def root_id(conversation: str, number: int) -> str:
    return ids.derived_id(conversation, "desk", number)


def gone_id(root: str) -> str:
    """The record that a card is no longer the one; its reason is the channel of the next, empty for the usual."""
    return ids.derived_id(root, "gone")


async def current_root(records: Records, conversation: str) -> Root:
    """The card that counts now."""
    number, bound_to = 0, ""
    while (gone := await records.outcome(conversation, gone_id(root_id(conversation, number)))) is not None:
        number, bound_to = number + 1, gone.reason
    shown = await records.outcome(conversation, root_id(conversation, number))
    if shown is None or shown.state != "sent" or not shown.external_id:
        return Root(conversation, number, bound_to=bound_to)
    return Root(conversation, number, Place.of(shown.external_id), bound_to, shown.at)


async def leave_root(poster: Poster, session: Session, root: Root, to: str = "") -> None:
    """From now on another card counts: in the channel ``to``, or where the rules say."""
    await poster.note(session, gone_id(root.marker), reason=to)
