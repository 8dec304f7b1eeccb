"""The ownership service: the only code that appends owner requests and calls ``Conversations.own``.

Every change takes three steps: the request goes on the log, where it is durable and a rebuild decides it again; one
compare-and-set, which raises the epoch, decides it; the caller learns whether it won or lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import structlog
from pydantic import BaseModel

from schemas import ids, topics
from schemas.actions import ApprovalDecided
from schemas.conversation import Conversation, Owner, OwnerRequested
from schemas.desk import HandoffResolved
from schemas.errors import NotFound, Unavailable
from schemas.handoff.events import conversation_event
from schemas.handoff.rules import (
    PEOPLE,
    Actor,
    ApprovalObjection,
    Objection,
    OwnershipCommand,
    is_satisfied,
    objection_to,
    objection_to_decision,
    pending_approvals,
)
from schemas.ports import Bus, Clock, Conversations, OwnershipResult
from schemas.privacy.cards import mask_cards
from schemas.runtime.crash_points import reach

log = structlog.get_logger("parley.ownership")
ATTEMPTS = 5
"""Compare-and-sets of one command that named no epoch, while others change the owner in between."""
OwnershipOutcome = Literal["changed", "unchanged", "lost", "gone"] | Objection
"""``unchanged``: what was asked for is so already. ``lost``: somebody else changed the owner first; where the command
named no epoch, at each attempt. ``gone``: there is no such conversation."""
ApprovalOutcome = Literal["decided", "not_pending", "expired"] | ApprovalObjection


@dataclass(frozen=True, slots=True)
class OwnershipDecision:
    """The answer to a command. ``conversation`` is as it was when the command was decided; ``owner`` and ``epoch`` are
    what holds now."""

    outcome: OwnershipOutcome
    conversation: Conversation
    owner: Owner
    epoch: int

    @property
    def won(self) -> bool:
        return self.outcome in ("changed", "unchanged")


@dataclass(frozen=True, slots=True)
class HandoffResolution:
    """The result of a conversation that people had. ``ask``: ask the contact how it went."""

    outcome: str = ""
    tags: list[str] = field(default_factory=list)
    note: str = ""
    ask: bool = True


async def decide_request(conversations: Conversations, conversation: str, request: OwnerRequested) -> OwnershipResult:
    """Decide a request that is durable already: read from the log, or committed with a turn. Raises NotFound."""
    owned = await conversations.own(
        conversation,
        request.to,
        expected_epoch=request.expected_epoch,
        request_id=request.id,
        by=request.by,
        name=request.name,
        reason=request.reason,
        now=request.at,
    )
    log.info(
        "owner_requested",
        conversation_id=conversation,
        to=request.to,
        won=owned.won,
        owner=owned.owner,
        epoch=owned.epoch,
    )
    return owned


class OwnershipService:
    """Carries out what people do with conversations. ``state_lost``: True while the state store is being rebuilt."""

    def __init__(
        self, *, bus: Bus, conversations: Conversations, clock: Clock, state_lost: Callable[[], bool] = lambda: False
    ) -> None:
        self._bus = bus
        self._conversations = conversations
        self._clock = clock
        self._state_lost = state_lost

    async def perform(
        self, conversation: Conversation, command: OwnershipCommand, resolution: HandoffResolution | None = None
    ) -> OwnershipDecision:
        """Change the owner as the rules allow. Performing the same command again changes nothing.

        With a ``resolution``, what came of the conversation is appended once it is closed, if people had it. Raises
        Unavailable, BusUnavailable, StateUnavailable, StateLost.
        """
        self._check_state()
        decision = await self._decide(conversation, command)
        if resolution is not None and _is_closed_by(command, decision):
            await self._append_resolution(conversation, command, resolution)
        return decision

    async def decide_approval(
        self,
        conversation: Conversation,
        approval_id: str,
        decision: Literal["approve", "deny"],
        actor: Actor,
        *,
        id: str,
        reason: str = "",
    ) -> ApprovalOutcome:
        """Append a colleague's yes or no to an action that waits for it. The conversation's facts say what waits; the
        worker takes the first decision, or counts the people who approve. Raises Unavailable, BusUnavailable."""
        approval = next((each for each in pending_approvals(conversation) if each.id == approval_id), None)
        if approval is None:
            return "not_pending"
        now = self._clock()
        if approval.expires_at <= now:
            return "expired"
        if (objection := objection_to_decision(approval, decision, actor)) is not None:
            return objection
        self._check_state()
        by = mask_cards(actor.name or actor.by)
        word = ApprovalDecided(
            approval_id=approval.id,
            decision=decision,
            by=by,
            person=actor.person,
            surface=actor.by.partition(":")[0],
            reason=mask_cards(reason),
            at=now,
        )
        event = conversation_event(
            conversation, topics.APPROVAL_DECIDED, word, id=id, time=now, source=actor.source, cause=approval.id
        )
        await self._bus.append([event])
        return "decided"

    def _check_state(self) -> None:
        if self._state_lost():
            raise Unavailable("state is being rebuilt", retry_after_ms=2000)

    async def _decide(self, conversation: Conversation, command: OwnershipCommand) -> OwnershipDecision:
        if command.seen_epoch is not None:
            return await self._attempt(conversation, command)
        decision = _answer("lost", conversation)
        for _ in range(ATTEMPTS):
            now = await self._conversations.get(conversation.id)
            if now is None:
                return _answer("gone", conversation)
            decision = await self._attempt(now, command)
            if decision.outcome != "lost":
                break
        return decision

    async def _attempt(self, conversation: Conversation, command: OwnershipCommand) -> OwnershipDecision:
        if command.seen_epoch is None and is_satisfied(command, conversation):
            return _answer("unchanged", conversation)
        if (objection := objection_to(command, conversation)) is not None:
            return _answer(objection, conversation)
        epoch = conversation.epoch if command.seen_epoch is None else command.seen_epoch
        request = OwnerRequested(
            id=command.id,
            to=command.to,
            expected_epoch=epoch,
            by=command.holder.by,
            name=command.holder.name,
            reason=command.reason,
            at=command.at,
        )
        await self._append_request(conversation, command, request)
        try:
            owned = await decide_request(self._conversations, conversation.id, request)
        except NotFound:
            return _answer("gone", conversation)
        return OwnershipDecision("changed" if owned.won else "lost", conversation, owned.owner, owned.epoch)

    async def _append_request(
        self, conversation: Conversation, command: OwnershipCommand, request: OwnerRequested
    ) -> None:
        # A command without an epoch may be tried several times. Each attempt is an event of its own, while the store
        # knows one request, which cannot win twice.
        tried_once = command.seen_epoch is not None
        event_id = command.id if tried_once else ids.derived_id(command.id, "own", request.expected_epoch)
        reach("edge.before_append")
        await self._append(conversation, command, topics.OWNER_REQUESTED, request, event_id)
        reach("edge.after_append")

    async def _append_resolution(
        self, conversation: Conversation, command: OwnershipCommand, resolution: HandoffResolution
    ) -> None:
        resolved = HandoffResolved(
            id=ids.derived_id(command.id, "resolved"),
            by=command.actor.by,
            name=command.actor.name,
            outcome=resolution.outcome,
            tags=resolution.tags,
            note=resolution.note,
            ask=resolution.ask,
            at=command.at,
        )
        await self._append(conversation, command, topics.HANDOFF_RESOLVED, resolved, resolved.id)

    async def _append(
        self, conversation: Conversation, command: OwnershipCommand, kind: str, payload: BaseModel, event_id: str
    ) -> None:
        event = conversation_event(
            conversation,
            kind,
            payload,
            id=event_id,
            time=self._clock(),
            source=command.actor.source,
            cause=command.cause,
            correlation=command.id,
        )
        await self._bus.append([event])


def _answer(outcome: OwnershipOutcome, conversation: Conversation) -> OwnershipDecision:
    return OwnershipDecision(outcome, conversation, conversation.owner, conversation.epoch)


def _is_closed_by(command: OwnershipCommand, decision: OwnershipDecision) -> bool:
    """Tell whether people had the conversation until this command closed it, now or before a crash."""
    had_people = decision.conversation.owner in PEOPLE
    return command.kind == "resolve" and (
        decision.outcome == "unchanged" or (decision.outcome == "changed" and had_people)
    )
