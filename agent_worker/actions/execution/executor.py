"""Doing it, once (design §4, §6, §8): claim the key → append the intent → call → append the outcome → record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
import structlog
from pydantic import BaseModel

from agent_worker.actions.arguments import Unreadable, canonical, is_same, plain, read
from agent_worker.actions.context import ActionContext, Identity
from agent_worker.actions.execution.call import Outcome, call
from agent_worker.actions.execution.scope import Scope
from agent_worker.actions.spec import Action, Check, Function
from agent_worker.settings import ActionRules
from schemas import crash_points, ids, topics
from schemas.actions import ActionIntended, ActionSettled, Arguments, JournalEntry
from schemas.conversation import Conversation
from schemas.errors import Fenced, Unavailable
from schemas.ports import Bus, Clock, Journal, Limiter

if TYPE_CHECKING:
    from agent_worker.actions.execution.effects import Proving

log = structlog.get_logger("parley.actions")
RESERVE = 2.0
"""Seconds that a slow log may take before the call without shortening it."""


class Executor:
    """Calls actions. Whatever they raise becomes an outcome; only failures of the log or the store are raised."""

    def __init__(
        self, *, bus: Bus, journal: Journal, limiter: Limiter, clock: Clock, http: Callable[[], aiohttp.ClientSession]
    ) -> None:
        self._bus = bus
        self._journal = journal
        self._limiter = limiter
        self._clock = clock
        self._http = http

    def context(
        self,
        conversation: Conversation,
        rules: ActionRules,
        action: Action,
        who: Identity,
        key: str,
        *,
        locale: str = "",
        proving: Proving | None = None,
    ) -> ActionContext:
        now = self._clock()
        return ActionContext(
            tenant=conversation.origin.tenant,
            conversation=conversation.id,
            contact=who,
            key=key,
            deadline=now + timedelta(seconds=action.timeout),
            now=now,
            http=self._http(),
            locale=locale or conversation.facts.locale,
            settings=rules.settings,
            prove=proving.prove if proving is not None else _nothing,
            code=proving.code if proving is not None else None,
            remember=proving.remember if proving is not None else _nothing,
            within=partial(self._within, conversation.origin.tenant),
        )

    async def _within(self, tenant: str, name: str, most: int, period: timedelta) -> bool:
        rate = most / period.total_seconds()
        return not await self._limiter.take(f"action:{tenant}:{name}", per_second=rate, burst=most, now=self._clock())

    def _context(self, scope: Scope, action: Action, who: Identity, key: str, proving: Proving) -> ActionContext:
        return self.context(scope.conversation, scope.rules, action, who, key, locale=scope.locale, proving=proving)

    async def prepare(
        self, scope: Scope, action: Action, arguments: BaseModel, who: Identity, proving: Proving
    ) -> BaseModel | Outcome:
        """The arguments as they are to be done; or why they are not."""
        if action.prepare is None:
            return arguments
        looking = replace(action, run=action.prepare, read_back=None)
        found = await call(looking, self._context(scope, action, who, "", proving), arguments, scope.rules.own)
        if found.outcome == "unknown":
            return Outcome("failed", reason=found.reason)
        if found.outcome != "succeeded":
            return found
        try:
            return found.result if isinstance(found.result, action.model) else read(action, found.facts or {})
        except Unreadable as error:
            return Outcome("failed", reason=f"what it was prepared to does not fit: {error}")

    async def check(
        self, scope: Scope, action: Action, arguments: BaseModel, who: Identity, proving: Proving
    ) -> Outcome | None:
        """Why the action would be refused; None when its check has no objection. Changes nothing."""
        if action.check is None:
            return None
        looking = replace(action, run=_checking(action.check), read_back=None)
        found = await call(looking, self._context(scope, action, who, "", proving), arguments, scope.rules.own)
        if found.outcome == "succeeded":
            return None
        return Outcome("failed", reason=found.reason) if found.outcome == "unknown" else found

    async def is_begun(self, scope: Scope, action: Action, arguments: BaseModel, authority: str) -> bool:
        """Whether this very action was begun before, under the same authority."""
        key = _key(scope, action, plain(arguments), authority)
        return await self._journal.entry(scope.conversation.id, key) is not None

    async def read(
        self, scope: Scope, action: Action, arguments: BaseModel, who: Identity, proving: Proving
    ) -> Outcome:
        """Nothing changes, so what went wrong is simply not known."""
        key = ids.action_key(
            scope.tenant, scope.conversation.id, action.name, canonical(plain(arguments)), scope.turn_id
        )
        if not await self._admitted(scope, action, who, key):
            return Outcome("refused", refused="limit_reached")
        found = await call(action, self._context(scope, action, who, "", proving), arguments, scope.rules.own)
        return Outcome("failed", reason=found.reason) if found.outcome == "unknown" else found

    async def write(
        self,
        scope: Scope,
        action: Action,
        arguments: BaseModel,
        who: Identity,
        authority: str,
        proving: Proving,
    ) -> Outcome:
        """Raises Fenced, Unavailable; and ends the turn when messages have arrived that it must read first."""
        await scope.seal()
        given = plain(arguments)
        key = _key(scope, action, given, authority)
        if await self.in_doubt(scope, action, arguments, but=key):
            return Outcome("refused", key, refused="in_doubt")
        if not await self._admitted(scope, action, who, key):
            return Outcome("refused", key, refused="limit_reached")
        intended = _intended(scope, action, given, key, authority, who.id, self._clock())
        claim = await self._journal.claim(
            scope.conversation.id, intended, token=scope.token, epoch=scope.conversation.epoch, now=intended.at
        )
        if claim.verdict == "stale":
            raise Fenced("the conversation moved on before the action")
        if claim.entry is not None:
            return await self.known(scope, claim.entry)
        await self._intend(scope, intended)
        crash_points.reach("worker.after_intent")
        outcome = await self._in_time(scope, action, arguments, who, intended, proving)
        crash_points.reach("worker.after_action")
        await self.settle(scope, settled_of(outcome, intended, self._clock()))
        return outcome

    async def _in_time(
        self,
        scope: Scope,
        action: Action,
        arguments: BaseModel,
        who: Identity,
        intended: ActionIntended,
        proving: Proving,
    ) -> Outcome:
        """Nothing begins after the deadline: from then on others look whether it was done."""
        left = (intended.deadline - self._clock()).total_seconds()
        if left <= 0:
            return Outcome("failed", intended.key, reason="it was not begun in time")
        context = self._context(scope, action, who, intended.key, proving)
        return await call(replace(action, timeout=min(action.timeout, left)), context, arguments, scope.rules.own)

    async def in_doubt(self, scope: Scope, action: Action, arguments: BaseModel, *, but: str = "") -> bool:
        """Whether nobody knows if the very same was done before: doing it again might be once too often."""
        for entry in await self._journal.in_doubt(scope.conversation.id):
            same = entry.intended.action == action.name and entry.intended.key != but
            if same and is_same(action, entry.intended.arguments, arguments):
                return True
        return False

    async def known(self, scope: Scope, entry: JournalEntry) -> Outcome:
        """What came of an action that was begun before. Of one in doubt it is noted that somebody is told so."""
        intended, settled = entry.intended, entry.settled
        if settled is None:
            settled = ActionSettled(
                key=intended.key, action=intended.action, outcome="unknown", reason="interrupted", at=self._clock()
            )
        # Once more also when it was known: the log may lack it.
        await self.settle(scope, settled)
        say = settled.reason if settled.outcome == "refused" else ""
        return Outcome(settled.outcome, intended.key, settled.result, settled.reason, say=say)

    async def settle(self, scope: Scope, settled: ActionSettled) -> None:
        """On the log, then in the state store."""
        purpose = f"settled-{settled.outcome}-{settled.resolved}"
        event = scope.chain.wrap(
            topics.ACTION_SETTLED, settled, id=ids.derived_id(settled.key, purpose), now=settled.at
        )
        try:
            await self._bus.append([event])
        finally:
            # Also when the log is away: the turn begins again, and must not take for doubtful what is known.
            await self._journal.record(scope.conversation.id, settled)
        log.info("action_settled", action=settled.action, key=settled.key, outcome=settled.outcome)

    async def _intend(self, scope: Scope, intended: ActionIntended) -> None:
        event = scope.chain.wrap(topics.ACTION_INTENDED, intended, id=intended.key, now=intended.at)
        try:
            await self._bus.append([event])
        except Unavailable:
            # Nothing was called, so the turn may begin again with a claim of its own.
            await self._journal.withdraw(scope.conversation.id, intended.key)
            raise

    async def _admitted(self, scope: Scope, action: Action, who: Identity, key: str) -> bool:
        if not action.per_contact_per_day:
            return True
        day = self._clock().date().isoformat()
        return await self._journal.admit(scope.tenant, who.id, action.name, day, key, most=action.per_contact_per_day)


class _Checked(BaseModel):
    """The check had no objection."""


def _checking(check: Check) -> Function:
    async def run(context: ActionContext, arguments: Any) -> BaseModel:
        await check(context, arguments)
        return _Checked()

    return run


def _nothing(_noted: object) -> None:
    """Whoever only looks back has nothing to note."""


def _intended(
    scope: Scope, action: Action, given: Arguments, key: str, authority: str, contact: str, now: datetime
) -> ActionIntended:
    deadline = now + timedelta(seconds=action.timeout + RESERVE)
    return ActionIntended(
        key=key,
        action=action.name,
        arguments=given,
        authority=authority,
        contact_id=contact,
        turn_id=scope.turn_id,
        deadline=deadline,
        due=deadline + timedelta(seconds=scope.rules.settle),
        at=now,
    )


def _key(scope: Scope, action: Action, given: Arguments, authority: str) -> str:
    return ids.action_key(scope.tenant, scope.conversation.id, action.name, canonical(given), authority)


def settled_of(outcome: Outcome, intended: ActionIntended, at: datetime) -> ActionSettled:
    return ActionSettled(
        key=intended.key,
        action=intended.action,
        outcome=outcome.outcome,
        result=outcome.facts or {},
        reason=outcome.reason,
        at=at,
    )
