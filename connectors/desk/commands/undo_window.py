"""Replies wait a little before they go out, and can be taken back meanwhile."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from connectors.desk.commands.held_replies import Fate, fate, following, is_public
from connectors.desk.thread_ids import stamp_of
from connectors.slack.desk.parse_interactions import PREFIX, undo_value
from connectors.slack.desk.web_api import WebApi
from connectors.slack.requests import Json
from schemas.conversation import Conversation
from schemas.desk import DeskActed
from schemas.errors import Parked, Unavailable
from schemas.ports import Account, Batch, Clock

Meanwhile = Callable[[Conversation, Batch], Awaitable[None]]
OFFERING = 3.0
"""Seconds within which Slack must show the Undo; the reply waits from then on either way."""
REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Held:
    """``record``: the id of the event that told of the reply, mostly the reply's own."""

    found: Conversation
    reply: DeskActed
    record: str
    account: Account
    seconds: float


class Holding:
    """For one process. ``meanwhile`` runs when something arrives: a lane that waits for nothing but an Undo shows
    what the contact writes in that time."""

    def __init__(self, slack: WebApi, clock: Clock, meanwhile: Meanwhile | None = None) -> None:
        self._slack = slack
        self._clock = clock
        self._meanwhile = meanwhile
        self._ends: OrderedDict[str, float] = OrderedDict()
        """By reply, on the loop's clock: those behind it are offered their Undo while it is held."""
        self._looked_at: OrderedDict[str, int] = OrderedDict()
        """By reply, how many records there were when it was last set aside."""

    async def wait(self, held: Held, batch: Batch) -> Fate:
        """Until it is decided. Raises Unavailable when the partition moves on: its next owner holds it anew. Raises
        Parked when more has come that this batch cannot have: what decides may be among it."""
        loop = asyncio.get_running_loop()
        await self._offer(held, held.reply)
        while True:
            if batch.arrived.is_set():
                batch.take_more()
            later = following(held.record, batch.records)
            now, left = fate(held.reply, later), self._ends.get(held.reply.id, 0.0) - loop.time()
            if now.kept or now.is_due or left <= 0:
                self._ends.pop(held.reply.id, None)
                self._looked_at.pop(held.reply.id, None)
                return now
            for act in later:
                if act.kind == "reply" and is_public(held.found, act):
                    await self._offer(held, act)
            self._set_aside(held, batch)
            await woken(batch, self._ends.get(held.reply.id, 0.0) - loop.time())
            self._set_aside(held, batch)
            if batch.arrived.is_set() and self._meanwhile is not None:
                batch.take_more()
                await self._meanwhile(held.found, batch)

    def _set_aside(self, held: Held, batch: Batch) -> None:
        """Brought back together, they are one batch; unless the last time there was no room for more."""
        if not batch.later.is_set() or len(batch.records) <= self._looked_at.get(held.reply.id, 0):
            return
        while len(self._looked_at) >= REMEMBERED:
            self._looked_at.popitem(last=False)
        self._looked_at[held.reply.id] = len(batch.records)
        raise Parked("what comes next belongs to it", until=self._clock())

    async def _offer(self, held: Held, reply: DeskActed) -> None:
        if reply.id in self._ends or not held.seconds:
            return
        while len(self._ends) >= REMEMBERED:
            self._ends.popitem(last=False)
        loop = asyncio.get_running_loop()
        self._ends[reply.id] = loop.time() + OFFERING + held.seconds
        text = f"Goes to the customer in {held.seconds:g} second{'' if held.seconds == 1 else 's'}."
        try:
            async with asyncio.timeout(OFFERING):
                blocks = _undo(text, reply)
                await self._slack.whisper(held.account, reply.place, reply.by, text, blocks=blocks)
        except TimeoutError:
            pass
        self._ends[reply.id] = loop.time() + held.seconds


async def woken(batch: Batch, seconds: float) -> None:
    """Until something arrives, or for so long. Raises Unavailable when the partition moves on."""
    # What comes later comes once: whoever looks at it does so when it is told.
    events = (batch.arrived, batch.hurry) if batch.later.is_set() else (batch.arrived, batch.hurry, batch.later)
    waiting = [asyncio.ensure_future(each.wait()) for each in events]
    try:
        await asyncio.wait(waiting, timeout=max(0.0, seconds), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
    if batch.hurry.is_set():
        raise Unavailable("the partition moves on; its next owner goes on with this")


def _undo(text: str, reply: DeskActed) -> list[Json]:
    button = {
        "type": "button",
        "action_id": f"{PREFIX}undo",
        "text": {"type": "plain_text", "text": "Undo"},
        "value": undo_value(reply.id, stamp_of(reply.place)),
    }
    said = {"type": "section", "text": {"type": "mrkdwn", "text": text}}
    return [said, {"type": "actions", "elements": [button]}]
