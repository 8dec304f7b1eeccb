"""Removal of the posts about a contact who is being erased.

An erasure first closes the conversation at the desk: from then on nothing is posted about it, so whoever looks on the
log for the posts finds all of them. Then it names them. Cards are replaced by a notice, everything else is deleted."""

from __future__ import annotations

from connectors.desk.contents import ErasureNotice
from connectors.desk.port import Desk
from connectors.desk.posts.posted_state import PostRecords, list_cards
from connectors.desk.posts.poster import DeskSession, Poster, pause
from connectors.desk.thread_ids import Place
from schemas import ids
from schemas.desk import DeskUpdate
from schemas.errors import SendRefused
from schemas.ports import Deliveries

NOT_FOUND = "not_found"
SLOT_PAUSE = 1.0
"""Seconds until another look for a free slot to change a post."""


def closing_id(conversation: str) -> str:
    """The id of the record that nothing is posted about a conversation any more."""
    return ids.derived_id(conversation, "desk-erased")


def removal_id(event: str) -> str:
    """The id of the record that the posts which an event names were removed. Its reason is their number."""
    return ids.derived_id(event, "removed")


class PostErasure:
    def __init__(self, desk: Desk, poster: Poster, records: PostRecords, deliveries: Deliveries) -> None:
        self._notice = desk.split(desk.render_post(ErasureNotice()))[0]
        self._poster = poster
        self._records = records
        self._deliveries = deliveries

    async def is_closed(self, conversation: str) -> bool:
        # Not from the cache: somebody who comes back after the erasure begins the same conversation anew.
        return await self._deliveries.outcome(conversation, closing_id(conversation)) is not None

    async def perform(self, session: DeskSession, event: str, update: DeskUpdate) -> None:
        """Close the conversation at the desk, and remove the posts that the event names. Raises Parked, Unavailable;
        repeating it is safe."""
        conversation = session.conversation.id
        if not await self.is_closed(conversation):
            await self._poster.record_done(session, closing_id(conversation))
        if not update.posts or await self._deliveries.outcome(conversation, removal_id(event)) is not None:
            return
        cards, count = await list_cards(self._records, conversation), 0
        for external_id in update.posts:
            place = Place.of(external_id)
            while not await self._poster.may_update(session):
                await pause(SLOT_PAUSE, session.revoking)
            count += await self._remove(session, place, is_card=place in cards)
        await self._poster.record_done(session, removal_id(event), reason=str(count))
        self._records.forget(conversation)

    async def _remove(self, session: DeskSession, place: Place, *, is_card: bool) -> bool:
        """Return whether the post shows nothing of the contact any more."""
        refusal: SendRefused | None = None
        if not is_card:
            refusal = await self._poster.ask(session, lambda connection: connection.delete(place))
        if is_card or (refusal is not None and refusal.message != NOT_FOUND):
            return await self._poster.update(session, place, self._notice) in ("", NOT_FOUND)
        return True
