"""One live reply: its text as the worker signals it, how it is shown, and how it ends."""

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

from connectors import conversation_signals
from connectors.live_replies.start import LiveReplyStart
from connectors.outbound.connections import AccountConnections
from connectors.outbound.delivery_log import DeliveryLog, MessagePart
from connectors.outbound.reconciliation import RETRY_LOOKUP, REVOKED_PAUSE
from connectors.outbound.sender import PartSender
from schemas import ids
from schemas.envelope import Envelope
from schemas.errors import CredentialsRevoked, DeliveryError, Parked, ParleyError, RetryLater, SendRefused, Unavailable
from schemas.messages import OutboundMessage, ReplyBegun
from schemas.ports import (
    Account,
    Batch,
    Channel,
    Clock,
    LiveReplyRenderer,
    RateLimit,
    State,
    TypingIndicator,
    VendorCall,
)

# Text received from the worker, and the part of it that may be shown.


class Delta(BaseModel):
    type: Literal["delta"]
    turn_id: str
    index: int
    text: str


class Abort(BaseModel):
    type: Literal["abort"]
    turn_id: str


_FRAME: TypeAdapter[Delta | Abort] = TypeAdapter(Delta | Abort)


class ReplyText:
    """The text of turn ``turn_id``, of which at most ``most`` characters are shown: no more than fits into the first
    message. ``closed``: nothing more is shown. ``aborted``: the worker withdrew it."""

    def __init__(self, turn_id: str, most: int) -> None:
        self._turn_id = turn_id
        self._max_length = most
        self._received = ""
        self._next = 0
        """Index of the next delta."""
        self._shown_length = 0
        """Characters of ``_received`` that are shown."""
        self.closed = False
        self.aborted = False

    @property
    def is_started(self) -> bool:
        return bool(self._received)

    @property
    def pending_text(self) -> str:
        text = "" if self.closed else self._received[self._shown_length : self._max_length]
        return text if text.strip() else ""

    def mark_shown(self, text: str) -> None:
        self._shown_length += len(text)

    def read(self, payload: bytes) -> bool:
        """Return whether the signal belongs to this reply."""
        try:
            frame = _FRAME.validate_json(payload)
        except ValidationError:
            return False  # another kind of signal
        if frame.turn_id != self._turn_id or self.closed:
            return False
        self._take(frame)
        return True

    def _take(self, frame: Delta | Abort) -> None:
        if isinstance(frame, Abort) or frame.index < self._next:
            self.closed = self.aborted = True
        elif frame.index > self._next:
            self.closed = True  # a delta was lost; only the complete reply has it
        else:
            self._received += frame.text
            self._next += 1


log = structlog.get_logger("parley.outbound")

START_DELAY = 0.3
"""Seconds from the first text until it is shown: an answer that is complete by then is sent as a message."""
CHECK_OWNER = 2.0
"""Seconds between two checks of the owner."""
REPLY_GRACE = 5.0
"""Seconds to wait for the reply to an old announcement, which would be right behind it on the log."""
STATUS_PACE = RateLimit(0.5, 10)
STATUS_TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class LiveReplyContext:
    """The services that all live replies of a channel share."""

    channel: Channel
    streamer: LiveReplyRenderer
    accounts: AccountConnections
    sender: PartSender
    starter: LiveReplyStart
    state: State
    clock: Clock


def build_live_reply(
    event: Envelope, account: Account, delivery_log: DeliveryLog, hurry: asyncio.Event, context: LiveReplyContext
) -> LiveReply:
    """Build the live reply that ``event`` announces. The shown text is a message part of its own, under the reply's
    owner rule."""
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
        expires_at=begun.at + timedelta(seconds=context.streamer.live_reply_limits.max_duration),
    )
    part = MessagePart(ids.live_part_id(begun.id), VendorCall("", {}), message, event, account, delivery_log, hurry)
    return LiveReply(begun, part, context)


