"""Echoes: what a vendor tells about words of our own side.

Somebody of ours may have answered in the vendor's own app: that is a message of a person, who takes the conversation.
Or it is what we have sent ourselves, which is nothing new. Where the vendor does not say which it is, what we have sent
tells.
"""

from __future__ import annotations

from datetime import timedelta

from schemas.errors import Unavailable
from schemas.ports import Account, Clock, Deliveries

ON_ITS_WAY = timedelta(minutes=10)
"""For so long around its deadline a send without an outcome may be what an echo is about."""
MANY = 1000


class Echoes:
    def __init__(self, deliveries: Deliveries, clock: Clock) -> None:
        self._deliveries = deliveries
        self._clock = clock

    async def is_ours(self, account: Account, conversation: str, external_id: str) -> bool:
        """Raises Unavailable while the conversation has a send without an outcome, which it may be: vendors repeat what
        was not taken."""
        if await self._is_sent(account, external_id):
            return True
        if await self._is_sending(conversation):
            raise Unavailable("this may be what is being sent", retry_after_ms=2000)
        # It may have got its outcome between the two questions.
        return await self._is_sent(account, external_id)

    async def _is_sent(self, account: Account, external_id: str) -> bool:
        known = await self._deliveries.by_external_id(account.tenant, account.channel, account.name, external_id)
        return known is not None

    async def _is_sending(self, conversation: str) -> bool:
        now = self._clock()
        begun = await self._deliveries.unresolved(before=now + ON_ITS_WAY, limit=MANY)
        mine = {message for where, message in begun if where == conversation}
        if not mine:
            return False
        forgotten = await self._deliveries.unresolved(before=now - ON_ITS_WAY, limit=MANY)
        return bool(mine - {message for where, message in forgotten if where == conversation})
