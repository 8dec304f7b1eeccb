"""Who floods, and how much of the processor a flood may take while others are here.

When the processor is taken whole, every step of everybody takes longer, also of those whose turn it is at once: fair
order cannot help them, only room that is left. So a party (a tenant on a channel) whose turns had to wait for long
is a flood, and while anybody else is here floods go on only as long as there is something in an account of processor
time. It is filled with half a second each second and pays for everything that this process does, for whomever: the
floods get what the others leave of that half. Alone, a flood gets everything.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Callable, Container

Party = tuple[str, str]
"""A tenant and a channel."""
FLOODS_AFTER_S = 0.2
"""A turn that waited for longer than this shows that its party floods."""
REMEMBERED_S = 5.0
"""For so long after such a turn a party floods, and after its last turn somebody is here."""
SHARE = 0.5
"""Of one processor. At half, what comes finds the loop at work every second time, and waits for one step."""
IN_ANY_CASE_S = 0.025
"""However little is left, a flood's turn is let in so often: held, but never stopped."""
PRESSED_S = 0.01
"""So often any turn is let in while the front door of this process refuses: then accepting comes first."""
SAVED_S = 0.02
OWED_S = 0.2
"""What is in the account at most, and at least: neither rest nor a pause of the process is remembered for long."""


def effort() -> float:
    """Seconds that this process has computed, and that this thread was kept from it because other work had the
    processors. Both are what a flood costs: on a machine with too much to do, the first to give way is the flood."""
    return time.process_time() + _kept_waiting()


def _kept_waiting() -> float:
    try:
        stat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    except OSError:  # not every system tells
        return 0.0
    try:
        return int(os.read(stat, 80).split()[1]) / 1e9
    finally:
        os.close(stat)


class _Everybody(Container[Party]):
    def __contains__(self, _: object) -> bool:
        return True


EVERYBODY = _Everybody()
NOBODY: Container[Party] = ()


class Floods:
    """Times are those of one monotonic clock. ``effort``: see there. ``pressed`` tells whether this process has more
    asked of it than it can accept: then all parties are held."""

    def __init__(self, effort: Callable[[], float] = effort, *, pressed: Callable[[], bool] = lambda: False) -> None:
        self._effort = effort
        self._pressed = pressed
        self._here: OrderedDict[Party, float] = OrderedDict()
        """When each party came last; the latest is last."""
        self._until: OrderedDict[Party, float] = OrderedDict()
        """Until when each flood counts as one, the first to end first."""
        self._account = 0.0
        self._paid = 0.0
        """The effort up to which the account has paid."""
        self._looked = 0.0
        self._last = 0.0
        """When a flood's turn was let in last."""

    def came(self, party: Party, now: float) -> None:
        self._here[party] = now
        self._here.move_to_end(party)

    def let_in(self, party: Party, waited: float, now: float) -> None:
        """One of its turns goes on after so many seconds."""
        pressed = self._pressed()
        if waited > FLOODS_AFTER_S and not pressed:  # else that was not for its own being many
            self._until[party] = now + REMEMBERED_S
            self._until.move_to_end(party)
        if pressed or party in self._until:
            self._last = now

    def held(self, now: float) -> Container[Party]:
        """The floods, while anybody is here that is none."""
        if self._pressed():
            return EVERYBODY
        if self._until:
            _forget(self._until, now)
        if not self._until:
            return NOBODY
        _forget(self._here, now - REMEMBERED_S)
        return self._until if any(party not in self._until for party in reversed(self._here)) else NOBODY

    def have_room(self, now: float) -> bool:
        """Whether a flood that is held may go on by a turn."""
        if self._pressed():
            return now - self._last >= PRESSED_S
        spent = self._effort()
        left = self._account + SHARE * (now - self._looked) - (spent - self._paid)
        self._account = min(SAVED_S, max(-OWED_S, left))
        self._looked, self._paid = now, spent
        return self._account > 0 or now - self._last >= IN_ANY_CASE_S


def _forget(times: OrderedDict[Party, float], before: float) -> None:
    while times and next(iter(times.values())) < before:
        times.popitem(last=False)
