"""A tenant's rules for its desk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from schemas.handoff.business_hours import OfficeHours


@dataclass(frozen=True, slots=True)
class DeskTimesRules:
    """Office time until people should have answered, None where there is no limit; ``remind`` is a share of it.
    ``escalate_to`` is a channel of Slack, empty where nobody else is told; ``mention``: whom that calls (``here``,
    ``channel``, or nobody)."""

    first_reply: timedelta | None = timedelta(minutes=15)
    next_reply: timedelta | None = timedelta(minutes=60)
    remind: float = 0.75
    escalate_to: str = ""
    mention: str = ""


@dataclass(frozen=True, slots=True)
class DeskEmojiRules:
    """Slack's names of the reactions by which people act, without colons."""

    claim: str = "eyes"
    resolve: str = "white_check_mark"
    give_back: str = "repeat"
    note: str = "see_no_evil"


@dataclass(frozen=True, slots=True)
class DeskRules:
    """One tenant's desk. ``account``: its Slack account. ``channel`` takes every handoff, ``channels`` those of an
    intent or a language. ``hours`` is None where somebody is always there. ``windows``: by ``(channel, account)``, how
    long after their last message a contact may be written to by people, where the channel has such a limit."""

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

    def channel_for(self, *, intent: str = "", locale: str = "") -> str:
        """Choose where a conversation is shown: by its intent, else by its language (``de-AT``, then ``de``)."""
        wanted = (intent, locale, locale.partition("-")[0])
        return next((self.channels[each] for each in wanted if each and each in self.channels), self.channel)

    @property
    def places(self) -> frozenset[str]:
        """The channels in which people work."""
        return frozenset({self.channel, *self.channels.values()})
