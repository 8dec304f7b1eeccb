"""Replies wait a little before they go out, and can be taken back meanwhile."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from connectors.desk.client import DeskClient
from connectors.desk.commands.pending_replies import PendingReply, is_public, judge_reply, list_acts_after
from schemas.conversation import Conversation
from schemas.desk import DeskCommand
from schemas.errors import Parked, Unavailable
from schemas.ports import Account, Batch, Clock

Meanwhile = Callable[[Conversation, Batch], Awaitable[None]]
OFFER_TIMEOUT = 3.0
"""Seconds within which the desk must show the Undo; the reply waits from then on either way."""
REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class WaitingReply:
    """``record``: the id of the event that told of the reply, mostly the reply's own."""

    found: Conversation
    reply: DeskCommand
    record: str
    account: Account
    seconds: float


class UndoWindow:
    """For one process. ``meanwhile`` runs when something arrives: a lane that waits for nothing but an Undo shows
    what the contact writes in that time."""

    def __init__(self, client: DeskClient, clock: Clock, meanwhile: Meanwhile | None = None) -> None:
        self._client = client
        self._clock = clock
        self._meanwhile = meanwhile
        self._ends: OrderedDict[str, float] = OrderedDict()
        """By reply, on the loop's clock: those behind it are offered their Undo while it is held."""
        self._looked_at: OrderedDict[str, int] = OrderedDict()
        """By reply, how many records there were when it was last set aside."""

    async def wait(self, waiting: WaitingReply, batch: Batch) -> PendingReply:
        """Wait until it is decided. Raises Unavailable when the partition moves on: its next owner holds it anew.
        Raises Parked when more has come that this batch cannot have: what decides may be among it."""
        loop, reply = asyncio.get_running_loop(), waiting.reply
        await self._offer_undo(waiting, reply)
        while True:
            if batch.arrived.is_set():
                batch.take_more()
            later = list_acts_after(waiting.record, batch.records)
            now, left = judge_reply(reply, later), self._ends.get(reply.id, 0.0) - loop.time()
            if now.withheld or now.is_due or left <= 0:
                self._ends.pop(reply.id, None)
                self._looked_at.pop(reply.id, None)
                return now
            for act in later:
                if act.kind == "reply" and is_public(waiting.found, act):
                    await self._offer_undo(waiting, act)
            self._set_aside(waiting, batch)
            await wait_for_more(batch, self._ends.get(reply.id, 0.0) - loop.time())
            self._set_aside(waiting, batch)
            if batch.arrived.is_set() and self._meanwhile is not None:
                batch.take_more()
                await self._meanwhile(waiting.found, batch)

    def _set_aside(self, waiting: WaitingReply, batch: Batch) -> None:
        """Brought back together, they are one batch; unless the last time there was no room for more."""
        reply = waiting.reply.id
        if not batch.backlog.is_set() or len(batch.records) <= self._looked_at.get(reply, 0):
            return
        while len(self._looked_at) >= REMEMBERED:
            self._looked_at.popitem(last=False)
        self._looked_at[reply] = len(batch.records)
        raise Parked("what comes next belongs to it", until=self._clock())

    async def _offer_undo(self, waiting: WaitingReply, reply: DeskCommand) -> None:
        if reply.id in self._ends or not waiting.seconds:
            return
        while len(self._ends) >= REMEMBERED:
            self._ends.popitem(last=False)
        loop = asyncio.get_running_loop()
        self._ends[reply.id] = loop.time() + OFFER_TIMEOUT + waiting.seconds
        text = f"Goes to the customer in {waiting.seconds:g} second{'' if waiting.seconds == 1 else 's'}."
        try:
            async with asyncio.timeout(OFFER_TIMEOUT):
                await self._client.whisper(waiting.account, reply.place, reply.by, text, undo=reply.id)
        except TimeoutError:
            pass
        self._ends[reply.id] = loop.time() + waiting.seconds


async def wait_for_more(batch: Batch, seconds: float) -> None:
    """Wait until something arrives, or for so long. Raises Unavailable when the partition moves on."""
    # What comes later comes once: whoever looks at it does so when it is told.
    events = (
        (batch.arrived, batch.revoking) if batch.backlog.is_set() else (batch.arrived, batch.revoking, batch.backlog)
    )
    waiting = [asyncio.ensure_future(each.wait()) for each in events]
    try:
        await asyncio.wait(waiting, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
    if batch.revoking.is_set():
        raise Unavailable("the partition moves on; its next owner goes on with this")
