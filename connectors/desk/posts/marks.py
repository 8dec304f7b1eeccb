"""How far a person's reply has come, as one reaction on it that is replaced as it goes on."""

from __future__ import annotations

from connectors.desk.posts.post_index import Standing
from connectors.desk.posts.poster import Poster, Session
from connectors.desk.posts.slate import Slate
from connectors.desk.posts.tempo import Rate
from schemas import ids
from schemas.messages import MessageState

MARKS: dict[MessageState, str] = {
    "accepted": "envelope",
    "unknown": "warning",
    "sent": "envelope",
    "delivered": "white_check_mark",
    "read": "eyes",
    "failed": "x",
    "dropped": "x",
}


class Marks:
    def __init__(self, poster: Poster, slate: Slate, rate: Rate) -> None:
        self._poster = poster
        self._rate = rate
        self._slate = slate

    async def renew(self, session: Session, one: Standing) -> bool:
        """False where Slack takes no more reactions now: it is to be tried again soon. Raises Parked."""
        wanted, place = MARKS.get(one.line.state), one.place
        if wanted is None or place is None or one.line.author.kind != "person":
            return True
        conversation, about = session.conversation.id, ids.derived_id(one.line.id, "mark")
        shown = await self._slate.read(conversation, about)
        if shown == wanted:
            return True
        if not await self._poster.may(session, "reactions", self._rate):
            return False
        where = {"channel": place.channel, "timestamp": place.ts}
        # Both may be repeated: Slack only says that it is so already.
        if shown:
            await self._poster.ask(session, "reactions.remove", {**where, "name": shown})
        await self._poster.ask(session, "reactions.add", {**where, "name": wanted})
        await self._slate.write(conversation, about, wanted)
        return True