class LiveReply:
    """One reply. ``part`` is the message part that is shown; its call is made with the first text."""

    def __init__(self, begun: ReplyBegun, part: MessagePart, context: LiveReplyContext) -> None:
        self.begun = begun
        self._part = part
        self._context = context
        self._text = ReplyText(begun.turn_id, context.channel.capabilities.max_text)
        self._shown: str | None = None
        self._next_show = 0.0
        self._wake = asyncio.Event()
        self._ended = asyncio.Event()

    # ── progress ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def restart(self) -> None:
        """The reply is written again because a worker died. The shown text stays until the reply is complete."""
        self._text.closed = True

    async def resume(self) -> None:
        """Continue what an earlier process began; the rest of its text is unknown. Raises Parked."""
        opening = await self._build_opening("…")
        if opening is None:
            self._text.closed = True
            return
        self._part = replace(self._part, call=opening)
        self._shown = await self._context.starter.find_started(self._part)
        self._text.closed = self._shown is not None

    async def follow(self, batch: Batch) -> None:
        """Show the text as it comes, until another record arrives in this batch or for the next one. Raises Parked, and
        Unavailable when the partition is taken away."""
        async with self._listen(batch):
            await self.resume()  # while listening, because the first text may come at once
            ends = time.monotonic() + self._get_seconds_left()
            while not (batch.arrived.is_set() or batch.backlog.is_set()) and time.monotonic() < ends:
                if batch.revoking.is_set():
                    raise Unavailable("the partition is being reassigned; its next owner ends what was begun")
                await self._show_progress()
                await self._wait(ends)

    def _get_seconds_left(self) -> float:
        age = (self._context.clock() - self.begun.at).total_seconds()
        return max(
            self._context.streamer.live_reply_limits.max_duration - max(age, 0.0), REPLY_GRACE if self._shown else 0.0
        )

    @asynccontextmanager
    async def _listen(self, batch: Batch) -> AsyncIterator[None]:
        reader = self._context.state.signals.subscribe(conversation_signals.conversation_topic(self._part.conversation))
        tasks = [asyncio.create_task(self._wake_on(event)) for event in (batch.revoking, batch.backlog)]
        tasks.append(asyncio.create_task(self._read_signals(reader)))
        status = asyncio.create_task(self._show_status())
        batch.on_arrival(self._wake.set)
        try:
            yield
            # The status must not follow the reply: nothing would remove it then.
            self._ended.set()
            await status
        finally:
            batch.on_arrival(None)
            for task in (*tasks, status):
                task.cancel()

    async def _wake_on(self, event: asyncio.Event) -> None:
        await event.wait()
        self._wake.set()

    async def _read_signals(self, reader: AsyncIterator[bytes]) -> None:
        with suppress(ParleyError):  # signals may be lost
            async for payload in reader:
                self._read(payload)

    def _read(self, payload: bytes) -> None:
        is_first = not self._text.is_started
        if not self._text.read(payload):
            return
        if is_first and self._text.is_started:
            self._next_show = time.monotonic() + START_DELAY
        self._wake.set()

    async def _show_status(self) -> None:
        """Show the contact that a reply is being written, unless the reply is there at once."""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_DELAY):
                await self._ended.wait()
                return
        account, begun = self._part.account, self.begun
        try:
            connection = self._context.accounts.get_connection(account)
            key = f"seen:{account.tenant}:{account.channel}:{account.name}"
            if isinstance(connection, TypingIndicator) and await self._context.starter.take_allowance(key, STATUS_PACE):
                async with asyncio.timeout(STATUS_TIMEOUT):
                    await connection.show_typing(begun.place, begun.answers)
        except (ParleyError, TimeoutError) as error:
            log.debug("not_shown_as_seen", channel=account.channel, error=type(error).__name__)

    async def _wait(self, ends: float) -> None:
        until = min(self._next_show if self._text.pending_text else time.monotonic() + CHECK_OWNER, ends)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until - time.monotonic())):
                await self._wake.wait()
        self._wake.clear()

    async def _show_progress(self) -> None:
        if self._text.aborted:
            return await self.remove()
        if time.monotonic() < self._next_show:
            return
        if self._shown is not None and not await self._may_speak():
            return await self.remove()
        if text := self._text.pending_text:
            await (self._open(text) if self._shown is None else self._add(text))
            self._next_show = time.monotonic() + self._context.streamer.live_reply_limits.every

    async def _may_speak(self) -> bool:
        """The agent shows nothing more after a person has claimed the conversation."""
        conversation = await self._context.state.conversations.get(self._part.conversation)
        return conversation is None or self.begun.epoch >= conversation.agent_floor

    async def _open(self, text: str) -> None:
        opening = await self._build_opening(text)
        if opening is not None:
            self._part = replace(self._part, call=opening)
            self._shown = await self._context.starter.start(self._part, self._context.streamer.live_reply_limits.begin)
        self._text.closed = self._text.closed or self._shown is None
        self._text.mark_shown(text)

    async def _build_opening(self, text: str) -> VendorCall | None:
        contact = await self._context.state.contacts.get(self._part.account.tenant, self.begun.contact_id)
        try:
            return self._context.streamer.render_opening(self.begun, contact, text)
        except SendRefused:
            return None

    async def _add(self, text: str) -> None:
        account = self._part.account
        key = f"send:{account.tenant}:{account.channel}:{account.name}:more"
        if not await self._context.starter.take_allowance(key, self._context.streamer.live_reply_limits.update_rate):
            return
        try:
            await self._perform(self._context.streamer.render_update(self._part.call, str(self._shown), text))
        except RetryLater:
            return
        except (DeliveryError, TimeoutError):
            self._text.closed = True  # it has ended, or may have got this text; the complete reply has all of it
            return
        self._text.mark_shown(text)

    # ── end ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def build_final_call(self, call: VendorCall) -> VendorCall | None:
        """Change the reply's first call so that it replaces what is shown; None where nothing is shown, or the channel
        cannot do that."""
        if self._shown is None:
            return None
        return self._context.streamer.render_final(call, self._part.call, self._shown)

    async def remove(self) -> None:
        """Remove what is shown, unless it has become the reply. Raises Parked when that is not possible now."""
        self._text.closed = True
        if self._shown is None or await self._is_reply():
            return
        try:
            await self._perform(self._context.streamer.render_retraction(self._part.call, self._shown))
        except SendRefused as error:
            if error.message != "not_found":
                log.warning("partial_reply_not_removed", conversation_id=self._part.conversation, reason=error.message)
        except CredentialsRevoked as error:
            until = self._context.accounts.pause(self._part.account, REVOKED_PAUSE, error.message)
            raise Parked(error.message, until=until) from error
        except (DeliveryError, TimeoutError) as error:
            raise Parked(
                "the partial reply cannot be removed at the moment", until=self._context.clock() + RETRY_LOOKUP
            ) from error
        self._shown = None

    async def _is_reply(self) -> bool:
        """Return whether an earlier process recorded that it became the reply."""
        for marker in (self.begun.id, f"{self.begun.id}.0"):
            delivered = await self._context.state.deliveries.outcome(self._part.conversation, marker)
            if delivered is not None and delivered.external_id == self._shown:
                return True
        return False

    async def _perform(self, call: VendorCall) -> None:
        await self._context.sender.attempt(replace(self._part, call=call))
