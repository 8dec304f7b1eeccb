"""Settings under a tenant's `desk`: where people take over, and how soon they should."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from connectors.registry import desk_place
from connectors.settings import Settings, require_pattern
from schemas import topics
from schemas.errors import NotFound
from schemas.handoff.business_hours import OfficeHours, span_of


def _day(text: str) -> str:
    try:
        return date.fromisoformat(require_pattern(text, r"\d{4}-\d{2}-\d{2}", _DAY)).isoformat()
    except ValueError as error:
        raise ValueError(_DAY) from error


Emoji = Annotated[str, AfterValidator(lambda text: require_pattern(text.strip(":"), r"[a-z0-9_+'-]{1,80}", _EMOJI))]
Hours = Annotated[
    str, AfterValidator(lambda text: require_pattern(text, r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-4]):[0-5]\d", _HOURS))
]
Day = Annotated[str, AfterValidator(_day)]
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EMOJI = "must be the name of an emoji, such as eyes"
_DAY = "must be a day such as 2026-12-24"
_HOURS = "must be opening hours such as 09:00-17:30"


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("must be a time zone such as Europe/Berlin") from error
    return text


class DeskHours(Settings):
    """When people are there: hours by day, several a day as a list. A day that is not named is closed. Without any,
    somebody is always there."""

    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    mon: list[Hours] | Hours = []
    tue: list[Hours] | Hours = []
    wed: list[Hours] | Hours = []
    thu: list[Hours] | Hours = []
    fri: list[Hours] | Hours = []
    sat: list[Hours] | Hours = []
    sun: list[Hours] | Hours = []
    holidays: list[Day] = []

    def office(self) -> OfficeHours | None:
        """None where somebody is always there."""
        written = [getattr(self, name) for name in _WEEK]
        days = [[each] if isinstance(each, str) else each for each in written]
        if not any(days):
            return None
        spans = {number: tuple(map(span_of, day)) for number, day in enumerate(days) if day}
        return OfficeHours(ZoneInfo(self.timezone), spans, frozenset(map(date.fromisoformat, self.holidays)))


def _kind(name: str) -> str:
    try:
        desk_place(name)
    except NotFound as error:
        raise ValueError("must be a channel in which people can work, such as slack") from error
    return name


def _place(text: str, info: ValidationInfo) -> str:
    """As the desk names the places where people work; what is wrong with its kind is told by itself."""
    return desk_place(info.data["kind"])(text) if "kind" in info.data else text


Place = Annotated[str, AfterValidator(_place)]


class DeskTimes(Settings):
    """Minutes of office hours until people should have answered: for the first time, and each time after; 0: no limit.
    At ``remind`` of it (a share) the thread is reminded; when it is over, ``escalate_to`` hears of it, where it is
    named."""

    first_reply: float = Field(default=15, ge=0, le=10_080)
    next_reply: float = Field(default=60, ge=0, le=10_080)
    remind: float = Field(default=0.75, gt=0, le=1)
    escalate_to: str = ""
    mention: Literal["", "here", "channel"] = ""


class DeskEmoji(Settings):
    """Reactions by which people act on the message that began the thread; ``note`` keeps one reply inside."""

    claim: Emoji = "eyes"
    resolve: Emoji = "white_check_mark"
    give_back: Emoji = "repeat"
    note: Emoji = "see_no_evil"


class Desk(Settings):
    """``kind``: the channel of ours in which people work. ``account``: the tenant's account there, whose app works in
    the places that the others name. ``channel`` takes every handoff, ``channels`` those of one intent (``refund``) or
    language (``de``). A reply to the contact is held for ``undo_seconds``; ``tags`` and ``outcomes`` are offered when a
    conversation is resolved."""

    kind: Annotated[str, AfterValidator(_kind)] = topics.DEFAULT_DESK
    account: str = "main"
    channel: Place
    channels: dict[str, Place] = {}
    undo_seconds: float = Field(default=5, ge=0, le=60)
    emoji: DeskEmoji = DeskEmoji()
    hours: DeskHours = DeskHours()
    times: DeskTimes = DeskTimes()
    rating: bool = True
    outcomes: list[Annotated[str, Field(min_length=1, max_length=60)]] = [
        "Solved",
        "Workaround",
        "Not solved",
        "No answer",
    ]
    tags: list[Annotated[str, Field(min_length=1, max_length=60)]] = []

    @field_validator("times")
    @classmethod
    def _escalates_to_a_place(cls, times: DeskTimes, info: ValidationInfo) -> DeskTimes:
        if times.escalate_to:
            try:
                _place(times.escalate_to, info)
            except ValueError as error:
                raise ValueError(f"escalate_to {error}") from error
        return times

    @model_validator(mode="after")
    def _apart(self) -> Desk:
        if self.times.escalate_to and self.times.escalate_to in {self.channel, *self.channels.values()}:
            raise ValueError("times.escalate_to must be another channel than those of the desk")
        return self

    def places(self, channel: str, account: str) -> frozenset[str]:
        """Those of one account: a channel named here never holds customers' conversations."""
        if (channel, account) != (self.kind, self.account):
            return frozenset()
        return frozenset({self.channel, *self.channels.values(), self.times.escalate_to} - {""})
