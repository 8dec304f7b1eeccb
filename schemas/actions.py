"""Actions: what a conversation remembers of them, and the facts about each one that changes something (design §8)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field, JsonValue

from schemas.messages import Address, Choice, WireModel, empty

ActionOutcome = Literal["succeeded", "failed", "refused", "unknown"]
"""``failed``: certainly not done. ``refused``: not even tried, or turned down by whoever would have done it.
``unknown``: nobody can tell yet."""
Arguments = dict[str, JsonValue]


class PendingConfirmation(WireModel):
    """An action waiting for the contact's yes; bound to exactly these arguments (``digest`` is their hash), to the
    contact, to the message ``message_id`` that asked, and to the owner epoch. ``choices``: as they were shown;
    ``locale``: what the contact wrote in; ``misunderstood``: how many answers in a row could not be read."""

    id: str
    action: str
    arguments: Arguments
    digest: str
    contact_id: str
    message_id: str
    turn_id: str
    epoch: int = 0
    choices: list[Choice] = empty()
    locale: str = ""
    misunderstood: int = 0
    asked_at: datetime
    expires_at: datetime


class PendingApproval(WireModel):
    """An action waiting for a colleague's yes. ``reason`` says why one is needed; ``title`` is the action's, empty in
    records of older releases."""

    id: str
    action: str
    title: str = ""
    arguments: Arguments
    digest: str
    contact_id: str
    reason: str
    requested_at: datetime
    expires_at: datetime

    @property
    def called(self) -> str:
        """What people read."""
        return self.title or self.action


class Proof(WireModel):
    """In this conversation the contact has proven, by a one-time code or the like, that the address is theirs."""

    contact_id: str
    address: Address
    until: datetime


class PendingCode(WireModel):
    """A one-time code that was sent, as a salted hash. ``address``: what it proves; None when it proves nothing, which
    the contact cannot tell."""

    contact_id: str = ""
    address: Address | None = None
    salt: str
    hash: str
    attempts: int = 0
    expires_at: datetime


class Waiting(WireModel):
    """An action that the contact asked for, too, and that has its turn later; with what is known for it."""

    action: str
    given: Arguments = {}


class Filling(WireModel):
    """An action whose parameters are being asked for, one question at a time. ``given``: as JSON values by parameter;
    ``asked``: the parameter asked for last, empty when all are told; ``misunderstood``: how often its answer could not
    be read. ``locale``: what the contact writes in. ``then``: what comes afterwards, at most three. ``contact_id``: who
    is asked; in a thread with several people nobody else's words are an answer."""

    action: str
    contact_id: str = ""
    given: Arguments = {}
    asked: str = ""
    misunderstood: int = 0
    locale: str = ""
    then: list[Waiting] = Field(default_factory=list, max_length=3, json_schema_extra={"default": []})
    at: datetime


class ActionMemory(WireModel):
    """What a conversation remembers between turns. ``settled``: the confirmation that was used or declined last."""

    confirmation: PendingConfirmation | None = None
    settled: str = ""
    approvals: list[PendingApproval] = empty()
    proofs: list[Proof] = empty()
    code: PendingCode | None = None
    filling: Filling | None = None


class ActionIntended(WireModel):
    """``parley.action.intended.v1``: the worker is about to do it, and gives up at ``deadline``; before ``due`` nobody
    looks whether it was done. ``contact_id``: whose limits it counts against; ``authority``: the confirmation, approval
    or event that allows it."""

    key: str
    action: str
    arguments: Arguments
    authority: str
    contact_id: str
    turn_id: str
    deadline: datetime
    due: datetime
    at: datetime

    @property
    def day(self) -> str:
        """Of the calendar by which limits are counted (UTC)."""
        return self.at.astimezone(UTC).date().isoformat()


class ActionSettled(WireModel):
    """``parley.action.settled.v1``: what came of an intent. ``result`` is what the action answered; ``resolved``:
    found out later, by looking."""

    key: str
    action: str
    outcome: ActionOutcome
    result: Arguments = {}
    reason: str = ""
    resolved: bool = False
    at: datetime


class ActionResolved(WireModel):
    """``parley.action.resolved.v1``: what was in doubt is known now, or given up on (``unknown``), and the contact is
    to be told in the order of the conversation."""

    key: str
    action: str
    outcome: ActionOutcome
    result: Arguments = {}
    reason: str = ""
    at: datetime


class ApprovalRequested(WireModel):
    """``parley.approval.requested.v1``: people are asked to allow exactly this. ``summary`` is for them to read."""

    approval: PendingApproval
    summary: str
    contact_name: str = ""
    at: datetime


class ApprovalDecided(WireModel):
    """``parley.approval.decided.v1``: a colleague's word on one approval. Only the first one counts."""

    approval_id: str
    decision: Literal["approve", "deny"]
    by: str
    reason: str = ""
    at: datetime


class ApprovalExpired(WireModel):
    """``parley.approval.expired.v1``: nobody has said a word on it until ``at``, and the contact is to be told so."""

    approval_id: str
    at: datetime


class JournalEntry(WireModel):
    """One action that was begun. ``settled`` is None while nobody knows what came of it."""

    intended: ActionIntended
    settled: ActionSettled | None = None

    @property
    def in_doubt(self) -> bool:
        return self.settled is None or self.settled.outcome == "unknown"
