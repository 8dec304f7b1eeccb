"""Settings of how personal data is protected, how long it is kept, and how contacts have it deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator

from connectors.settings import Settings
from schemas.ports import RetentionPeriods
from schemas.privacy.cards import OwnNumbers
from schemas.privacy.harmless_numbers import compile_own_numbers


def _check_own_numbers(patterns: list[str]) -> list[str]:
    compile_own_numbers(patterns)
    return patterns


class ProtectionSettings(Settings):
    """How personal data and the numbers of payment cards are protected."""

    own_numbers: Annotated[list[str], AfterValidator(_check_own_numbers)] = []
    """Patterns of numbers that the tenant itself gives out (orders, parcels), such as ``PS-#####``: ``#`` stands for a
    digit, ``@`` for a letter. They are never mistaken for card numbers, and are masked in exports."""
    mask_for_models: bool = True
    """Send placeholders to models instead of the names, addresses and numbers in contacts' messages and in the results
    of actions. The reply gets the values back. Set it to ``false`` only for models that may see them."""

    @property
    def own_number_finder(self) -> OwnNumbers | None:
        """Finds the tenant's own numbers in a text."""
        return compile_own_numbers(self.own_numbers)


class PrivacySettings(Settings):
    """How contacts have their own data deleted."""

    erasure_requests: bool = True
    """The agent deletes a contact's data when the contact asks for it and confirms it. If false, or without
    ``encrypt_log``, such a message is answered like any other: from the documents, or by a person."""
    erasure_approval: bool = False
    """Whether a colleague must approve such a deletion after the contact has confirmed it."""


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
