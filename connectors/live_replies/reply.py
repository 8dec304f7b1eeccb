"""One reply while it is written, and how it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

import structlog
from pydantic import BaseModel, TypeAdapter, ValidationError

from connectors import live
from connectors.live_replies.opening import Opener
from connectors.outbound.connections import Accounts
from connectors.outbound.delivery_log import Ledger, Piece
from connectors.outbound.reconciliation import LOOK_AGAIN, REVOKED_WAIT
from connectors.outbound.sender import Sender
from schemas import ids
from schemas.envelope import Envelope
from schemas.errors import CredentialsRevoked, DeliveryError, Parked, ParleyError, SendDelayed, SendRefused, Unavailable
from schemas.messages import OutboundMessage, ReplyBegun
from schemas.ports import Account, Batch, Call, Channel, Clock, LiveReplies, Pace, Seer, State

# What the worker has signalled of a reply that it writes, and how much of it may be shown.


class Delta(BaseModel):
    type: Literal["delta"]
    turn_id: str
    index: int
    text: str


class Abort(BaseModel):
    type: Literal["abort"]
    turn_id: str


_FRAME: TypeAdapter[Delta | Abort] = TypeAdapter(Delta | Abort)


class Words:
    """Of turn ``turn_id``, of which ``most`` characters are shown at most: no more than the first message of the whole
    holds. ``closed``: nothing more is shown. ``void``: the worker took it back."""

    def __init__(self, turn_id: str, most: int) -> None:
        self._turn_id = turn_id
        self._most = most
        self._said = ""
        self._next = 0
        """Index of the delta that comes next."""
        self._length = 0
        """Characters of ``_said`` that are shown."""
        self.closed = False
        self.void = False

    @property
    def begun(self) -> bool:
        return bool(self._said)

    @property
    def pending(self) -> str:
        text = "" if self.closed else self._said[self._length : self._most]
        return text if text.strip() else ""

    def shown(self, text: str) -> None:
        self._length += len(text)

    def read(self, payload: bytes) -> bool:
        """Whether the signal is news of this reply."""
        try:
            frame = _FRAME.validate_json(payload)
        except ValidationError:
            return False  # of another kind
        if frame.turn_id != self._turn_id or self.closed:
            return False
        self._take(frame)
        return True

    def _take(self, frame: Delta | Abort) -> None:
        if isinstance(frame, Abort) or frame.index < self._next:
            self.closed = self.void = True
        elif frame.index > self._next:
            self.closed = True  # something is missing, which only the whole will tell
        else:
            self._said += frame.text
            self._next += 1


log = structlog.get_logger("parley.outbound")

HELD = 0.3
"""Seconds from the first words until they are shown: an answer that is whole by then is sent as a whole."""
LOOK = 2.0
"""Seconds after which the owner is looked at again, as every reader of signals does."""
GRACE = 5.0
"""Seconds that the reply to something old is waited for: it is behind it on the log, if there is one."""
STATUS_PACE = Pace(0.5, 10)
STATUS_TRY = 5.0


@dataclass(frozen=True, slots=True)
class Means:
    """What every reply of a channel needs."""

    channel: Channel
    streamer: LiveReplies
    accounts: Accounts
    sender: Sender
    opener: Opener
    state: State
    clock: Clock


def live_reply(event: Envelope, account: Account, ledger: Ledger, hurry: asyncio.Event, means: Means) -> LiveReply:
    """``event`` announces it. What is shown of it meanwhile is a piece of its own, under the reply's owner rule."""
    begun = event.payload(ReplyBegun)
    message = OutboundMessage(
        id=begun.id,
        author=begun.author,
        text="",
        place=begun.place,
        contact_id=begun.contact_id,
        answers=begun.answers,
        turn_id=begun.turn_id,
        epoch=begun.epoch,
        created_at=begun.at,
        expires_at=begun.at + timedelta(seconds=means.streamer.stream_rules.lasts),
    )
    piece = Piece(ids.stream_part_id(begun.id), Call("", {}), message, event, account, ledger, hurry)
    return LiveReply(begun, piece, means)


