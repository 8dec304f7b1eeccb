"""Times as they are told to people: in words where we have the language's, else in figures that all read alike."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "de": ("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
}
_NEAR = {"en": ("today", "tomorrow"), "de": ("heute", "morgen")}
_AT = {"en": "{day} at {clock}", "de": "{day} um {clock} Uhr"}
_ON = {"en": "on {weekday}, {date},", "de": "am {weekday}, den {date},"}
_DATES = {"en": "{at.day} {month}", "de": "{at.day}. {month}"}
_MONTHS = {
    "en": _words("January February March April May June July August September October November December"),
    "de": _words("Januar Februar März April Mai Juni Juli August September Oktober November Dezember"),
}
_UNITS = {
    "en": (("a minute", "{n} minutes"), ("an hour", "{n} hours"), ("a day", "{n} days")),
    "de": (("einer Minute", "{n} Minuten"), ("einer Stunde", "{n} Stunden"), ("einem Tag", "{n} Tagen")),
}


def moment(at: datetime, now: datetime, zone: ZoneInfo, locale: str) -> str:
    """When that is, by the clocks of the office."""
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


def span(length: timedelta, locale: str) -> str:
    """Rounded up to whole minutes; to hours and days where nothing is lost by it."""
    units = _UNITS.get(locale.lower()[:2])
    minutes = max(1, -(-int(length.total_seconds()) // 60))
    if units is None:
        return f"{minutes} min"
    for size, (one, many) in ((1440, units[2]), (60, units[1])):
        if minutes % size == 0:
            return one if minutes == size else many.format(n=minutes // size)
    return units[0][0] if minutes == 1 else units[0][1].format(n=minutes)
