"""The service level of a tenant's desk: business hours and the goal for first replies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.handoff.business_hours import OfficeHours


@dataclass(frozen=True, slots=True)
class DeskServiceLevel:
    """``hours`` is None if somebody is always there. ``first_reply``: office time within which people want to answer,
    None where there is no such goal. ``rating``: whether contacts may be asked how it went."""

    hours: OfficeHours | None = None
    first_reply: timedelta | None = None
    rating: bool = True

    def is_open(self, at: datetime) -> bool:
        return self.hours is None or self.hours.is_open(at)

    def time_between(self, since: datetime, until: datetime) -> timedelta:
        """Office time between the two."""
        return until - since if self.hours is None else self.hours.office_time_between(since, until)
