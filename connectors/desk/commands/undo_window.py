"""The undo window: replies are held for some seconds, in which their author can take them back."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from connectors.desk.client import DeskClient
from connectors.desk.commands.pending_replies import PendingReply, is_public, judge_reply, list_later_commands
from schemas.conversation import Conversation
from schemas.desk import DeskCommand
from schemas.errors import Parked, Unavailable
from schemas.ports import Account, Batch, Clock

Meanwhile = Callable[[Conversation, Batch], Awaitable[None]]
OFFER_TIMEOUT = 3.0
"""Seconds within which the desk must show the Undo button; after that the window begins in any case."""
MAX_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class WaitingReply:
    """A held reply. ``record``: the id of the event that brought the reply, mostly the reply's own."""

    conversation: Conversation
    reply: DeskCommand
    record: str
    account: Account
    seconds: float


class UndoWindow:
    """Holds the replies of one process. ``meanwhile`` runs when records arrive, so that new messages of the contact are
    shown although the lane waits."""

    def __init__(self, client: DeskClient, clock: Clock, meanwhile: Meanwhile | None = None) -> None:
        self._client = client
        self._clock = clock
        self._meanwhile = meanwhile
        self._deadlines: OrderedDict[str, float] = OrderedDict()
        """The end of the window by reply, on the loop's clock. Later replies in the batch are offered their Undo at
        once."""
        self._parked_sizes: OrderedDict[str, int] = OrderedDict()
        """By reply, the number of records in the batch when it was last parked."""

    async def wait(self, waiting: WaitingReply, batch: Batch) -> PendingReply:
        """Wait until the reply is decided. Raises Unavailable when the partition is being reassigned; its next owner
        holds the reply again. Raises Parked if records have arrived that do not fit into this batch, because an Undo
        may be among them."""
        loop, reply = asyncio.get_running_loop(), waiting.reply
        await self._offer_undo(waiting, reply)
        while True:
            if batch.arrived.is_set():
                batch.take_more()
            later = list_later_commands(waiting.record, batch.records)
            pending, left = judge_reply(reply, later), self._deadlines.get(reply.id, 0.0) - loop.time()
            if pending.withheld_reason or pending.is_due or left <= 0:
                self._deadlines.pop(reply.id, None)
                self._parked_sizes.pop(reply.id, None)
                return pending
            for command in later:
                if command.kind == "reply" and is_public(waiting.conversation, command):
                    await self._offer_undo(waiting, command)
            self._set_aside(waiting, batch)
            await wait_for_more(batch, self._deadlines.get(reply.id, 0.0) - loop.time())
            self._set_aside(waiting, batch)
            if batch.arrived.is_set() and self._meanwhile is not None:
                batch.take_more()
                await self._meanwhile(waiting.conversation, batch)

    def _set_aside(self, waiting: WaitingReply, batch: Batch) -> None:
        """Park the conversation, so that waiting records come back in one batch with this one; not if the last attempt
        gained no record."""
        reply = waiting.reply.id
        if not batch.backlog.is_set() or len(batch.records) <= self._parked_sizes.get(reply, 0):
            return
        while len(self._parked_sizes) >= MAX_REMEMBERED:
            self._parked_sizes.popitem(last=False)
        self._parked_sizes[reply] = len(batch.records)
        raise Parked("what comes next belongs to it", until=self._clock())

    async def _offer_undo(self, waiting: WaitingReply, reply: DeskCommand) -> None:
        if reply.id in self._deadlines or not waiting.seconds:
            return
        while len(self._deadlines) >= MAX_REMEMBERED:
            self._deadlines.popitem(last=False)
        loop = asyncio.get_running_loop()
        self._deadlines[reply.id] = loop.time() + OFFER_TIMEOUT + waiting.seconds
        text = f"Goes to the customer in {waiting.seconds:g} second{'' if waiting.seconds == 1 else 's'}."
        try:
            async with asyncio.timeout(OFFER_TIMEOUT):
                await self._client.whisper(waiting.account, reply.place, reply.by, text, undo=reply.id)
        except TimeoutError:
            pass
        self._deadlines[reply.id] = loop.time() + waiting.seconds


async def wait_for_more(batch: Batch, seconds: float) -> None:
    """Wait until a record arrives, or ``seconds`` have passed. Raises Unavailable when the partition moves on."""
    # The backlog event stays set, so it is awaited only until then.
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
        raise Unavailable("the partition is being reassigned; its next owner goes on with this")
