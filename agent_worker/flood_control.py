"""Detection of floods, and a limit on the CPU time they may take while others are active.

When a process uses all of its CPU, every step of every turn takes longer, also for turns that are admitted at once.
Fair order does not help then; only spare capacity does. A party (a tenant on a channel) whose turns had to wait for
long counts as a flood. While any other party is active, floods continue only as long as an account of CPU time has
credit. The account gains half a second per second and pays for everything that this process does, so floods get what
the others leave of that half. A flood that is alone gets everything.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Container

Party = tuple[str, str]
"""A tenant and a channel."""
FLOOD_WAIT_S = 0.2
"""A turn that waited longer shows that its party is flooding."""
MEMORY_S = 5.0
"""Seconds for which a party counts as a flood after such a turn, and as active after its last turn."""
CPU_SHARE = 0.5
"""Of one core. At half, a new turn finds the loop busy every second time and waits for one step."""
MIN_INTERVAL_S = 0.025
"""A flood's turn is admitted this often even without credit: floods are slowed down but never stopped."""
OVERLOAD_INTERVAL_S = 0.01
"""Interval of admissions while this process refuses new requests, because accepting has priority."""
MAX_CREDIT_S = 0.02
MAX_DEBT_S = 0.2
"""The limits of the account, so that neither rest nor a pause of the process counts for long."""


def measure_effort() -> float:
    """Seconds of CPU time of this process plus the time this thread waited for a core. Both count as the cost of a
    flood: on an overloaded machine floods give way first."""
    return time.process_time() + _runqueue_wait()


def _runqueue_wait() -> float:
    try:
        stat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except OSError:  # not available on every system
        return 0.0
    try:
        return int(os.read(stat, 80).split()[1]) / 1e9
    finally:
        os.close(stat)


class _PartyContainer(Container[Party]):
    def __contains__(self, _: object) -> bool:
        return True


ALL_PARTIES = _PartyContainer()
NO_PARTY: Container[Party] = ()


class FloodControl:
    """Times are from one monotonic clock. ``effort``: see ``measure_effort``. ``pressed`` returns whether this process
    gets more requests than it can accept; then all parties are held."""

    def __init__(
        self, effort: Callable[[], float] = measure_effort, *, pressed: Callable[[], bool] = lambda: False
    ) -> None:
        self._effort = effort
        self._is_overloaded = pressed
        self._last_seen: OrderedDict[Party, float] = OrderedDict()
        """Each party's last arrival, in order."""
        self._flood_until: OrderedDict[Party, float] = OrderedDict()
        """The end of each flood, in order."""
        self._credit = 0.0
        self._accounted_effort = 0.0
        """The effort that the account has paid for."""
        self._updated_at = 0.0
        self._last_admission = 0.0
        """Time of the last admission of a flood's turn."""

    def record_arrival(self, party: Party, now: float) -> Container[Party]:
        """Record that one of the party's turns arrived. Returns what ``held_parties`` does."""
        self._last_seen[party] = now
        self._last_seen.move_to_end(party)
        return self.held_parties(now)

    def record_admission(self, party: Party, waited: float, now: float) -> None:
        """Record that one of the party's turns is admitted after waiting ``waited`` seconds."""
        pressed = self._is_overloaded()
        if waited > FLOOD_WAIT_S and not pressed:  # otherwise the party itself did not cause the wait
            self._flood_until[party] = now + MEMORY_S
            self._flood_until.move_to_end(party)
        if pressed or party in self._flood_until:
            self._last_admission = now

    def held_parties(self, now: float) -> Container[Party]:
        """The floods, while any other party is active."""
        if self._is_overloaded():
            return ALL_PARTIES
        if self._flood_until:
            _drop_older(self._flood_until, now)
        if not self._flood_until:
            return NO_PARTY
        _drop_older(self._last_seen, now - MEMORY_S)
        return (
            self._flood_until
            if any(party not in self._flood_until for party in reversed(self._last_seen))
            else NO_PARTY
        )

    def has_room(self, now: float) -> bool:
        """Return whether a held flood may admit one turn."""
        if self._is_overloaded():
            return now - self._last_admission >= OVERLOAD_INTERVAL_S
        spent = self._effort()
        credit = self._credit + CPU_SHARE * (now - self._updated_at) - (spent - self._accounted_effort)
        self._credit = min(MAX_CREDIT_S, max(-MAX_DEBT_S, credit))
        self._updated_at, self._accounted_effort = now, spent
        return self._credit > 0 or now - self._last_admission >= MIN_INTERVAL_S


def _drop_older(times: OrderedDict[Party, float], before: float) -> None:
    while times and next(iter(times.values())) < before:
        times.popitem(last=False)
