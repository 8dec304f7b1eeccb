"""Settings under a tenant's ``desk``: where people take over conversations, and how soon they should answer."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from connectors.registry import desk_place
from connectors.settings import Settings, require_pattern
from gateway.config.field_types import Timezone
from schemas import topics
from schemas.errors import NotFound
from schemas.handoff.business_hours import OfficeHours, span_of


def _check_emoji(text: str) -> str:
    return require_pattern(text.strip(":"), r"[a-z0-9_+'-]{1,80}", "must be the name of an emoji, such as eyes")


def _check_hours(text: str) -> str:
    return require_pattern(
        text,
        r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-4]):[0-5]\d",
        "must be opening hours such as 09:00-17:30",
    )


def _check_day(text: str) -> str:
    message = "must be a day such as 2026-12-24"
    try:
        return date.fromisoformat(require_pattern(text, r"\d{4}-\d{2}-\d{2}", message)).isoformat()
    except ValueError as error:
        raise ValueError(message) from error


Emoji = Annotated[str, AfterValidator(_check_emoji)]
Hours = Annotated[str, AfterValidator(_check_hours)]
Day = Annotated[str, AfterValidator(_check_day)]
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class DeskHours(Settings):
    """The desk's office hours by weekday, such as ``mon: 09:00-17:30``, or a list of several. The desk is closed on a
    day without hours. If no day has any, the desk is always open."""

    timezone: Timezone = "UTC"
    """The time zone of the hours, such as Europe/Berlin."""
    mon: list[Hours] | Hours = []
    """Hours on Mondays. Empty: closed."""
    tue: list[Hours] | Hours = []
    """Hours on Tuesdays. Empty: closed."""
    wed: list[Hours] | Hours = []
    """Hours on Wednesdays. Empty: closed."""
    thu: list[Hours] | Hours = []
    """Hours on Thursdays. Empty: closed."""
    fri: list[Hours] | Hours = []
    """Hours on Fridays. Empty: closed."""
    sat: list[Hours] | Hours = []
    """Hours on Saturdays. Empty: closed."""
    sun: list[Hours] | Hours = []
    """Hours on Sundays. Empty: closed."""
    holidays: list[Day] = []
    """Dates on which the desk is closed, such as 2026-12-24."""

    def office(self) -> OfficeHours | None:
        """The hours, or None if the desk is always open."""
        written = [getattr(self, name) for name in _WEEK]
        days = [[each] if isinstance(each, str) else each for each in written]
        if not any(days):
            return None
        spans = {number: tuple(map(span_of, day)) for number, day in enumerate(days) if day}
        return OfficeHours(ZoneInfo(self.timezone), spans, frozenset(map(date.fromisoformat, self.holidays)))


def _check_kind(name: str) -> str:
    try:
        desk_place(name)
    except NotFound as error:
        raise ValueError("must be a channel in which people can work, such as slack") from error
    return name


def _check_place(text: str, info: ValidationInfo) -> str:
    """The place, in the form that the desk's channel uses. Accepts anything if ``kind`` is invalid, which is an error
    of its own."""
    return desk_place(info.data["kind"])(text) if "kind" in info.data else text


Place = Annotated[str, AfterValidator(_check_place)]


class DeskTimes(Settings):
    """Time limits for people's answers, in minutes of office hours."""

    first_reply: float = Field(default=15, ge=0, le=10_080)
    """Minutes until the first answer; 0: no limit."""
    next_reply: float = Field(default=60, ge=0, le=10_080)
    """Minutes until each later answer; 0: no limit."""
    remind: float = Field(default=0.75, gt=0, le=1)
    """The share of the time after which a reminder is posted in the thread."""
    escalate_to: str = ""
    """The place, such as a Slack channel, that is told when the time is over. Empty: none."""
    mention: Literal["", "here", "channel"] = ""
    """The people whom this message notifies: ``here``, ``channel`` or nobody."""


class DeskEmoji(Settings):
    """Reactions to the first message of a thread that act on the conversation."""

    claim: Emoji = "eyes"
    """Claims the conversation for the person who reacts."""
    resolve: Emoji = "white_check_mark"
    """Resolves the conversation, without a form for outcome and tags."""
    give_back: Emoji = "repeat"
    """Hands the conversation back to the agent."""
    note: Emoji = "see_no_evil"
    """On a reply in the thread: keeps it internal, so that the contact does not get it."""


class DeskSettings(Settings):
    """The place where the tenant's people take over conversations."""

    kind: Annotated[str, AfterValidator(_check_kind)] = topics.DEFAULT_DESK
    """The channel that people work in, such as slack."""
    account: str = "main"
    """The tenant's account on that channel."""
    channel: Place
    """The place for handoffs, such as a Slack channel."""
    channels: dict[str, Place] = {}
    """Other places for handoffs of an intent (``refund``) or a language (``de``)."""
    role: Literal["viewer", "agent", "admin", "owner"] = "agent"
    """The role of members of the desk's channel whom no ``desk_ids`` of an operator names."""
    undo_seconds: float = Field(default=5, ge=0, le=60)
    """How long a reply to the contact is held back so that it can be undone."""
    emoji: DeskEmoji = DeskEmoji()
    """The reactions with which people claim, resolve and hand back conversations. Write names without colons."""
    hours: DeskHours = DeskHours()
    """Office hours. Outside them, contacts are told when the desk opens, and time limits are paused."""
    times: DeskTimes = DeskTimes()
    """Time limits for people's answers, with reminders and escalation."""
    rating: bool = True
    """Ask contacts for a rating when their conversation is resolved."""
    outcomes: list[Annotated[str, Field(min_length=1, max_length=60)]] = [
        "Solved",
        "Workaround",
        "Not solved",
        "No answer",
    ]
    """The outcomes to choose from when a conversation is resolved."""
    tags: list[Annotated[str, Field(min_length=1, max_length=60)]] = []
    """The tags to choose from when a conversation is resolved."""
    weekly_report: Literal["", "mon", "tue", "wed", "thu", "fri", "sat", "sun"] = ""
    """The weekday on which a report of the last seven days is posted, after 9:00 in the time zone of the hours. Empty:
    never."""

    @field_validator("times")
    @classmethod
    def _check_escalation(cls, times: DeskTimes, info: ValidationInfo) -> DeskTimes:
        if times.escalate_to:
            try:
                _check_place(times.escalate_to, info)
            except ValueError as error:
                raise ValueError(f"escalate_to {error}") from error
        return times

    @model_validator(mode="after")
    def _check_escalation_place(self) -> DeskSettings:
        if self.times.escalate_to and self.times.escalate_to in {self.channel, *self.channels.values()}:
            raise ValueError("times.escalate_to must be a different channel from those of the desk")
        return self

    @property
    def report_weekday(self) -> int | None:
        """0 for Monday; None if no report is posted."""
        return _WEEK.index(self.weekly_report) if self.weekly_report else None

    def places(self, channel: str, account: str) -> frozenset[str]:
        """The desk's places on one account. Contacts' conversations never take place there."""
        if (channel, account) != (self.kind, self.account):
            return frozenset()
        return frozenset({self.channel, *self.channels.values(), self.times.escalate_to} - {""})
