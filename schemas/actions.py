"""Actions: what a conversation remembers about them, and the events about each action that changes something."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field, JsonValue

from schemas.access import Role
from schemas.messages import Address, Choice, WireModel, empty_list

ActionOutcome = Literal["succeeded", "failed", "refused", "unknown"]
"""``failed``: certainly not done. ``refused``: not attempted, or turned down by the system that would have done it.
``unknown``: it is not known whether it was done."""
Arguments = dict[str, JsonValue]


class PendingConfirmation(WireModel):
    """An action waiting for the contact's yes. It is bound to exactly these arguments (``digest`` is their hash), to
    the contact, to the message ``message_id`` that asked, and to the owner epoch. ``choices``: as they were shown;
    ``locale``: the contact's language; ``misunderstood``: number of answers in a row that could not be read."""

    id: str
    action: str
    arguments: Arguments
    digest: str
    contact_id: str
    message_id: str
    turn_id: str
    epoch: int = 0
    choices: list[Choice] = empty_list()
    locale: str = ""
    misunderstood: int = 0
    asked_at: datetime
    expires_at: datetime


class PendingApproval(WireModel):
    """An action waiting for a colleague's yes. ``reason`` says why one is needed; ``title`` is the action's title,
    empty in records of older releases. ``role``: the least role of those who may decide; ``people``: how many different
    people have to say yes; ``approved_by``: those who did, by permanent id, while others are still needed."""

    id: str
    action: str
    title: str = ""
    arguments: Arguments
    digest: str
    contact_id: str
    reason: str
    requested_at: datetime
    expires_at: datetime
    role: Role = "agent"
    people: int = 1
    approved_by: list[str] = empty_list()

    @property
    def display_name(self) -> str:
        """The name that people read."""
        return self.title or self.action


class Proof(WireModel):
    """The contact has proven in this conversation, for example by a one-time code, that the address is theirs."""

    contact_id: str
    address: Address
    until: datetime


class PendingCode(WireModel):
    """A one-time code that was sent, as a salted hash. ``address``: the address that it proves; None when it proves
    nothing, which the contact cannot tell."""

    contact_id: str = ""
    address: Address | None = None
    salt: str
    hash: str
    attempts: int = 0
    expires_at: datetime


class QueuedAction(WireModel):
    """Another action that the contact asked for and that comes later, with the arguments known so far.
    ``alternatives``: values by parameter that the contact will have to choose from."""

    action: str
    given: Arguments = {}
    alternatives: dict[str, list[JsonValue]] = {}


class Filling(WireModel):
    """An action whose parameters are being asked for, one question at a time. ``given``: JSON values by parameter;
    ``asked``: the parameter asked for last, empty when all are known; ``misunderstood``: number of its answers that
    could not be read. ``locale``: the contact's language. ``then``: actions that come afterwards, at most three.
    ``contact_id``: the contact who is asked; in a thread with several people nobody else's message counts as an
    answer. ``alternatives``: values by parameter that the contact had to choose from."""

    action: str
    contact_id: str = ""
    given: Arguments = {}
    alternatives: dict[str, list[JsonValue]] = {}
    asked: str = ""
    misunderstood: int = 0
    locale: str = ""
    then: list[QueuedAction] = Field(default_factory=list, max_length=3, json_schema_extra={"default": []})
    at: datetime


class EntityMentions(WireModel):
    """Values of one parameter that a contact has named, such as order numbers, the newest first."""

    parameter: str
    contact_id: str
    values: list[JsonValue]
    at: datetime


class PreviewDigest(WireModel):
    """A description that the contact has read, as a hash."""

    digest: str
    at: datetime


class ActionMemory(WireModel):
    """The state of a conversation's actions between turns. ``settled``: the confirmation that was used or declined
    last; ``last_preview``: what the contact read last."""

    confirmation: PendingConfirmation | None = None
    settled: str = ""
    approvals: list[PendingApproval] = empty_list()
    proofs: list[Proof] = empty_list()
    code: PendingCode | None = None
    filling: Filling | None = None
    mentions: list[EntityMentions] = empty_list()
    last_preview: PreviewDigest | None = None


class ActionIntended(WireModel):
    """``parley.action.intended.v1``: the worker is about to do the action, and gives up at ``deadline``; nobody looks
    up its outcome before ``due``. ``contact_id``: whose limits it counts against; ``authority``: the confirmation,
    approval or event that allows it."""

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
        """The UTC date by which limits are counted."""
        return self.at.astimezone(UTC).date().isoformat()


class ActionSettled(WireModel):
    """``parley.action.settled.v1``: the outcome of an intent. ``result`` is the action's answer; ``resolved``: it was
    found out later by a look-up."""

    key: str
    action: str
    outcome: ActionOutcome
    result: Arguments = {}
    reason: str = ""
    resolved: bool = False
    at: datetime


class ActionResolved(WireModel):
    """``parley.action.resolved.v1``: an action in doubt has an outcome, or was given up on (``unknown``). The contact
    is reported in the order of the conversation."""

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
    """``parley.approval.decided.v1``: a colleague's decision on an approval. The first one counts; where several people
    have to approve, each person's first yes, or anybody's no. ``by`` is a name to read, ``person`` the permanent id of
    the person on all surfaces, empty in records of older releases; ``surface``: where they decided (``console``,
    ``slack``, ``admin``), empty in those, too."""

    approval_id: str
    decision: Literal["approve", "deny"]
    by: str
    person: str = ""
    surface: str = ""
    reason: str = ""
    at: datetime


class ApprovalExpired(WireModel):
    """``parley.approval.expired.v1``: nobody decided until ``at``, and the contact is informed."""

    approval_id: str
    at: datetime


class JournalEntry(WireModel):
    """An action that was begun. ``settled`` is None while its outcome is unknown."""

    intended: ActionIntended
    settled: ActionSettled | None = None

    @property
    def in_doubt(self) -> bool:
        return self.settled is None or self.settled.outcome == "unknown"
