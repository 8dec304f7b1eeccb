"""Rules of retention that every state store shares. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from infra.state import journal_rules, rules
from schemas.conversation import Contact, Conversation
from schemas.handoff.rules import PEOPLE
from schemas.messages import TranscriptMessage
from schemas.ports import RetentionPeriods

NUMBERS_KEPT = timedelta(days=400)
"""Time for which the last transcript number of an expired web conversation is kept. A client that comes back later has
no valid token, so it begins at the beginning."""
NUMBERED = "web"
"""The channel whose clients know transcript numbers."""


def is_awaited(conversation: Conversation, now: datetime) -> bool:
    """Return whether somebody waits for something in this conversation, so that nothing of it may be removed.

    A closed conversation is settled: people may close it without an answer to the last message. A confirmation ends by
    itself, an approval by an event that tells the contact."""
    if conversation.owner in PEOPLE:
        return True
    facts = conversation.facts
    if conversation.owner == "agent":
        is_answered = facts.heard_at is None or (facts.answered_at is not None and facts.heard_at <= facts.answered_at)
        if facts.unanswered or not is_answered:
            return True
    if facts.actions is None:
        return False
    confirmation = facts.actions.confirmation
    return bool(facts.actions.approvals) or (confirmation is not None and confirmation.expires_at > now)


def is_inactive(conversation: Conversation, periods: RetentionPeriods, now: datetime) -> bool:
    """Return whether nothing has happened in the conversation for longer than its tenant keeps transcripts."""
    return conversation.updated_at < now - max(periods.transcripts, *floors())


def floors() -> tuple[timedelta, timedelta, timedelta]:
    """Times for which handled ids, deliveries and actions are kept, whatever the retention."""
    return rules.HANDLED_HORIZON, rules.DELIVERY_HORIZON, journal_rules.HORIZON


def expired_lines(
    lines: Iterable[TranscriptMessage], periods: RetentionPeriods, now: datetime
) -> list[TranscriptMessage]:
    """The first ones of ``lines`` (in ascending order) that are older than the retention. A reply that is still to be
    sent ends them."""
    before = now - periods.transcripts
    expired = []
    for line in lines:
        if line.created_at >= before or line.state == "pending":
            break
        expired.append(line)
    return expired


def is_contact_expired(contact: Contact, periods: RetentionPeriods, now: datetime) -> bool:
    """Return whether a contact without conversations may be removed. One who opted out must not be written to if they
    come back. An address that was somebody else's before must not lead to that contact's conversation again."""
    if contact.opted_out or contact.marketing_opted_out or contact.before:
        return False
    known = (contact.created_at, contact.named_at, contact.opted_at, contact.marketing_opted_at, contact.moved_at)
    return max(filter(None, known)) < now - periods.contacts
