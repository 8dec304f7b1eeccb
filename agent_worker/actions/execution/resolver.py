"""What is in doubt is looked up, never repeated (design §6): the outcome comes back to the conversation as an event.
So does that an approval has expired."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from agent_worker.actions import arguments as args
from agent_worker.actions.context import identity_of
from agent_worker.actions.execution.call import told_by
from agent_worker.actions.execution.executor import Executor
from agent_worker.actions.spec import Action
from agent_worker.settings import WorkerSettings
from agent_worker.turn.envelopes import Chain
from schemas import ids, topics
from schemas.actions import ActionMemory, ActionOutcome, ActionResolved, ApprovalExpired, Arguments, JournalEntry
from schemas.conversation import Conversation
from schemas.errors import ParleyError
from schemas.ports import Bus, Clock, State

# Approvals that nobody gave in time: the conversation is told so, as an event in its lane, while it waits.

"""After this long, should nobody have heard it, it is said once more; the event has the same id."""


class Expiry:
    """``round`` is for one process at a time; two at once do no harm, for what they say has one id."""

    def __init__(self, bus: Bus, state: State) -> None:
        self._bus = bus
        self._state = state

    async def round(self, now: datetime) -> int:
        """How many conversations were told."""
        due = await self._state.conversations.expiring(before=now, limit=AT_ONCE)
        return sum(await asyncio.gather(*(self._one(conversation, now) for conversation in due)))

    async def _one(self, conversation: str, now: datetime) -> bool:
        try:
            known = await self._state.conversations.get(conversation)
            told = known is not None and await self._tell(known, now)
            await self._state.conversations.postpone(conversation, now + TOLD_AGAIN)
        except ParleyError as error:
            log.warning("expiry_not_told", conversation_id=conversation, code=error.code)
            return False
        return told

    async def _tell(self, conversation: Conversation, now: datetime) -> bool:
        memory = conversation.facts.actions
        expired = [each for each in memory.approvals if each.expires_at <= now] if memory is not None else []
        events = [
            Chain(conversation, approval.id, approval.id).wrap(
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
"""Seconds, several rounds long: whoever is gone is followed soon. Two at once do no harm: what they tell has one id."""
AT_ONCE = 50
TOLD_AGAIN = timedelta(seconds=60)
"""After this long an outcome is sent once more; its event has the same id."""
GIVEN_UP = timedelta(minutes=10)
"""After the due time: when nobody could be asked until then, a person has to find out."""
SOONEST, LATEST = 5.0, 60.0


class Resolver:
    """``round`` is to be called every few seconds; of several processes one does the work."""

    def __init__(self, *, bus: Bus, state: State, executor: Executor, settings: WorkerSettings, clock: Clock) -> None:
        self._bus = bus
        self._state = state
        self._executor = executor
        self._settings = settings
        self._clock = clock
        self._expiry = Expiry(bus, state)
        self._holder = uuid4().hex

    async def round(self) -> int:
        """How many entries and conversations were told of."""
        if not any(rules.actions.actions for rules in self._settings.tenants.values()):
            return 0
        now = self._clock()
        if await self._state.leases.acquire(LEASE, self._holder, ttl=TTL, now=now) is None:
            return 0
        due = await self._state.journal.unresolved(before=now, limit=AT_ONCE)
        told = await asyncio.gather(*(self._one(conversation, key) for conversation, key in due))
        return sum(told) + await self._expiry.round(now)

    async def _one(self, conversation: str, key: str) -> bool:
        try:
            entry = await self._state.journal.entry(conversation, key)
            known = await self._state.conversations.get(conversation)
            if entry is None or known is None:
                return False
            word = await self._word(known, entry)
            until = self._clock() + (_wait(entry, self._clock()) if word is None else TOLD_AGAIN)
            if word is not None:
                await self._tell(known, word)
            await self._state.journal.postpone(conversation, key, until)
        except ParleyError as error:
            log.warning("action_not_resolved", conversation_id=conversation, key=key, code=error.code)
            return False
        return word is not None

    async def _word(self, conversation: Conversation, entry: JournalEntry) -> ActionResolved | None:
        """None when nobody can be asked now."""
        if entry.settled is not None and not entry.in_doubt:
            return self._said(entry, entry.settled.outcome, entry.settled.result, entry.settled.reason)
        action = self._settings.of(conversation.origin.tenant).actions.actions.get(entry.intended.action)
        if action is None or action.look_up is None:
            return self._said(entry, "unknown", {}, "it cannot be looked up")
        try:
            return await self._looked_up(conversation, entry, action)
        except Exception as error:
            log.warning("look_up_failed", action=action.name, key=entry.intended.key, error=type(error).__name__)
            if self._clock() - entry.intended.due < GIVEN_UP:
                return None
            return self._said(entry, "unknown", {}, "nobody could be asked")

    async def _looked_up(self, conversation: Conversation, entry: JournalEntry, action: Action) -> ActionResolved:
        intended, look_up = entry.intended, action.look_up
        assert look_up is not None  # noqa: S101  # asked before
        arguments = args.read(action, intended.arguments)
        contact = await self._state.contacts.get(conversation.origin.tenant, intended.contact_id)
        proofs = (conversation.facts.actions or ActionMemory()).proofs
        who = identity_of(contact, intended.contact_id, conversation.origin, proofs, self._clock())
        rules = self._settings.of(conversation.origin.tenant)
        context = self._executor.context(conversation, rules.actions, action, who, intended.key)
        async with asyncio.timeout(action.timeout):
            found = await look_up(context, arguments)
        if found is not None:
            return self._said(entry, "succeeded", told_by(found, rules.actions.own)[0], "looked up")
        if action.absent == "not_done":
            return self._said(entry, "failed", {}, "looked up: it was not done")
        return self._said(entry, "unknown", {}, "nothing is known of it where it should have been done")

    def _said(self, entry: JournalEntry, outcome: ActionOutcome, result: Arguments, reason: str) -> ActionResolved:
        intended = entry.intended
        return ActionResolved(
            key=intended.key, action=intended.action, outcome=outcome, result=result, reason=reason, at=self._clock()
        )

    async def _tell(self, conversation: Conversation, word: ActionResolved) -> None:
        chain = Chain(conversation, word.key, word.key)
        event = chain.wrap(topics.ACTION_RESOLVED, word, id=ids.derived_id(word.key, "resolved"), now=word.at)
        await self._bus.append([event])
        log.info("action_resolved", action=word.action, key=word.key, outcome=word.outcome)


def _wait(entry: JournalEntry, now: datetime) -> timedelta:
    """Longer and longer."""
    since = (now - entry.intended.due).total_seconds()
    return timedelta(seconds=min(LATEST, max(SOONEST, since / 2)))
