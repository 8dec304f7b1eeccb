"""Resolution of actions with an unknown outcome, by lookup and never by repetition, and expiry of
approvals. Both reach the conversation as events."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from agent_worker.actions import arguments as args
from agent_worker.actions.context import resolve_identity
from agent_worker.actions.execution.call import extract_facts
from agent_worker.actions.execution.executor import Executor
from agent_worker.actions.spec import Action
from agent_worker.settings import WorkerSettings
from agent_worker.turn.envelopes import TurnEnvelopes
from schemas import ids, topics
from schemas.actions import ActionMemory, ActionOutcome, ActionResolved, ApprovalExpired, Arguments, JournalEntry
from schemas.conversation import Conversation
from schemas.errors import ParleyError
from schemas.ports import Bus, Clock, State


class ApprovalExpiry:
    """Sends an event to each conversation whose approval has expired. Two processes at once do no harm: the event's id
    is derived from the approval."""

    def __init__(self, bus: Bus, state: State) -> None:
        self._bus = bus
        self._state = state

    async def run_once(self, now: datetime) -> int:
        """Returns the number of conversations notified."""
        due = await self._state.conversations.list_expiring(before=now, limit=BATCH_SIZE)
        return sum(await asyncio.gather(*(self._one(conversation, now) for conversation in due)))

    async def _one(self, conversation: str, now: datetime) -> bool:
        try:
            stored = await self._state.conversations.get(conversation)
            published = stored is not None and await self._publish(stored, now)
            await self._state.conversations.postpone(conversation, now + RESEND_AFTER)
        except ParleyError as error:
            log.warning("expiry_not_announced", conversation_id=conversation, code=error.code)
            return False
        return published

    async def _publish(self, conversation: Conversation, now: datetime) -> bool:
        memory = conversation.facts.actions
        expired = [each for each in memory.approvals if each.expires_at <= now] if memory is not None else []
        events = [
            TurnEnvelopes(conversation, approval.id, approval.id).wrap(
                topics.APPROVAL_EXPIRED,
                ApprovalExpired(approval_id=approval.id, at=now),
                id=ids.derived_id(approval.id, "expired"),
                now=now,
            )
            for approval in expired
        ]
        if events:
            await self._bus.append(events)
            log.info("approvals_expired", conversation_id=conversation.id, approvals=len(events))
        return bool(events)


log = structlog.get_logger("parley.actions")
LEASE, TTL = "actions", 6.0
BATCH_SIZE = 50
RESEND_AFTER = timedelta(seconds=60)
"""An outcome that has not been handled is sent again after this long. Its event has the same id."""
GIVE_UP_AFTER = timedelta(minutes=10)
"""Time after the due time at which a person has to find out the outcome."""
MIN_WAIT_S, MAX_WAIT_S = 5.0, 60.0


class Resolver:
    """``run_once`` is called every few seconds. A lease lets one of several processes do the work."""

    def __init__(self, *, bus: Bus, state: State, executor: Executor, settings: WorkerSettings, clock: Clock) -> None:
        self._bus = bus
        self._state = state
        self._executor = executor
        self._settings = settings
        self._clock = clock
        self._expiry = ApprovalExpiry(bus, state)
        self._holder = uuid4().hex

    async def run_once(self) -> int:
        """Returns the number of outcomes and expiries that were published."""
        if not any(rules.actions.actions for rules in self._settings.tenants.values()):
            return 0
        now = self._clock()
        if await self._state.leases.acquire(LEASE, self._holder, ttl=TTL, now=now) is None:
            return 0
        due = await self._state.journal.unresolved(before=now, limit=BATCH_SIZE)
        published = await asyncio.gather(*(self._one(conversation, key) for conversation, key in due))
        return sum(published) + await self._expiry.run_once(now)

    async def _one(self, conversation: str, key: str) -> bool:
        try:
            entry = await self._state.journal.entry(conversation, key)
            stored = await self._state.conversations.get(conversation)
            if entry is None or stored is None:
                return False
            event = await self._resolve(stored, entry)
            until = self._clock() + (_next_wait(entry, self._clock()) if event is None else RESEND_AFTER)
            if event is not None:
                await self._publish(stored, event)
            await self._state.journal.postpone(conversation, key, until)
        except ParleyError as error:
            log.warning("action_not_resolved", conversation_id=conversation, key=key, code=error.code)
            return False
        return event is not None

    async def _resolve(self, conversation: Conversation, entry: JournalEntry) -> ActionResolved | None:
        """The event with the outcome; None when the lookup is not possible now."""
        if entry.settled is not None and not entry.in_doubt:
            return self._build_event(entry, entry.settled.outcome, entry.settled.result, entry.settled.reason)
        action = self._settings.of(conversation.origin.tenant).actions.actions.get(entry.intended.action)
        if action is None or action.look_up is None:
            return self._build_event(entry, "unknown", {}, "it cannot be looked up")
        try:
            return await self._look_up(conversation, entry, action)
        except Exception as error:
            log.warning("look_up_failed", action=action.name, key=entry.intended.key, error=type(error).__name__)
            if self._clock() - entry.intended.due < GIVE_UP_AFTER:
                return None
            return self._build_event(entry, "unknown", {}, "the provider could not be asked")

    async def _look_up(self, conversation: Conversation, entry: JournalEntry, action: Action) -> ActionResolved:
        intended, look_up = entry.intended, action.look_up
        assert look_up is not None  # noqa: S101  # asked before
        arguments = args.parse_arguments(action, intended.arguments)
        contact = await self._state.contacts.get(conversation.origin.tenant, intended.contact_id)
        proofs = (conversation.facts.actions or ActionMemory()).proofs
        identity = resolve_identity(contact, intended.contact_id, conversation.origin, proofs, self._clock())
        rules = self._settings.of(conversation.origin.tenant)
        context = self._executor.context(conversation, rules.actions, action, identity, intended.key)
        async with asyncio.timeout(action.timeout):
            result = await look_up(context, arguments)
        if result is not None:
            return self._build_event(entry, "succeeded", extract_facts(result, rules.actions.own)[0], "looked up")
        if action.absent == "not_done":
            return self._build_event(entry, "failed", {}, "looked up: it was not done")
        return self._build_event(entry, "unknown", {}, "the provider knows nothing about it")

    def _build_event(
        self, entry: JournalEntry, outcome: ActionOutcome, result: Arguments, reason: str
    ) -> ActionResolved:
        intended = entry.intended
        return ActionResolved(
            key=intended.key, action=intended.action, outcome=outcome, result=result, reason=reason, at=self._clock()
        )

    async def _publish(self, conversation: Conversation, resolved: ActionResolved) -> None:
        chain = TurnEnvelopes(conversation, resolved.key, resolved.key)
        event = chain.wrap(
            topics.ACTION_RESOLVED, resolved, id=ids.derived_id(resolved.key, "resolved"), now=resolved.at
        )
        await self._bus.append([event])
        log.info("action_resolved", action=resolved.action, key=resolved.key, outcome=resolved.outcome)


def _next_wait(entry: JournalEntry, now: datetime) -> timedelta:
    """Half of the time since the action was due, within limits."""
    since = (now - entry.intended.due).total_seconds()
    return timedelta(seconds=min(MAX_WAIT_S, max(MIN_WAIT_S, since / 2)))
