"""Folding: all messages that wait become one turn (design §7)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from agent_worker.settings import FoldRules
from agent_worker.turn.inbound_events import Decoded, Event, decode_all, waited
from agent_worker.turn.interruption import Interruption
from schemas import tracing
from schemas.errors import Fenced, Unavailable
from schemas.ports import Batch, Clock

Monotonic = Callable[[], float]


async def first_of(timeout: float, *events: asyncio.Event) -> bool:
    """Wait until one is set; False when ``timeout`` seconds passed first."""
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


class Fold:
    """What waits in one batch, each record decoded once, and what was told more than once taken as one: a vendor that
    was not heard tells it again. Says how long to wait and whether to start again."""

    def __init__(self, batch: Batch, clock: Clock, monotonic: Monotonic) -> None:
        self.batch = batch
        self._clock = clock
        self._now = monotonic
        self._seen = 0
        self._started = monotonic()
        self.restarts = 0
        self.sealed = False
        """Something was written that cannot be taken back: what arrives from now on waits for the next turn."""
        self.traceparent = tracing.traceparent()
        """Of the turn's span, for what the turn leaves behind."""
        self._decoded = Decoded()
        self._begun = 0
        """Where the events of this turn begin."""
        self._speaker = ""
        self._ids: set[str] = set()
        self.repeats = 0
        """Records of events that were in this batch before."""

    @property
    def read_at(self) -> float:
        """When the newest record was surely on the log, on ``time.monotonic``."""
        return max(record.read_at for record in self.batch.records)

    @property
    def decoded(self) -> Decoded:
        """Decoded when it is looked at: turns that wait for others by the thousand hold nothing but their records."""
        if self._seen < len(self.batch.records):
            fresh = decode_all(self.batch.records[self._seen :])
            self._seen = len(self.batch.records)
            for event in fresh.events:
                self._take(event)
            self._decoded.poison.extend(fresh.poison)
        return self._decoded

    def _take(self, event: Event) -> None:
        if event.id in self._ids:
            self.repeats += 1
        else:
            self._ids.add(event.id)
            self._decoded.events.append(event)

    @property
    def events(self) -> Sequence[Event]:
        """Those of this turn: up to the first that another contact wrote. In a room where several people write, the
        words of one are never answered, or taken for a yes, as if they were another's (design §4)."""
        events = self.decoded.events
        for place in range(self._begun, len(events)):
            speaker = events[place].speaker
            if speaker and not self._speaker:
                self._speaker = speaker
            elif speaker and speaker != self._speaker:
                return events[self._begun : place]
        return events[self._begun :] if self._begun else events

    def next_speaker(self) -> bool:
        """Go on with what another contact wrote behind the events of this turn. False when nothing is left."""
        self._begun += len(self.events)
        self._speaker, self.sealed, self.repeats = "", False, 0
        return self._begun < len(self.decoded.events)

    def take_more(self) -> None:
        self.batch.take_more()

    @property
    def _waits(self) -> bool:
        asks = False
        for event in self.events:
            if event.is_urgent:
                return False
            asks = asks or event.is_from_contact
        return asks

    async def settle(self, rules: FoldRules) -> None:
        """Wait until nobody has written for the quiet time. Time already spent in the log counts."""
        while not self.batch.hurry.is_set():
            newest = self.batch.records[-1]
            quiet = rules.quiet_for(newest.headers.get("ce_channel", "")) - waited(newest, self._clock())
            left = min(quiet, self._started + rules.longest - self._now())
            if left <= 0 and not self.batch.arrived.is_set():
                break
            if not self._waits or not await first_of(left, self.batch.arrived, self.batch.hurry):
                break
            if self.batch.arrived.is_set():
                self.take_more()
            if self._now() - self._started >= rules.longest:
                break

    def may_restart(self, rules: FoldRules) -> bool:
        """Whether an arrival may still cancel the running turn."""
        in_time = self._now() - self._started < rules.longest
        allowed = in_time and self.restarts < rules.restarts and not self.sealed
        return allowed and not self.batch.hurry.is_set()

    def restart(self) -> None:
        self.restarts += 1
        self.take_more()


# From when on a turn can no longer begin again (design §7).
GIVEN_UP = 5.0
"""Seconds in which a turn that begins again ends what it was doing."""


async def seal(fold: Fold, interruption: Interruption, rules: FoldRules) -> None:
    """To be awaited before the first write of a turn: messages that have arrived are read first, those that arrive from
    then on wait for the next turn. Raises Unavailable when another process is to go on."""
    if fold.sealed:
        return
    if fold.batch.hurry.is_set():
        raise Unavailable("the partition moves on; its next owner acts")
    if fold.batch.arrived.is_set() and fold.may_restart(rules):
        interruption.ring()
        await asyncio.sleep(GIVEN_UP)
        raise Fenced("messages arrived before the first write of the turn")
    fold.sealed = True
