"""The way out, the same for every channel: policy, pace, intent, send, record. It alone decides about retries.

Strictly in order inside a conversation: a lane handles one batch at a time, and no message is begun before the one
ahead of it has an outcome.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, runtime_checkable

from connectors.deliveries import Ledger, Outcome
from schemas import spans, topics
from schemas.crashpoints import reach
from schemas.envelope import Envelope
from schemas.errors import (
    CredentialsRevoked,
    Parked,
    SendDelayed,
    SendRefused,
    SendUnknown,
    Unavailable,
    UnknownEventType,
)
from schemas.messages import OutboundMessage
from schemas.ports import Account, Batch, Bus, Channel, Clock, Metrics, State

DEADLINE = 60.0
"""Seconds from the intent until nobody tries any more; whoever reconciles waits for it."""
ONE_TRY = 15.0
LONGEST_WAIT = 30.0
"""Seconds a lane waits for a vendor; longer waits park the conversation."""
REVOKED_WAIT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one account may send."""

    per_second: float
    burst: int


@runtime_checkable
class Lookup(Protocol):
    """A channel that can say for sure whether it has shown a message."""

    async def lookup(self, conversation: str, message: OutboundMessage, account: Account) -> str | None:
        """The external id, or None when it was certainly not shown. Raises SendUnknown, SendDelayed."""


@dataclass(frozen=True, slots=True)
class _Job:
    envelope: Envelope
    message: OutboundMessage
    account: Account
    ledger: Ledger
    hurry: asyncio.Event

    @property
    def conversation(self) -> str:
        return self.envelope.conversation

    async def settle(self, outcome: Outcome, *, external_id: str = "", reason: str = "") -> None:
        await self.ledger.settle(self.envelope, self.message.id, outcome, external_id=external_id, reason=reason)


