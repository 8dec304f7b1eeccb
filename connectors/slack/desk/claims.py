"""Claims: decided while Slack waits, so that they wait for no turn and for no thread."""

from __future__ import annotations

from connectors.slack.desk.owners import Owners, Wish
from connectors.slack.desk.web_api import WebApi
from schemas.conversation import Conversation, Delivered
from schemas.desk import DeskActed
from schemas.ports import Account, Clock, Deliveries

MINE = "mine"
TAKEN = "taken"


class Claims:
    def __init__(self, owners: Owners, deliveries: Deliveries, slack: WebApi, clock: Clock) -> None:
        self._owners = owners
        self._deliveries = deliveries
        self._slack = slack
        self._clock = clock

    async def claim(self, account: Account, found: Conversation, acted: DeskActed) -> None:
        """Of several at once one wins, and the others are told who. What was decided once stays: the same claim again
        takes nothing, also when the conversation is free by then."""
        if await self._deliveries.outcome(found.id, acted.id) is not None:
            return

        def allowed(now: Conversation) -> str:
            if now.owner != "person":
                return ""
            return MINE if now.holder is not None and now.holder.by == acted.by else TAKEN

        wish = Wish("person", acted.by, acted.name, "claimed at the desk")
        settled = await self._owners.change(found, acted, wish, allowed)
        won = settled.refused != TAKEN
        told = Delivered(message_id=acted.id, state="sent" if won else "stale_owner", at=self._clock())
        await self._deliveries.record(found.id, told)
        if not won:
            text = f"Claimed by {holder_of(settled.conversation)}."
            await self._slack.whisper(account, acted.place, acted.by, text)


def holder_of(found: Conversation) -> str:
    """Who has it, for people to read."""
    holder = found.holder
    return (holder.name or holder.by) if holder is not None else "somebody"
