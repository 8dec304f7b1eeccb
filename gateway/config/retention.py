"""Settings of how long the topics keep records."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from connectors.settings import Settings


def _days_between(least: int, most: int, why: str) -> AfterValidator:
    def check(days: int) -> int:
        if not least <= days <= most:
            raise ValueError(f"must be {least} to {most}: {why}")
        return days

    return AfterValidator(check)


_INBOUND = _days_between(8, 60, "duplicates are recognized for 8 days, and Kafka keeps consumers' offsets for 60")
_OUTBOUND = _days_between(1, 7, "sends are remembered for 8 days, and records must be gone from the topic before that")
_AUDIT = _days_between(30, 3650, "an audit trail must outlast the incident that it is needed for")
_EVENTS = _days_between(9, 3650, "a rebuild of the state needs the outcomes of the last 8 days")


class RetentionSettings(Settings):
    """How many days the topics keep records. Tenants share the topics, so the longest time of all tenants applies.
    Transcripts, contacts and files are kept without a time limit."""

    inbound_days: Annotated[int, _INBOUND] = 30
    """Days for contacts' messages, from 8 to 60."""
    outbound_days: Annotated[int, _OUTBOUND] = 7
    """Days for messages to contacts, from 1 to 7."""
    events_days: Annotated[int, _EVENTS] = 90
    """Days for events about turns, deliveries, actions, handoffs and ratings, from 9 to 3650."""
    audit_days: Annotated[int, _AUDIT] = 400
    """Days for the audit trail, from 30 to 3650."""