class Outbound:
    """Sends what is on ``parley.outbound.<channel>``. ``accounts`` is ``(tenant, channel, name) → Account | None``;
    ``pace`` gives an account's speed, None for no limit."""

    def __init__(
        self,
        channel: Channel,
        *,
        bus: Bus,
        state: State,
        metrics: Metrics,
        clock: Clock,
        accounts: Callable[[str, str, str], Account | None],
        pace: Callable[[Account], Pace | None] = lambda _account: None,
    ) -> None:
        self._channel = channel
        self._bus = bus
        self._state = state
        self._metrics = metrics
        self._clock = clock
        self._accounts = accounts
        self._pace = pace

    async def handle(self, batch: Batch) -> None:
        """Lane handler of the group ``parley.sender.<channel>``. Raises RecordError (a record for ``give_up``), Parked,
        Unavailable; repeating it is safe, because what was sent is known."""
        ledger = Ledger(bus=self._bus, state=self._state, metrics=self._metrics, clock=self._clock)
        try:
            for record in batch.records:
                event = Envelope.from_wire(record.headers, record.value)
                if event.type != topics.MESSAGE_SEND:
                    raise UnknownEventType(f"{event.type} on an outbound topic")
                await self._traced(event, event.payload(OutboundMessage), ledger, batch.hurry)
        finally:
            # Whatever was decided is told, also when a later message has to wait.
            await ledger.flush()

    async def _traced(self, event: Envelope, message: OutboundMessage, ledger: Ledger, hurry: asyncio.Event) -> None:
        about = {
            "parley.channel": event.channel,
            "parley.conversation_id": event.conversation,
            "parley.correlation_id": event.correlation_id,
            "parley.message_id": message.id,
        }
        with spans.span("send", parent=event.traceparent, kind="consumer", attributes=about):
            await self._deliver(event, message, ledger, hurry)

    async def _deliver(self, event: Envelope, message: OutboundMessage, ledger: Ledger, hurry: asyncio.Event) -> None:
        account = self._accounts(event.tenant, event.channel, event.account)
        if account is None:
            return await ledger.settle(event, message.id, "failed", reason="account_unknown")
        job = _Job(event, message, account, ledger, hurry)
        if await self._opted_out(job):
            return await job.settle("failed", reason="opted_out")
        await self._keep_pace(job)
        verdict = await self._state.deliveries.begin_send(
            job.conversation, message, deadline=DEADLINE, now=self._clock()
        )
        if verdict == "already_sent":
            await ledger.repeat(event, message.id)
        elif verdict == "stale_owner" or verdict == "expired":
            await job.settle(verdict)
        elif verdict == "in_doubt":
            await self._reconcile(job)
        else:
            reach("connector.after_intent")
            await self._send(job)

    async def _opted_out(self, job: _Job) -> bool:
        # Answers to what somebody wrote are always allowed; what we send on our own account is not.
        if job.message.purpose != "notice":
            return False
        contact = await self._state.contacts.get(job.envelope.tenant, job.message.contact_id)
        return contact is not None and contact.opted_out

    async def _keep_pace(self, job: _Job) -> None:
        account = job.account
        pace = self._pace(account)
        key = f"send:{account.tenant}:{account.channel}:{account.name}"
        while pace is not None:
            wait = await self._state.limiter.take(key, per_second=pace.per_second, burst=pace.burst, now=self._clock())
            if not wait:
                return
            await self._wait(wait, job)

    async def _wait(self, seconds: float, job: _Job) -> None:
        """Raises Parked when it would be too long, Unavailable when the partition is being taken away."""
        if seconds > LONGEST_WAIT:
            raise Parked("the channel asks to wait", until=self._clock() + timedelta(seconds=seconds))
        try:
            await asyncio.wait_for(job.hurry.wait(), seconds)
        except TimeoutError:
            return
        raise Unavailable("the partition moves on; its next owner sends this")

    async def _reconcile(self, job: _Job) -> None:
        """An intent without an outcome: a crash, or an answer that never came."""
        if isinstance(self._channel, Lookup):
            shown = await self._channel.lookup(job.conversation, job.message, job.account)
            if shown is not None:
                return await job.settle("sent", external_id=shown)
        elif not self._channel.capabilities.idempotent_send:
            return await job.settle("unknown", reason="in_doubt")
        await self._send(job, check_first=True)

    async def _send(self, job: _Job, *, check_first: bool = False) -> None:
        ends, tries = time.monotonic() + DEADLINE, 0
        while True:
            if (check_first or tries) and (verdict := await self._unwanted(job)):
                return await job.settle(verdict)
            tries += 1
            try:
                external_id = await self._try(job)
            except SendDelayed as error:
                await self._wait(_pause(error.retry_after_ms, tries, ends), job)
            except SendRefused as error:
                return await job.settle("failed", reason=error.message)
            except CredentialsRevoked as error:
                raise Parked(error.message, until=self._clock() + REVOKED_WAIT) from error
            except (SendUnknown, TimeoutError):
                if not self._channel.capabilities.idempotent_send:
                    return await job.settle("unknown", reason="no_answer")
                await self._wait(_pause(None, tries, ends), job)
            else:
                reach("connector.after_send")
                return await job.settle("sent", external_id=external_id)

    async def _try(self, job: _Job) -> str:
        started = time.monotonic()
        try:
            async with asyncio.timeout(ONE_TRY):
                return await self._channel.send(job.conversation, job.message, job.account)
        finally:
            self._metrics.observe("parley_send_seconds", time.monotonic() - started, channel=job.envelope.channel)

    async def _unwanted(self, job: _Job) -> Outcome | None:
        """The expiry and the owner rule again: both may have changed since the intent was written."""
        if self._clock() >= job.message.expires_at:
            return "expired"
        if job.message.author.kind != "agent":
            return None
        conversation = await self._state.conversations.get(job.conversation)
        floor = 0 if conversation is None else conversation.agent_floor
        return "stale_owner" if job.message.epoch < floor else None


def _pause(retry_after_ms: int | None, tries: int, ends: float) -> float:
    """Seconds until the next try; above LONGEST_WAIT when it would come too near to the intent's deadline."""
    asked = (retry_after_ms or 0) / 1000
    pause = max(asked, 0.1 * 2.0 ** min(tries, 8)) * random.uniform(1.0, 1.3)
    return pause if time.monotonic() + pause < ends - ONE_TRY else max(pause, LONGEST_WAIT + 1)
