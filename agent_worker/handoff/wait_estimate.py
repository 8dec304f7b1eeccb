"""The estimate of a contact's waiting time for a person, and its wording.

The estimate is the median time to the first reply, this week and last, in office time. Waits are counted in steps, by
counters that all processes share, and the estimate is the end of a step: rather too long than too short. Only waits
that began when at least as many others were waiting count. While there are too few waits at all, it is the desk's goal
for first replies, if there is one. Nothing is promised while somebody has already waited longer than that."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_skeleton
from babel.units import format_unit

from agent_worker.handoff.desk_service_level import DeskServiceLevel
from agent_worker.nlu.language_detection import base_language
from agent_worker.translations import find_translation
from agent_worker.voice import Voice
from schemas.conversation import Origin
from schemas.messages import Assurance
from schemas.ports import Conversations, Limiter

STEPS = (2, 5, 10, 15, 30, 60, 120, 240, 480, 1440)
"""Minutes."""
CROWDS = 6
"""Ranges of the number of those who were waiting already: 0, 1, 2–3, 4–7, 8–15, and more."""
QUEUE_READ = 200
"""Conversations in the queue whose waits are compared with the estimate."""
MIN_SAMPLES = 5
"""First replies from which a median is taken."""
_WEEK = 7 * 86_400
_KEPT = 3.0 * _WEEK


class WaitEstimate:
    def __init__(self, limiter: Limiter, conversations: Conversations) -> None:
        self._limiter = limiter
        self._conversations = conversations

    async def count(self, tenant: str, wait: timedelta, waiting: int, now: datetime) -> None:
        """Count a first reply that took this much office time. ``waiting``: others who waited when the wait began."""
        step = bisect_left(STEPS, wait.total_seconds() / 60)
        await self._limiter.add(_key(tenant, now), {_name(step, _crowd(waiting)): 1}, keep=_KEPT, now=now)

    async def expect(self, tenant: str, desk: DeskServiceLevel, waiting: int, now: datetime) -> timedelta | None:
        """Return the estimate for one more contact, with ``waiting`` others in the queue; None if nothing is known that
        the queue does not contradict."""
        counts = [[0] * (len(STEPS) + 1) for _ in range(CROWDS)]
        for at in (now, now - timedelta(seconds=_WEEK)):
            stored = await self._limiter.add(_key(tenant, at), _NONE, keep=_KEPT, now=now)
            counts = [
                [count + stored.get(_name(step, crowd), 0) for step, count in enumerate(row)]
                for crowd, row in enumerate(counts)
            ]
        similar = [sum(column) for column in zip(*counts[_crowd(waiting) :], strict=True)]
        if sum(map(sum, counts)) < MIN_SAMPLES:
            expected = desk.first_reply
        else:
            expected = _median(similar) if sum(similar) >= MIN_SAMPLES else None
        if expected is None or not waiting:
            return expected
        queue = await self._conversations.list_page(tenant, owner="queue", limit=QUEUE_READ)
        handoffs = [item.facts.handoff for item in queue.items if item.facts.handoff is not None]
        longest = max((desk.time_between(each.opened_at, now) for each in handoffs), default=timedelta())
        return expected if longest <= expected else None


def _name(step: int, crowd: int) -> str:
    """The name of a counter. Those of older releases count waits without others."""
    return f"{step}/{crowd}" if crowd else str(step)


def _crowd(waiting: int) -> int:
    return min(waiting.bit_length(), CROWDS - 1)


_NONE: Mapping[str, int] = {_name(step, crowd): 0 for step in range(len(STEPS) + 1) for crowd in range(CROWDS)}


def _median(counts: list[int]) -> timedelta | None:
    """The end of the step that holds the median; None for the last step, which has no end."""
    half, total = sum(counts) / 2, 0
    for minutes, count in zip(STEPS, counts, strict=False):
        total += count
        if total >= half:
            return timedelta(minutes=minutes)
    return None


def _key(tenant: str, at: datetime) -> str:
    return f"handoff:{tenant}:waits:{int(at.timestamp() // _WEEK)}"


def format_wait_notice(
    voice: Voice,
    desk: DeskServiceLevel,
    wait: timedelta | None,
    now: datetime,
    locale: str,
    *,
    is_reachable: bool = True,
    left_address: bool = False,
) -> str:
    """Format a sentence about the wait; empty without an estimate. After hours another one says how the contact gets
    the answer. ``is_reachable``: it will be seen in the conversation; ``left_address``: the contact has just written
    an address."""
    if desk.is_open(now):
        return "" if wait is None else voice.expected_wait.replace("{wait}", format_duration(wait, locale))
    opens = None if desk.hours is None else desk.hours.next_opening(now)
    further = voice.address_noted if left_address else "" if is_reachable else voice.leave_address
    if desk.hours is None or opens is None:
        return f"{voice.desk_closed} {further}".strip()
    closed = voice.desk_closed_until.replace("{opens}", format_time(opens, now, desk.hours.zone, locale))
    return f"{closed} {further or voice.answer_here}".strip()


def is_reachable(origin: Origin, levels: Iterable[Assurance]) -> bool:
    """Whether the contact sees what is written later. A web visitor who is not signed in may never come back.
    ``levels``: the assurance of the contact's addresses."""
    return origin.channel != "web" or any(level != "anonymous" for level in levels)


def format_time(at: datetime, now: datetime, zone: ZoneInfo, locale: str) -> str:
    """Format a time in the office's time zone: in words for languages with translations, else in figures."""
    local, translation = at.astimezone(zone), find_translation(locale)
    if translation is None:
        return f"{local:%Y-%m-%d %H:%M}"
    times, days = translation.times, (local.date() - now.astimezone(zone).date()).days
    phrase = times.later if days > 1 else times.tomorrow if days == 1 else times.today
    place = _cldr_locale(locale)
    return phrase.format(
        clock=f"{local:%H:%M}",
        weekday=format_date(local, "cccc", locale=place),
        date=format_skeleton("MMMMd", local, locale=place),
    )


def format_duration(length: timedelta, locale: str) -> str:
    """A duration, rounded up to whole minutes; in hours and days where that loses nothing."""
    minutes, translation = max(1, -(-int(length.total_seconds()) // 60)), find_translation(locale)
    if translation is None:
        return f"{minutes} min"
    unit = next(unit for unit in _UNITS if minutes % unit.minutes == 0)
    number = minutes // unit.minutes
    if phrase := getattr(translation.times, unit.one if number == 1 else unit.many, ""):
        return str(phrase).format(n=number)
    return format_unit(number, unit.name, length="long", locale=_cldr_locale(locale))


class _Unit(NamedTuple):
    """``one`` and ``many``: fields of ``TimePhrases``."""

    minutes: int
    name: str
    one: str
    many: str = ""


_UNITS = (
    _Unit(1440, "duration-day", "one_day", "days"),
    _Unit(60, "duration-hour", "one_hour"),
    _Unit(1, "duration-minute", "one_minute"),
)


def _cldr_locale(locale: str) -> Locale:
    """English dates begin with the day, as they do outside the United States."""
    language = base_language(locale)
    return Locale.parse("en_GB" if language == "en" else language)
