"""What people do with a reply afterwards: change it, take it back, keep it inside."""

from __future__ import annotations

from datetime import timedelta

from connectors.references import event_id
from connectors.slack.desk.fates import written_at
from connectors.slack.desk.replies import Replies
from connectors.slack.desk.web_api import WebApi
from connectors.slack.desk.writing import REPLY
from schemas import topics
from schemas.conversation import Conversation, Delivered
from schemas.desk import DeskActed
from schemas.ports import Account, Batch, Clock, Deliveries

UNHEARD = timedelta(days=1)
"""For so long a change of a reply that was never heard of stands for the reply: Slack may tell them in any order."""
SENT = "The customer has this already, so it cannot be kept back any more."
UNCHANGED = "The customer keeps the first version: what was sent cannot be changed there."
STAYS = "The customer has this already, and it cannot be deleted there."


class Amendments:
    def __init__(self, replies: Replies, deliveries: Deliveries, slack: WebApi, clock: Clock) -> None:
        self._replies = replies
        self._deliveries = deliveries
        self._slack = slack
        self._clock = clock

    async def edit(self, found: Conversation, acted: DeskActed, account: Account, batch: Batch) -> None:
        """Within the hold it was heard already. A reply that stayed inside stays there, whatever it says now."""
        reply = _reply(acted, account)
        told = await self._deliveries.outcome(found.id, reply.id)
        sent = int(told.reason.partition(":")[2]) if told is not None and told.state == "sent" else None
        if (told is None and acted.at - written_at(acted) < UNHEARD) or sent == acted.revision:
            await self._replies.reply(found, reply, account, batch, acted.id)
        elif sent is not None and acted.revision > sent:
            await self._slack.whisper(account, acted.place, acted.by, UNCHANGED)

    async def delete(self, found: Conversation, acted: DeskActed, account: Account) -> None:
        told = await self._kept(found, _reply(acted, account).id, "deleted")
        if told.state == "sent":
            await self._slack.whisper(account, acted.place, acted.by, STAYS)

    async def undo(self, found: Conversation, acted: DeskActed, account: Account) -> None:
        told = await self._deliveries.outcome(found.id, acted.value)
        if told is not None and told.state == "sent":
            await self._slack.whisper(account, acted.place, acted.by, SENT)

    async def note(self, found: Conversation, acted: DeskActed, account: Account) -> None:
        told = await self._kept(found, _reply(acted, account).id, "note")
        if told.state == "sent":
            await self._slack.whisper(account, acted.place, acted.by, SENT)

    async def _kept(self, found: Conversation, reply: str, why: str) -> Delivered:
        """What was decided of a reply. One that was not heard of yet never goes out."""
        told = await self._deliveries.outcome(found.id, reply)
        if told is None:
            told = Delivered(message_id=reply, state="expired", reason=why, at=self._clock())
            await self._deliveries.record(found.id, told)
        return told


def _reply(acted: DeskActed, account: Account) -> DeskActed:
    """The reply that an act is about, as far as the act tells of it."""
    known = event_id(account, acted.place, acted.external_id, topics.DESK_ACTED, REPLY)
    return acted.model_copy(update={"id": known, "kind": "reply", "at": written_at(acted)})
