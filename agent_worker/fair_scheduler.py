"""Fair admission of turns to the event loop: a few at a time, in rotation between parties (a tenant on a channel).

Within a party its accounts take turns, and within an account those who write to it (``schemas/runtime/fair_rotation``).

All turns of a process share one event loop. With a thousand turns running, every step of each waits for the others, and
a contact whose only message came last waits for a whole flood. So only a few turns are admitted at once, and each party
has a share of the slots that no other can take. A turn that waits for a model or a broker uses no CPU and must not
block others: whenever the loop is idle although all slots are taken, more turns are admitted, first one, then two, four
and so on. A turn that holds its slot for long has surely been waiting, so its slot is given to another.

More concurrent turns batch their calls and records better, at the cost of other parties' latency. So a party that is
alone gets more slots.

The turns of a flood (see ``flood_control.py``) are admitted one by one as far as there is room.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Container, Coroutine
from types import TracebackType

from agent_worker.flood_control import MEMORY_S, NO_PARTY, FloodControl, Party
from schemas.runtime.fair_rotation import FairRotation

SLOTS = 8
ALONE_FACTOR = 16
"""Factor for the slots of a party that has been alone for as long as parties are remembered."""
TICK_S = 0.005
IDLE_S = 0.002
"""A timer that is late by less than this ran on an idle loop."""
IDLE_TICKS = 4
"""Consecutive idle ticks needed while several parties are active: a process that competes for a core is on time
occasionally, and more turns of one party cost the others at every step."""
CONTENTION_S = 1.0
"""Seconds after a change of parties during which several count as active."""
MAX_DOUBLINGS = 4
"""At most sixteen turns are admitted at once."""
SLOT_TIMEOUT_S = 0.25
"""A slot is held at most this long, also on a loop that is never idle."""


class Slot:
    """One turn's slot. Inside the ``async with`` block the turn may compute; entering returns whether it had to
    wait."""

    __slots__ = ("_scheduler", "admitted", "party", "since", "within")

    def __init__(self, pace: FairScheduler, party: Party, within: tuple[str, ...]) -> None:
        self._scheduler = pace
        self.party = party
        self.within = within
        """By this the turns of one party take turns."""
        self.admitted: asyncio.Future[None] | None = None
        """Set while the turn waits."""
        self.since = 0.0
        """Time of arrival; after admission, the time of admission."""

    def __aenter__(self) -> Coroutine[object, object, bool]:
        return self._scheduler.enter(self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scheduler.leave(self)


class FairScheduler:
    """The scheduler of one event loop. ``places`` turns are always admitted, ``wider`` times as many for a party that
    is alone."""

    def __init__(self, places: int = SLOTS, floods: FloodControl | None = None, *, wider: int = ALONE_FACTOR) -> None:
        self._min_slots = self._slots = places
        self._max_slots = places * wider
        self._floods = floods or FloodControl()
        self._inside: OrderedDict[Slot, None] = OrderedDict()
        """Slots in use, the oldest first."""
        self._slots_by_party: dict[Party, int] = {}
        """Number of slots in use by party."""
        self._waiting: FairRotation[Slot] = FairRotation()
        self._idle_ticks = 0
        """Consecutive ticks on an idle loop."""
        self._last_party: Party | None = None
        """The party of the latest arrival."""
        self._party_changed_at = -MEMORY_S
        """Time of the party's last change."""
        self._timer: asyncio.TimerHandle | None = None

    def slot(self, tenant: str, channel: str, *within: str) -> Slot:
        """The slot for one turn, to be used with ``async with``. ``within``: the other parts of a
        ``schemas.runtime.fair_rotation.Party``."""
        return Slot(self, (tenant, channel), within)

    async def enter(self, slot: Slot) -> bool:
        """Returns whether the turn had to wait."""
        loop = asyncio.get_running_loop()
        now, party = loop.time(), slot.party
        if party != self._last_party:
            self._party_changed_at = self._party_changed_at if self._last_party is None else now
            self._last_party = party
        self._slots = self._min_slots if now - self._party_changed_at < MEMORY_S else self._max_slots
        held = self._floods.record_arrival(party, now)
        if self._may_enter(party, held):
            self._occupy(slot, now)
            return False
        slot.since, slot.admitted = now, loop.create_future()
        self._waiting.put((party, *slot.within), slot)
        if self._timer is None:
            self._idle_ticks = 0
            self._timer = loop.call_later(TICK_S, self._tick, now + TICK_S)
        try:
            await slot.admitted
        except asyncio.CancelledError:
            self.leave(slot)  # it may have been admitted at the same moment
            raise
        return True

    def leave(self, slot: Slot) -> None:
        self._release(slot)
        now, party = asyncio.get_running_loop().time(), slot.party
        if len(self._inside) < self._slots:
            self._admit(1, now)
        elif party in self._waiting and self._has_share(party) and party not in self._floods.held_parties(now):
            self._admit_of(party, now)

    def _may_enter(self, party: Party, held: Container[Party]) -> bool:
        if party in self._waiting or party in held:
            return False
        return self._has_share(party) or self._is_free()

    def _is_free(self) -> bool:
        return len(self._inside) < self._slots and not self._waiting

    def _has_share(self, party: Party) -> bool:
        """Return whether another slot is within the party's share, however many slots others got on an idle loop."""
        mine = self._slots_by_party.get(party, 0)
        return mine < self._slots // (len(self._slots_by_party) + (not mine))

    def _occupy(self, slot: Slot, now: float) -> None:
        slot.since = now
        self._inside[slot] = None
        self._slots_by_party[slot.party] = self._slots_by_party.get(slot.party, 0) + 1

    def _release(self, slot: Slot) -> None:
        if slot in self._inside:
            del self._inside[slot]
            remaining = self._slots_by_party[slot.party] - 1
            if remaining:
                self._slots_by_party[slot.party] = remaining
            else:
                del self._slots_by_party[slot.party]

    def _admit(self, count: int, now: float) -> None:
        """Admit the next turns, party by party; one of a flood's if there is room for it."""
        if not self._waiting:
            return
        flooding = self._floods.held_parties(now)
        barred = NO_PARTY if flooding is NO_PARTY or self._floods.has_room(now) else flooding
        while (
            count > 0
            and (party := next((waiting for waiting in self._waiting if waiting not in barred), None)) is not None
        ):
            if party in flooding:
                barred = flooding
            count -= self._admit_of(party, now)

    def _admit_of(self, party: Party, now: float) -> bool:
        """Admit the party's next turn, if any; afterwards the other parties come first."""
        slot = self._waiting.take(party)
        if slot.admitted is None or slot.admitted.done():
            return False  # cancelled
        self._floods.record_admission(party, now - slot.since, now)
        slot.admitted.set_result(None)
        self._occupy(slot, now)
        return True

    def _tick(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._inside and (oldest := next(iter(self._inside))).since < now - SLOT_TIMEOUT_S:
            self._release(oldest)
        self._admit(self._slots - len(self._inside), now)
        self._idle_ticks = self._idle_ticks + 1 if now - due < IDLE_S else 0
        more = self._idle_ticks - (IDLE_TICKS if now - self._party_changed_at < CONTENTION_S else 1)
        if more >= 0:
            self._admit(1 << min(more, MAX_DOUBLINGS), now)
        self._timer = loop.call_later(TICK_S, self._tick, loop.time() + TICK_S) if self._waiting else None
