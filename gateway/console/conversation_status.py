"""How a conversation stands, in words: who may speak, and who waits since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.config.settings import Tenant
from gateway.console.html import Html, joined, moment, tag
from gateway.console.sessions import Operator
from schemas.conversation import Conversation
from schemas.handoff.rules import is_held_by

LABELS = {"agent": "Agent", "queue": "Waits for a person", "person": "Person", "closed": "Closed"}


@dataclass(frozen=True, slots=True)
class Wait:
    """Since when the contact waits, and by when somebody should have answered; None where nobody said."""

    since: datetime
    due: datetime | None = None


def wait_of(item: Conversation, section: Tenant) -> Wait | None:
    """None while nothing of the contact's is unanswered."""
    facts, times = item.facts, section.desk.times if section.desk is not None else None
    if item.owner == "closed":
        return None
    behind = facts.answered_at is None or (facts.heard_at is not None and facts.answered_at < facts.heard_at)
    waits = behind or bool(facts.unanswered)
    if item.owner == "queue":
        since = facts.handoff.opened_at if facts.handoff is not None else _since(item)
        return Wait(since, _due(since, times.first_reply if times is not None else 0))
    if not waits or facts.heard_at is None:
        return None
    minutes = times.next_reply if times is not None and item.owner == "person" else 0
    return Wait(facts.heard_at, _due(facts.heard_at, minutes))


def waits_since(item: Conversation, section: Tenant) -> datetime:
    """The time by which conversations that wait are put in order."""
    wait = wait_of(item, section)
    return wait.since if wait is not None else item.updated_at


def _since(item: Conversation) -> datetime:
    return item.holder.since if item.holder is not None else item.updated_at


def _due(since: datetime, minutes: float) -> datetime | None:
    return since + timedelta(minutes=minutes) if minutes else None


def clock(wait: Wait | None) -> Html | None:
    if wait is None:
        return None
    due = wait.due.isoformat() if wait.due is not None else None
    return tag("span", "waits since ", moment(wait.since, data_wait=True, data_due=due), class_="wait")


def state_of(item: Conversation, operator: Operator) -> Html:
    label = LABELS[item.owner]
    if item.owner == "person":
        label = "You" if is_mine(item, operator) else holder_name(item)
    return tag("span", label, class_=f"state {item.owner}")


def is_mine(item: Conversation, operator: Operator) -> bool:
    return is_held_by(item, operator.actor.by)


def holder_name(item: Conversation) -> str:
    if item.holder is None:
        return "A person"
    return item.holder.name or {"console:admin": "The admin token", "admin": "The admin API"}.get(
        item.holder.by, item.holder.by
    )


def standing(item: Conversation, operator: Operator) -> Html:
    """A sentence about who may speak."""
    holder = item.holder
    since = joined(" since ", moment(holder.since, data_at=True)) if holder is not None else None
    why = f": {holder.reason}" if holder is not None and holder.reason else None
    if item.owner == "agent":
        return joined("The agent answers", since, ".")
    if item.owner == "queue":
        return joined("It waits for a person", since, why, ".")
    if item.owner == "closed":
        return joined("Closed", f" by {holder_name(item)}" if holder is not None else None, since, ".")
    return joined("You have it" if is_mine(item, operator) else f"{holder_name(item)} has it", since, ".")
