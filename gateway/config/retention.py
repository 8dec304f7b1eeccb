"""Settings of how long topics keep records, and how long the state is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator

from connectors.settings import Settings
from schemas.ports import RetentionPeriods


def _days_between(least: int, most: int, why: str) -> AfterValidator:
    def check(days: int) -> int:
        if not least <= days <= most:
            raise ValueError(f"must be {least} to {most}: {why}")
        return days

    return AfterValidator(check)


_INBOUND = _days_between(8, 60, "duplicates are recognized for 8 days, and Kafka keeps consumers' offsets for 60")
_OUTBOUND = _days_between(1, 7, "sends are remembered for 8 days, and records must be gone from the topic before that")
_AUDIT = _days_between(30, 3650, "an audit trail must outlast the incident that it is needed for")
_STATE = _days_between(9, 36_500, "repeats are recognized for 8 days, and sends and actions are remembered as long")
_TURNS = _days_between(1, 36_500, "people look up what was done yesterday")
_EVENTS = _days_between(9, 3650, "a rebuild of the state needs the outcomes of the last 8 days")


class RetentionSettings(Settings):
    """How many days records and state are kept. Tenants share the topics, so there the longest time of all tenants
    applies. Nothing that somebody waits for is removed, no matter how old it is."""

    inbound_days: Annotated[int, _INBOUND] = 30
    """Days for contacts' messages, from 8 to 60."""
    outbound_days: Annotated[int, _OUTBOUND] = 7
    """Days for messages to contacts, from 1 to 7."""
    events_days: Annotated[int, _EVENTS] = 90
    """Days for events about turns, deliveries, actions, handoffs and ratings, from 9 to 3650."""
    audit_days: Annotated[int, _AUDIT] = 400
    """Days for the audit trail, from 30 to 3650."""
    transcripts_days: Annotated[int, _STATE] = 365
    """Days for conversations, the lines of their transcripts, and the files in them, from 9 to 36500."""
    turns_days: Annotated[int, _TURNS] = 30
    """Days for the records of turns that the console and the admin API show, from 1 to 36500. The topic of the events
    keeps its own for ``events_days``."""
    contacts_days: Annotated[int, _STATE] = 365
    """Days for contacts without a conversation, since they were last heard of, from 9 to 36500. Those who opted out
    stay."""

    @property
    def periods(self) -> RetentionPeriods:
        """The times for which the state store keeps this tenant's data."""
        return RetentionPeriods(
            transcripts=timedelta(days=self.transcripts_days),
            turns=timedelta(days=self.turns_days),
            contacts=timedelta(days=self.contacts_days),
        )
