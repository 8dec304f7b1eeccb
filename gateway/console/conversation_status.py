"""The status of a conversation in words: its owner, and how long the contact has waited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.config.settings import Tenant
from gateway.console.sessions import Operator
from schemas.conversation import Conversation, Owner
from schemas.handoff.rules import PEOPLE, is_held_by

OWNER_LABELS = {"agent": "Agent", "queue": "Waiting for a person", "person": "Person", "closed": "Closed"}


@dataclass(frozen=True, slots=True)
class Wait:
    """The start of a contact's wait. ``due`` is the time by which the desk's settings ask for a reply, if they do."""

    since: datetime
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class OwnerStatus:
    """The owner of a conversation, as an operator sees it. ``since``: None if nobody has taken or queued it yet.
    ``reason``: why people have it; ``in_danger``: a life may be in danger."""

    kind: Owner
    label: str
    is_mine: bool
    holder: str
    reason: str = ""
    since: datetime | None = None
    in_danger: bool = False


def find_wait(conversation: Conversation, section: Tenant) -> Wait | None:
    """Return the contact's wait; None while nothing is unanswered."""
    facts, times = conversation.facts, section.desk.times if section.desk is not None else None
    if conversation.owner == "closed":
        return None
    is_behind = facts.answered_at is None or (facts.heard_at is not None and facts.answered_at < facts.heard_at)
    is_waiting = is_behind or bool(facts.unanswered)
    if conversation.owner == "queue":
        since = facts.handoff.opened_at if facts.handoff is not None else _get_owned_since(conversation)
        return Wait(since, _compute_deadline(since, times.first_reply if times is not None else 0))
    if not is_waiting or facts.heard_at is None:
        return None
    minutes = times.next_reply if times is not None and conversation.owner == "person" else 0
    return Wait(facts.heard_at, _compute_deadline(facts.heard_at, minutes))


def get_urgency(conversation: Conversation, section: Tenant) -> tuple[bool, datetime]:
    """Return the key by which waiting conversations are sorted: danger to a life first, then the longest wait."""
    wait, handoff = find_wait(conversation, section), conversation.facts.handoff
    in_danger = handoff is not None and handoff.in_danger
    return not in_danger, wait.since if wait is not None else conversation.updated_at


def _get_owned_since(conversation: Conversation) -> datetime:
    return conversation.holder.since if conversation.holder is not None else conversation.updated_at


def _compute_deadline(since: datetime, minutes: float) -> datetime | None:
    return since + timedelta(minutes=minutes) if minutes else None


def describe_owner(conversation: Conversation, operator: Operator) -> OwnerStatus:
    kind, mine, holder = conversation.owner, is_mine(conversation, operator), describe_holder(conversation)
    label = OWNER_LABELS[kind] if kind != "person" else "You" if mine else holder
    handoff = conversation.facts.handoff if kind in PEOPLE else None
    reason, in_danger = ("", False) if handoff is None else (handoff.reason, handoff.in_danger)
    if conversation.holder is None:
        return OwnerStatus(kind, label, mine, holder, reason, None, in_danger)
    if kind == "queue":
        reason = reason or conversation.holder.reason
    return OwnerStatus(kind, label, mine, holder, reason, conversation.holder.since, in_danger)


def is_mine(conversation: Conversation, operator: Operator) -> bool:
    return is_held_by(conversation, operator.actor.by)


def describe_holder(conversation: Conversation) -> str:
    if conversation.holder is None:
        return "A person"
    return name_person(conversation.holder.by, conversation.holder.name)


def name_person(by: str, name: str) -> str:
    return name or {"console:admin": "The admin token", "admin": "The admin API"}.get(by, by)
