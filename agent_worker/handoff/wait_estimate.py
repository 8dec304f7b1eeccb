"""The estimate of a contact's waiting time for a person, and its wording.

The estimate is the median time to the first reply, this week and last, in office time. Waits are counted in steps, by
counters that all processes share, and the estimate is the end of a step: rather too long than too short. While there
are too few waits, it is the desk's goal for first replies, if there is one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from agent_worker.handoff.desk_service_level import DeskServiceLevel
from agent_worker.voice import Voice
from schemas.ports import Limiter


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


STEPS = (2, 5, 10, 15, 30, 60, 120, 240, 480, 1440)
"""Minutes."""
MIN_SAMPLES = 5
"""First replies from which a median is taken."""
_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
}
_NEAR = {"en": ("today", "tomorrow"), "de": ("heute", "morgen")}
_AT = {"en": "{day} at {clock}", "de": "{day} um {clock} Uhr"}
_ON = {"en": "on {weekday}, {date},", "de": "am {weekday}, den {date},"}
_DATES = {"en": "{at.day} {month}", "de": "{at.day}. {month}"}
_MONTHS = {
    "en": _split("January February March April May June July August September October November December"),
    "de": _split("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
}
_UNITS = {
    "en": (("a minute", "{n} minutes"), ("an hour", "{n} hours"), ("a day", "{n} days")),
    "de": (("einer Minute", "{n} Minuten"), ("einer Stunde", "{n} Stunden"), ("einem Tag", "{n} Tagen")),
}
_WEEK = 7 * 86_400
_KEPT = 3.0 * _WEEK


class WaitEstimate:
    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter

    async def count(self, tenant: str, wait: timedelta, now: datetime) -> None:
        """Count a first reply that took this much office time."""
        step = bisect_left(STEPS, wait.total_seconds() / 60)
        await self._limiter.add(_key(tenant, now), {str(step): 1}, keep=_KEPT, now=now)

    async def expect(self, tenant: str, desk: DeskServiceLevel, now: datetime) -> timedelta | None:
        """Return the estimate; None if there is neither enough data nor a goal."""
        counts = [0] * (len(STEPS) + 1)
        for at in (now, now - timedelta(seconds=_WEEK)):
            stored = await self._limiter.add(_key(tenant, at), _NONE, keep=_KEPT, now=now)
            counts = [count + stored.get(str(step), 0) for step, count in enumerate(counts)]
        return _median(counts) if sum(counts) >= MIN_SAMPLES else desk.first_reply


_NONE: Mapping[str, int] = {str(step): 0 for step in range(len(STEPS) + 1)}


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


def format_wait_notice(voice: Voice, desk: DeskServiceLevel, wait: timedelta | None, now: datetime, locale: str) -> str:
    """Format a sentence about the wait; empty without an estimate."""
    if not desk.is_open(now):
        opens = None if desk.hours is None else desk.hours.next_opening(now)
        if desk.hours is None or opens is None:
            return voice.desk_closed
        return voice.desk_closed_until.replace("{opens}", format_time(opens, now, desk.hours.zone, locale))
    return "" if wait is None else voice.expected_wait.replace("{wait}", format_duration(wait, locale))


def format_time(at: datetime, now: datetime, zone: ZoneInfo, locale: str) -> str:
    """Format a time in the office's time zone: in words for supported languages, else in figures."""
    local, language = at.astimezone(zone), locale.lower()[:2]
    if language not in _DAYS:
        return f"{local:%Y-%m-%d %H:%M}"
    days = (local.date() - now.astimezone(zone).date()).days
    if days < 2:
        day = _NEAR[language][max(0, days)]
    else:
        date = _DATES[language].format(at=local, month=_MONTHS[language][local.month - 1])
        day = _ON[language].format(weekday=_DAYS[language][local.weekday()], date=date)
    return _AT[language].format(day=day, clock=f"{local:%H:%M}")


def format_duration(length: timedelta, locale: str) -> str:
    """A duration, rounded up to whole minutes; in hours and days where that loses nothing."""
    units = _UNITS.get(locale.lower()[:2])
    minutes = max(1, -(-int(length.total_seconds()) // 60))
    if units is None:
        return f"{minutes} min"
    for size, (one, many) in ((1440, units[2]), (60, units[1])):
        if minutes % size == 0:
            return one if minutes == size else many.format(n=minutes // size)
    return units[0][0] if minutes == 1 else units[0][1].format(n=minutes)
