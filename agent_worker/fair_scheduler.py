"""Who may go on now: a few turns at a time, and parties (a tenant on a channel) take turns.

All turns of a process share one event loop. When a thousand of them are under way, each of their steps waits for a step
of all the others, and somebody whose only message came last waits for the whole flood. So only a few are let in at
once, and each party has a share of the places that no other can take. A turn that waits for something (a model, a
broker) computes nothing, and must not keep others out: whenever the loop proves idle although all places are taken,
more are let in, at first one, then two, four … And a turn that has been inside for long has surely waited: its place
is given to somebody else.

What more turns that are under way win, is that their calls and records travel together; what they cost is somebody
else's time. So a party that is alone here has more places.

While a flood is held (``flood_control.py`` tells which are, and whether there is room for them) its turns are let in
one by one, as far as there is room.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Coroutine
from types import TracebackType

from agent_worker.flood_control import NOBODY, REMEMBERED_S, Floods, Party

PLACES = 8
WIDER = 16
"""So many times the places for a party that has been alone for as long as anybody is remembered."""
TICK_S = 0.005
IDLE_S = 0.002
"""A timer that is late by less than this has met an idle loop."""
CALM_TICKS = 4
"""So often in a row while several parties are here: a process that waits for a core is on time now and then, and what
more turns of one of them win, the others pay for at each of their steps."""
SEVERAL_S = 1.0
"""For so long after a change of parties."""
DOUBLINGS = 4
"""At most sixteen are let in at once."""
LENT_S = 0.25
"""A place is taken for as long at most, on a loop that never proves idle too."""


class Place:
    """One turn's place among those who are let in."""

    __slots__ = ("_pace", "admitted", "party", "since")

    def __init__(self, pace: Pace, party: Party) -> None:
        self._pace = pace
        self.party = party
        self.admitted: asyncio.Future[None] | None = None
        """Set while it waits."""
        self.since = 0.0
        """When it came; from its admission on, when that was."""

    def __aenter__(self) -> Coroutine[object, object, bool]:
        return self._pace.enter(self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pace.leave(self)


class Pace:
    """For one event loop. ``places`` turns are always let in, ``wider`` times as many of a party that is alone."""

    def __init__(self, places: int = PLACES, floods: Floods | None = None, *, wider: int = WIDER) -> None:
        self._few = self._places = places
        self._many = places * wider
        self._floods = floods or Floods()
        self._inside: OrderedDict[Place, None] = OrderedDict()
        """Those whose places are counted, the longest inside first."""
        self._of: dict[Party, int] = {}
        """How many of them each party has."""
        self._waiting: OrderedDict[Party, deque[Place]] = OrderedDict()
        self._calm = 0
        """Ticks in a row that have met an idle loop."""
        self._last: Party | None = None
        """The party that came last."""
        self._changed = -REMEMBERED_S
        """When that was another one than before."""
        self._timer: asyncio.TimerHandle | None = None

    def turn(self, tenant: str, channel: str) -> Place:
        """Inside the block, the turn may compute. Tells whether it had to wait."""
        return Place(self, (tenant, channel))

    async def enter(self, place: Place) -> bool:
        """Whether it had to wait."""
        loop = asyncio.get_running_loop()
        now, party = loop.time(), place.party
        if party != self._last:
            self._changed = self._changed if self._last is None else now
            self._last = party
        self._places = self._few if now - self._changed < REMEMBERED_S else self._many
        self._floods.came(party, now)
        if self._may_enter(party, now):
            self._let_in(place, now)
            return False
        place.since, place.admitted = now, loop.create_future()
        self._waiting.setdefault(party, deque()).append(place)
        if self._timer is None:
            self._calm = 0
            self._timer = loop.call_later(TICK_S, self._tick, now + TICK_S)
        try:
            await place.admitted
        except asyncio.CancelledError:
            self.leave(place)  # it may have been let in at the same moment
            raise
        return True

    def leave(self, place: Place) -> None:
        self._give_back(place)
        now, party = asyncio.get_running_loop().time(), place.party
        if len(self._inside) < self._places:
            self._admit(1, now)
        elif party in self._waiting and self._has_share(party) and party not in self._floods.held(now):
            self._admit_of(party, now)

    def _may_enter(self, party: Party, now: float) -> bool:
        if party in self._waiting or party in self._floods.held(now):
            return False
        return self._has_share(party) or self._is_free()

    def _is_free(self) -> bool:
        return len(self._inside) < self._places and not self._waiting

    def _has_share(self, party: Party) -> bool:
        """Whether a place would be within its share, however many the others have got while the loop was idle."""
        mine = self._of.get(party, 0)
        return mine < self._places // (len(self._of) + (not mine))

    def _let_in(self, place: Place, now: float) -> None:
        place.since = now
        self._inside[place] = None
        self._of[place.party] = self._of.get(place.party, 0) + 1

    def _give_back(self, place: Place) -> None:
        if place in self._inside:
            del self._inside[place]
            left = self._of[place.party] - 1
            if left:
                self._of[place.party] = left
            else:
                del self._of[place.party]

    def _admit(self, most: int, now: float) -> None:
        """The next ones, party by party; one of those that are held, if there is room for it."""
        if not self._waiting:
            return
        held = self._floods.held(now)
        barred = NOBODY if held is NOBODY or self._floods.have_room(now) else held
        while most > 0 and (party := next((one for one in self._waiting if one not in barred), None)) is not None:
            if party in held:
                barred = held
            most -= self._admit_of(party, now)

    def _admit_of(self, party: Party, now: float) -> bool:
        """The party's next one, if there is one; the others have their turns first then."""
        queue = self._waiting.pop(party)
        place = queue.popleft()
        if queue:
            self._waiting[party] = queue
        if place.admitted is None or place.admitted.done():
            return False  # cancelled
        self._floods.let_in(party, now - place.since, now)
        place.admitted.set_result(None)
        self._let_in(place, now)
        return True

    def _tick(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._inside and (oldest := next(iter(self._inside))).since < now - LENT_S:
            self._give_back(oldest)
        self._admit(self._places - len(self._inside), now)
        self._calm = self._calm + 1 if now - due < IDLE_S else 0
        more = self._calm - (CALM_TICKS if now - self._changed < SEVERAL_S else 1)
        if more >= 0:
            self._admit(1 << min(more, DOUBLINGS), now)
        self._timer = loop.call_later(TICK_S, self._tick, loop.time() + TICK_S) if self._waiting else None
