"""Rules of ownership: who may change the owner of a conversation, and when. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.access import Role, includes_role
from schemas.actions import ActionMemory, PendingApproval
from schemas.conversation import Conversation, Holder, Owner, OwnerRequested
from schemas.ports import OwnershipResult

CommandKind = Literal["claim", "release", "return", "resolve", "transfer"]
"""``release``: back to the queue. ``return``: back to the agent. ``transfer``: to a colleague, or to others' queue."""
Objection = Literal["held", "outdated", "not_with_people"]
ApprovalObjection = Literal["role_too_low", "same_person"]
"""``role_too_low``: the actor's role may not decide it. ``same_person``: another person has to approve it, too."""

PEOPLE: frozenset[Owner] = frozenset({"queue", "person"})
"""Owners under which the conversation is in the hands of people, or waits for them."""
OWNER_AFTER: dict[CommandKind, Owner] = {
    "claim": "person",
    "release": "queue",
    "return": "agent",
    "resolve": "closed",
    "transfer": "queue",
}
COMMAND_TOWARDS: dict[Owner, CommandKind] = {
    "person": "claim",
    "queue": "release",
    "agent": "return",
    "closed": "resolve",
}
SHARED_PERSON = "shared"
"""The ``person_id`` of all who use tokens: nobody knows who they are, so they count as one person."""
_HOLDER_ONLY: frozenset[CommandKind] = frozenset({"claim", "return", "resolve"})
"""Commands that only the holder may give while a person has the conversation. Anybody may release or transfer it: its
holder may be away."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, or a program that speaks for people.

    ``by`` is their permanent id, ``surface:person`` (``slack:U0123``, ``console:anna``) or the surface alone
    (``admin``); ``name`` is what contacts read; ``source`` is the CloudEvents source of what they cause. ``is_shared``:
    several people act under this id, so the rules about holders cannot apply to it. ``role``: what they may do;
    ``person_id``: who they are on all surfaces, by default ``by``.
    """

    by: str
    source: str
    name: str = ""
    is_shared: bool = False
    role: Role = "agent"
    person_id: str = ""

    @property
    def person(self) -> str:
        """The id by which two people are told apart."""
        return self.person_id or self.by


def name_operator(key: str) -> str:
    """The ``person_id`` of an operator, by their key in the configuration."""
    return f"operator:{key}"


@dataclass(frozen=True, slots=True)
class OwnershipCommand:
    """A person's attempt to change the owner. Performing the same ``id`` again changes nothing.

    ``seen_epoch``: the epoch that the actor saw and relies on; None where the surface does not know it. ``assignee``:
    the colleague that a transfer goes to. ``at``: when it was done, by the clock of its surface. ``cause``: the id of
    the event that it came as.
    """

    id: str
    kind: CommandKind
    actor: Actor
    reason: str
    at: datetime
    seen_epoch: int | None = None
    assignee: Actor | None = None
    cause: str = ""

    @property
    def to(self) -> Owner:
        return "person" if self.assignee is not None else OWNER_AFTER[self.kind]

    @property
    def holder(self) -> Actor:
        """The actor in whose name the owner changes."""
        return self.assignee or self.actor


@dataclass(frozen=True, slots=True)
class OwnerState:
    """The owner of a conversation at one epoch. ``holder``: who made it so."""

    owner: Owner
    epoch: int
    holder: Holder | None = None

    @classmethod
    def of(cls, conversation: Conversation) -> OwnerState:
        return cls(conversation.owner, conversation.epoch, conversation.holder)

    def apply(self, request: OwnerRequested, owned: OwnershipResult) -> OwnerState:
        """Return the state that a decided request left."""
        holder = Holder(by=request.by, since=request.at) if owned.won else self.holder
        return OwnerState(owned.owner, owned.epoch, holder)


def objection_to(command: OwnershipCommand, conversation: Conversation) -> Objection | None:
    """Return why the conversation, as it is, does not allow the command; None when it does.

    The epoch protects a command that names one: the compare-and-set refuses it once anything has changed. Without an
    epoch, a command other than a claim counts only while people have the conversation, and only if it was given after
    they got it.
    """
    if command.seen_epoch is not None:
        if command.seen_epoch != conversation.epoch:
            return None
    elif command.kind != "claim":
        if _is_outdated(command, conversation):
            return "outdated"
        if conversation.owner not in PEOPLE or (command.kind == "release" and conversation.owner == "queue"):
            return "not_with_people"
    return "held" if is_held_from(command.actor, command.kind, conversation) else None


def is_held_from(actor: Actor, kind: CommandKind, conversation: Conversation) -> bool:
    """Tell whether somebody else has the conversation, and only they may do this with it."""
    return kind in _HOLDER_ONLY and conversation.owner == "person" and not may_speak(conversation, actor)


def may_speak(conversation: Conversation, actor: Actor) -> bool:
    """Tell whether what this actor writes is for the contact: a person has the conversation, and it is this one."""
    return is_held_by(conversation, actor.by) or (conversation.owner == "person" and actor.is_shared)


def is_held_by(conversation: Conversation, by: str, *, before: datetime | None = None) -> bool:
    """Tell whether this person has the conversation, and got it before that time."""
    holder = conversation.holder
    if conversation.owner != "person" or holder is None or holder.by != by:
        return False
    return before is None or holder.since < before


def holder_name(conversation: Conversation) -> str:
    """Return who has the conversation, for people to read."""
    holder = conversation.holder
    return (holder.name or holder.by) if holder is not None else "somebody"


def is_satisfied(command: OwnershipCommand, conversation: Conversation) -> bool:
    """Tell whether nothing is left to do: who claims has the conversation already, or this very command was
    performed before a crash."""
    if command.kind == "claim" and may_speak(conversation, command.actor):
        return True
    holder = conversation.holder
    made_by = (holder.by, holder.since) if holder is not None else None
    return conversation.owner == command.to and made_by == (command.holder.by, command.at)


def pending_approvals(conversation: Conversation) -> list[PendingApproval]:
    return (conversation.facts.actions or ActionMemory()).approvals


def objection_to_decision(
    approval: PendingApproval, decision: Literal["approve", "deny"], actor: Actor
) -> ApprovalObjection | None:
    """Return why this actor may not decide the approval; None if they may."""
    if not includes_role(actor.role, approval.role):
        return "role_too_low"
    return "same_person" if decision == "approve" and actor.person in approval.approved_by else None


def _is_outdated(command: OwnershipCommand, conversation: Conversation) -> bool:
    """Times of two surfaces come from two clocks and cannot be compared."""
    holder = conversation.holder
    return holder is not None and _surface(holder.by) == _surface(command.actor.by) and command.at < holder.since


def _surface(by: str) -> str:
    return by.partition(":")[0]
