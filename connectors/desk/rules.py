"""A tenant's rules for its desk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from zoneinfo import ZoneInfo

from schemas.access import Role
from schemas.handoff.business_hours import OfficeHours


@dataclass(frozen=True, slots=True)
class DeskTimesRules:
    """Office time within which people should answer, None for no limit; people are reminded after the share ``remind``
    of it. ``escalate_to``: the desk channel that is notified of overdue answers, empty for none; ``mention``: the group
    that the notice mentions there (``here``, ``channel``, or empty for nobody)."""

    first_reply: timedelta | None = timedelta(minutes=15)
    next_reply: timedelta | None = timedelta(minutes=60)
    remind: float = 0.75
    escalate_to: str = ""
    mention: str = ""


@dataclass(frozen=True, slots=True)
class DeskEmojiRules:
    """Names of the reactions that stand for commands, without colons."""

    claim: str = "eyes"
    resolve: str = "white_check_mark"
    give_back: str = "repeat"
    note: str = "see_no_evil"


@dataclass(frozen=True, slots=True)
class DeskPerson:
    """A member of the desk. ``role`` is None for an operator who may not work for this tenant; ``id``: who
    they are on all surfaces, empty if they are no operator."""

    role: Role | None
    id: str = ""


@dataclass(frozen=True, slots=True)
class WeeklyReportRules:
    """When the report of the last seven days is posted: on this weekday (0: Monday), from ``hour`` on."""

    weekday: int
    timezone: ZoneInfo
    hour: int = 9


@dataclass(frozen=True, slots=True)
class TenantDeskRules:
    """One tenant's desk. ``account``: its account on the desk's channel. ``channel`` takes every handoff, ``channels``
    those of an intent or a language. ``hours`` is None if somebody is always there. ``windows``: by ``(channel,
    account)``, the time after a contact's last message in which people may answer, where the channel has such a
    limit. ``report`` is None if no weekly report is posted. ``people``: by permanent id (``slack:U0123``), those who
    are operators; ``role``: that of the others."""

    tenant: str
    account: str
    channel: str
    name: str = ""
    channels: Mapping[str, str] = field(default_factory=dict)
    undo_seconds: float = 5.0
    emoji: DeskEmojiRules = DeskEmojiRules()
    hours: OfficeHours | None = None
    times: DeskTimesRules = DeskTimesRules()
    rating: bool = True
    outcomes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    windows: Mapping[tuple[str, str], timedelta] = field(default_factory=dict)
    report: WeeklyReportRules | None = None
    role: Role = "agent"
    people: Mapping[str, DeskPerson] = field(default_factory=dict)

    def channel_for(self, *, intent: str = "", locale: str = "") -> str:
        """Choose the desk channel of a conversation: by its intent, else by its language (``de-AT``, then ``de``)."""
        keys = (intent, locale, locale.partition("-")[0])
        return next((self.channels[each] for each in keys if each and each in self.channels), self.channel)

    def find_person(self, by: str) -> DeskPerson:
        return self.people.get(by) or DeskPerson(self.role)

    @property
    def places(self) -> frozenset[str]:
        """The channels in which people work."""
        return frozenset({self.channel, *self.channels.values()})