class LiveReply:
    """One reply. ``piece`` is what is shown of it meanwhile; its call is made with the first words."""

    def __init__(self, begun: ReplyBegun, piece: Piece, means: Means) -> None:
        self.begun = begun
        self._piece = piece
        self._means = means
        self._words = Words(begun.turn_id, means.channel.capabilities.max_text)
        self._shown: str | None = None
        self._due = 0.0
        self._news = asyncio.Event()
        self._ended = asyncio.Event()

    # ── while it is written ──────────────────────────────────────────────────────────────────────────────────────────

    def begin_again(self) -> None:
        """The same reply is written once more, because a worker died. What is shown stays until the whole is there."""
        self._words.closed = True

    async def recall(self) -> None:
        """Take up what an earlier process has begun; the rest of its text is not known. Raises Parked."""
        opening = await self._opening("…")
        if opening is None:
            self._words.closed = True
            return
        self._piece = replace(self._piece, call=opening)
        self._shown = await self._means.opener.recall(self._piece)
        self._words.closed = self._shown is not None

    async def follow(self, batch: Batch) -> None:
        """Recall, and show what is written, until something else waits: here, or where only the next batch gets it.
        Raises Parked, and Unavailable when the partition is taken away."""
        async with self._listening(batch):
            await self.recall()  # while listening: the first words may come at once
            ends = time.monotonic() + self._left()
            while not (batch.arrived.is_set() or batch.later.is_set()) and time.monotonic() < ends:
                if batch.hurry.is_set():
                    raise Unavailable("the partition moves on; its next owner ends what was begun")
                await self._go_on()
                await self._wait(ends)

    def _left(self) -> float:
        age = (self._means.clock() - self.begun.at).total_seconds()
        return max(self._means.streamer.stream_rules.lasts - max(age, 0.0), GRACE if self._shown else 0.0)

    @asynccontextmanager
    async def _listening(self, batch: Batch) -> AsyncIterator[None]:
        reader = self._means.state.signals.subscribe(live.topic(self._piece.conversation))
        tasks = [asyncio.create_task(self._woken_by(event)) for event in (batch.hurry, batch.later)]
        tasks.append(asyncio.create_task(self._hear(reader)))
        status = asyncio.create_task(self._tell())
        batch.on_arrival(self._news.set)
        try:
            yield
            # What is told of it must not come after the reply: nothing would take it away then.
            self._ended.set()
            await status
        finally:
            batch.on_arrival(None)
            for task in (*tasks, status):
                task.cancel()

    async def _woken_by(self, event: asyncio.Event) -> None:
        await event.wait()
        self._news.set()

    async def _hear(self, reader: AsyncIterator[bytes]) -> None:
        with suppress(ParleyError):  # signals may be lost
            async for payload in reader:
                self._read(payload)

    def _read(self, payload: bytes) -> None:
        is_first = not self._words.begun
        if not self._words.read(payload):
            return
        if is_first and self._words.begun:
            self._due = time.monotonic() + HELD
        self._news.set()

    async def _tell(self) -> None:
        """The contact sees that somebody writes; not worth it where the reply is there at once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HELD):
                await self._ended.wait()
                return
        account, begun = self._piece.account, self.begun
        try:
            connection = self._means.accounts.connection(account)
            key = f"seen:{account.tenant}:{account.channel}:{account.name}"
            if isinstance(connection, Seer) and await self._means.opener.free(key, STATUS_PACE):
                async with asyncio.timeout(STATUS_TRY):
                    await connection.seen(begun.place, begun.answers)
        except (ParleyError, TimeoutError) as error:
            log.debug("not_shown_as_seen", channel=account.channel, error=type(error).__name__)

    async def _wait(self, ends: float) -> None:
        until = min(self._due if self._words.pending else time.monotonic() + LOOK, ends)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._news.wait()
        self._news.clear()

    async def _go_on(self) -> None:
        if self._words.void:
            return await self.remove()
        if time.monotonic() < self._due:
            return
        if self._shown is not None and not await self._may_speak():
            return await self.remove()
        if text := self._words.pending:
            await (self._open(text) if self._shown is None else self._add(text))
            self._due = time.monotonic() + self._means.streamer.stream_rules.every

    async def _may_speak(self) -> bool:
        """Nothing of the agent's begins after a person has claimed."""
        conversation = await self._means.state.conversations.get(self._piece.conversation)
        return conversation is None or self.begun.epoch >= conversation.agent_floor

    async def _open(self, text: str) -> None:
        opening = await self._opening(text)
        if opening is not None:
            self._piece = replace(self._piece, call=opening)
            self._shown = await self._means.opener.open(self._piece, self._means.streamer.stream_rules.begin)
        self._words.closed = self._words.closed or self._shown is None
        self._words.shown(text)

    async def _opening(self, text: str) -> Call | None:
        contact = await self._means.state.contacts.get(self._piece.account.tenant, self.begun.contact_id)
        try:
            return self._means.streamer.opening(self.begun, contact, text)
        except SendRefused:
            return None

    async def _add(self, text: str) -> None:
        account = self._piece.account
        key = f"send:{account.tenant}:{account.channel}:{account.name}:more"
        if not await self._means.opener.free(key, self._means.streamer.stream_rules.more):
            return
        try:
            await self._perform(self._means.streamer.more(self._piece.call, str(self._shown), text))
        except SendDelayed:
            return
        except (DeliveryError, TimeoutError):
            self._words.closed = True  # it ended by itself, or may have got this: the whole will say it all
            return
        self._words.shown(text)

    # ── how it ends ──────────────────────────────────────────────────────────────────────────────────────────────────

    def whole(self, call: Call) -> Call | None:
        """The reply's first call, so that it takes the place of what is shown; None where nothing is, or it cannot."""
        if self._shown is None:
            return None
        return self._means.streamer.whole(call, self._piece.call, self._shown)

    async def remove(self) -> None:
        """Take away what is shown, unless it is the reply by now. Raises Parked when that cannot be done now."""
        self._words.closed = True
        if self._shown is None or await self._is_reply():
            return
        try:
            await self._perform(self._means.streamer.retraction(self._piece.call, self._shown))
        except SendRefused as error:
            if error.message != "not_found":
                log.warning("not_taken_back", conversation_id=self._piece.conversation, reason=error.message)
        except CredentialsRevoked as error:
            until = self._means.accounts.pause(self._piece.account, REVOKED_WAIT, error.message)
            raise Parked(error.message, until=until) from error
        except (DeliveryError, TimeoutError) as error:
            raise Parked("half a reply cannot be taken away now", until=self._means.clock() + LOOK_AGAIN) from error
        self._shown = None

    async def _is_reply(self) -> bool:
        """By what an earlier process has recorded."""
        for marker in (self.begun.id, f"{self.begun.id}.0"):
            told = await self._means.state.deliveries.outcome(self._piece.conversation, marker)
            if told is not None and told.external_id == self._shown:
                return True
        return False

    async def _perform(self, call: Call) -> None:
        await self._means.sender.attempt(replace(self._piece, call=call))
