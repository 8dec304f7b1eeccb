"""What is on record of the desk's posts, asked for once where it cannot change any more."""

from __future__ import annotations

from collections import OrderedDict

from schemas.conversation import Delivered
from schemas.ports import Deliveries

REMEMBERED = 50_000


class Records:
    """For one process. A line of a long conversation is looked up with every look at the thread."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        self._final: OrderedDict[tuple[str, str], Delivered] = OrderedDict()

    async def outcome(self, conversation: str, marker: str) -> Delivered | None:
        key = (conversation, marker)
        if (known := self._final.get(key)) is not None:
            return known
        told = await self._deliveries.outcome(conversation, marker)
        if told is not None and told.state != "unknown":
            self._final[key] = told
            while len(self._final) > REMEMBERED:
                self._final.popitem(last=False)
        return told

    async def is_begun(self, conversation: str, marker: str) -> bool:
        """Whether somebody began to post it and left no outcome."""
        return await self._deliveries.doubtful_until(conversation, marker) is not None

    async def record(self, conversation: str, outcome: Delivered) -> None:
        await self._deliveries.record(conversation, outcome)
