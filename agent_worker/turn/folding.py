"""Folding: all messages that wait become one turn, and arrivals may cancel it until its first write."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from agent_worker.settings import FoldRules
from agent_worker.turn.inbound_events import EventBatch, InboundEvent, decode_all, seconds_since_append
from schemas.errors import Fenced, Unavailable
from schemas.ports import Batch, Clock
from schemas.runtime import tracing
from schemas.runtime.fair_rotation import Party, party_of

Monotonic = Callable[[], float]
CANCEL_WITHIN = 5.0
"""Seconds in which a cancelled turn must end."""


class Fold:
    """The waiting records of one conversation, each decoded once, without repeats of the same event. Decides how long
    to wait for more, and whether more messages may still restart the turn."""

    def __init__(self, batch: Batch, rules: FoldRules, clock: Clock, monotonic: Monotonic) -> None:
        self.batch = batch
        self._rules = rules
        self._clock = clock
        self._now = monotonic
        self._decoded_records = 0
        self._started = monotonic()
        self.restarts = 0
        self.sealed = False
        """True after the first write that cannot be undone: later arrivals wait for the next turn."""
        self.traceparent = tracing.traceparent()
        """The turn's span, for the envelopes that the turn writes."""
        self._decoded = EventBatch()
        self._first = 0
        """Index of the first event of this turn."""
        self._speaker = ""
        self._ids: set[str] = set()
        self.repeats = 0
        """Number of records that repeat an event of this batch."""

    @property
    def read_at(self) -> float:
        """A time on ``time.monotonic`` at which the newest record was certainly on the log."""
        return max(record.read_at for record in self.batch.records)

    @property
    def party(self) -> Party:
        return party_of(self.batch.records[0].headers, self.batch.conversation)

    @property
    def event_batch(self) -> EventBatch:
        """Decoded on first use: thousands of turns that wait for a free slot hold nothing but their records."""
        if self._decoded_records < len(self.batch.records):
            fresh = decode_all(self.batch.records[self._decoded_records :])
            self._decoded_records = len(self.batch.records)
            for event in fresh.events:
                self._add(event)
            self._decoded.failures.extend(fresh.failures)
        return self._decoded

    def _add(self, event: InboundEvent) -> None:
        if event.id in self._ids:
            self.repeats += 1
        else:
            self._ids.add(event.id)
            self._decoded.events.append(event)

    @property
    def events(self) -> Sequence[InboundEvent]:
        """The events of this turn, up to the first one from another contact. If several contacts write in one place,
        messages of one are never answered, or taken as a confirmation, on behalf of another."""
        events = self.event_batch.events
        for index in range(self._first, len(events)):
            speaker = events[index].speaker
            if speaker and not self._speaker:
                self._speaker = speaker
            elif speaker and speaker != self._speaker:
                return events[self._first : index]
        return events[self._first :] if self._first else events

    def next_speaker(self) -> bool:
        """Continue with the events of the next contact. Return False if there are none."""
        self._first += len(self.events)
        self._speaker, self.sealed, self.repeats = "", False, 0
        return self._first < len(self.event_batch.events)

    async def wait_for_quiet(self) -> None:
        """Wait until nobody has written for the quiet period. Time that was spent in the log counts."""
        rules = self._rules
        while not self.batch.revoking.is_set():
            newest = self.batch.records[-1]
            quiet_period = rules.quiet.get(newest.headers.get("ce_channel", ""), rules.others)
            remaining = min(
                quiet_period - seconds_since_append(newest, self._clock()), self._started + rules.longest - self._now()
            )
            if remaining <= 0 and not self.batch.arrived.is_set():
                break
            if not self._may_wait or not await wait_for_any(remaining, self.batch.arrived, self.batch.revoking):
                break
            if self.batch.arrived.is_set():
                self.batch.take_more()
            if self._now() - self._started >= rules.longest:
                break

    @property
    def _may_wait(self) -> bool:
        has_question = False
        for event in self.events:
            if event.is_urgent:
                return False
            has_question = has_question or event.is_from_contact
        return has_question

    @property
    def may_restart(self) -> bool:
        """True if an arrival may still cancel the running turn."""
        in_time = self._now() - self._started < self._rules.longest
        allowed = in_time and self.restarts < self._rules.restarts and not self.sealed
        return allowed and not self.batch.revoking.is_set()

    @property
    def must_restart(self) -> bool:
        """True if messages have arrived that the running turn should answer as well."""
        return self.batch.arrived.is_set() and self.may_restart

    def restart(self) -> None:
        self.restarts += 1
        self.batch.take_more()


class Interruption:
    """A block that an arrival ends early, as ``asyncio.timeout`` does when the time is up, while the turn may still
    restart. It needs no task of its own: the block runs in its caller's.

    ``happened`` tells afterwards whether it was ended; whatever the block returned or raised then does not count.
    """

    __slots__ = ("_cancelling", "_fold", "_task", "happened")

    def __init__(self, fold: Fold) -> None:
        self.happened = False
        self._fold = fold
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0

    async def seal(self) -> None:
        """Seal the turn before its first write: messages that have arrived restart it, and later ones wait for the next
        turn. Raises Unavailable if another process takes over."""
        fold = self._fold
        if fold.sealed:
            return
        if fold.batch.revoking.is_set():
            raise Unavailable("the partition is being reassigned; its next owner acts")
        if fold.must_restart:
            self._cancel()
            await asyncio.sleep(CANCEL_WITHIN)
            raise Fenced("messages arrived before the first write of the turn")
        fold.sealed = True

    def _on_arrival(self) -> None:
        if self._fold.may_restart:
            self._cancel()

    def _cancel(self) -> None:
        if not self.happened and self._task is not None:
            self.happened = True
            self._task.cancel()

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self._cancelling = self._task.cancelling() if self._task is not None else 0
        self._fold.batch.on_arrival(self._on_arrival)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._fold.batch.on_arrival(None)
        task, self._task = self._task, None
        if not self.happened or task is None:
            return False
        if task.uncancel() > self._cancelling:
            return False  # somebody else wants the task to end as well, and that comes first
        return isinstance(error, Exception | asyncio.CancelledError)


async def wait_for_any(timeout: float, *events: asyncio.Event) -> bool:
    """Wait until one event is set; return False if ``timeout`` seconds pass first."""
    if any(event.is_set() for event in events):
        return True
    if timeout <= 0:
        return False
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for wait in waits:
            wait.cancel()
