"""What a turn has to know of the people who may take over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.handoff.business_hours import OfficeHours


@dataclass(frozen=True, slots=True)
class DeskTerms:
    """``hours`` is None where somebody is always there. ``first_reply``: office time in which people want to answer,
    None where they set themselves no limit. ``rating``: whether contacts may be asked how it went."""

    hours: OfficeHours | None = None
    first_reply: timedelta | None = None
    rating: bool = True

    def is_open(self, at: datetime) -> bool:
        return self.hours is None or self.hours.is_open(at)
