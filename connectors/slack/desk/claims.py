"""Claims, which are decided before Slack is answered: they wait for no turn and for no thread."""

from __future__ import annotations

from connectors.slack.desk.owners import Owners
from connectors.slack.desk.web_api import WebApi
from schemas.conversation import Conversation, Delivered
from schemas.desk import DeskActed
from schemas.handoff.rules import holder_name
from schemas.ports import Account, Clock, Deliveries


class Claims:
    def __init__(self, owners: Owners, deliveries: Deliveries, slack: WebApi, clock: Clock) -> None:
        self._owners = owners
        self._deliveries = deliveries
        self._slack = slack
        self._clock = clock

    async def claim(self, account: Account, found: Conversation, acted: DeskActed) -> None:
        """Of several at once one wins, and the others are told who. A decision is final: the same claim again takes
        nothing, also when the conversation is free by then."""
        if await self._deliveries.outcome(found.id, acted.id) is not None:
            return
        decision = await self._owners.change(found, acted, "claim", "claimed at the desk")
        is_taken = decision.outcome == "held"
        told = Delivered(message_id=acted.id, state="stale_owner" if is_taken else "sent", at=self._clock())
        await self._deliveries.record(found.id, told)
        if is_taken:
            text = f"Claimed by {holder_name(decision.conversation)}."
            await self._slack.whisper(account, acted.place, acted.by, text)
