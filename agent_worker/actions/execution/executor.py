"""Execution of an action exactly once: claim the key → append the intent → call → append the
outcome → record it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
import structlog
from pydantic import BaseModel

from agent_worker.actions.arguments import InvalidArguments, canonical_json, dump_arguments, is_same, parse_arguments
from agent_worker.actions.context import ActionContext, Identity
from agent_worker.actions.execution.call import CallOutcome, call_action
from agent_worker.actions.execution.scope import ActionScope
from agent_worker.actions.spec import Action, Check, Function, Preview
from agent_worker.learning.turn_recorder import current_recorder
from agent_worker.settings import ActionRules
from schemas import ids, topics
from schemas.actions import ActionIntended, ActionMemory, ActionSettled, Arguments, JournalEntry
from schemas.conversation import Conversation
from schemas.errors import Fenced, Unavailable
from schemas.ports import Bus, Clock, Journal, Limiter
from schemas.runtime import crash_points
from schemas.turn_recording import CallKind

if TYPE_CHECKING:
    from agent_worker.actions.execution.effects import IdentityProofs

log = structlog.get_logger("parley.actions")
LOG_RESERVE_S = 2.0
"""Seconds that a slow log may take before the call without shortening the call's own time."""


class Executor:
    """Calls actions. Their exceptions become outcomes; only failures of the log or the store are raised."""

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
        identity: Identity,
        key: str,
        *,
        locale: str = "",
        proofs: IdentityProofs | None = None,
    ) -> ActionContext:
        now = self._clock()
        return ActionContext(
            tenant=conversation.origin.tenant,
            conversation=conversation.id,
            contact=identity,
            key=key,
            deadline=now + timedelta(seconds=action.timeout),
            now=now,
            http=self._http(),
            locale=locale or conversation.facts.locale,
            settings=rules.settings,
            prove=proofs.prove if proofs is not None else _ignore,
            code=proofs.code if proofs is not None else None,
            remember=proofs.remember if proofs is not None else _ignore,
            count_use=partial(self._count_use, conversation.origin.tenant),
            keyed_hash=partial(_hash_with_key, rules.secret),
        )

    async def _count_use(self, tenant: str, name: str, most: int, period: timedelta) -> float:
        rate = most / period.total_seconds()
        return await self._limiter.take(f"action:{tenant}:{name}", per_second=rate, burst=most, now=self._clock())

    def _context(
        self, scope: ActionScope, action: Action, identity: Identity, key: str, proofs: IdentityProofs
    ) -> ActionContext:
        return self.context(scope.conversation, scope.rules, action, identity, key, locale=scope.locale, proofs=proofs)

    async def prepare(
        self, scope: ActionScope, action: Action, arguments: BaseModel, identity: Identity, proofs: IdentityProofs
    ) -> BaseModel | CallOutcome:
        """The arguments as the action's ``prepare`` returns them, or the outcome that ends the attempt."""
        if action.prepare is None:
            return arguments
        probe = replace(action, run=action.prepare, read_back=None)
        outcome = await self._call("prepare", scope, probe, arguments, identity, proofs)
        if outcome.outcome == "unknown":
            return CallOutcome("failed", reason=outcome.reason)
        if outcome.outcome != "succeeded":
            return outcome
        try:
            return (
                outcome.result
                if isinstance(outcome.result, action.model)
                else parse_arguments(action, outcome.facts or {})
            )
        except InvalidArguments as error:
            return CallOutcome("failed", reason=f"the prepared arguments are not valid: {error}")

    async def check(
        self, scope: ActionScope, action: Action, arguments: BaseModel, identity: Identity, proofs: IdentityProofs
    ) -> CallOutcome | None:
        """The outcome with which the action's check would refuse it, else None. Changes nothing."""
        if action.check is None:
            return None
        probe = replace(action, run=_as_function(action.check), read_back=None)
        outcome = await self._call("check", scope, probe, arguments, identity, proofs)
        if outcome.outcome == "succeeded":
            return None
        return CallOutcome("failed", reason=outcome.reason) if outcome.outcome == "unknown" else outcome

    async def preview(
        self, scope: ActionScope, action: Action, arguments: BaseModel, identity: Identity, proofs: IdentityProofs
    ) -> CallOutcome:
        """The action's preview, as the fact ``text``; or the outcome with which it refuses the action. Changes
        nothing."""
        if action.preview is None:
            return CallOutcome("succeeded")
        probe = replace(action, run=_preview_function(action.preview), read_back=None)
        outcome = await self._call("preview", scope, probe, arguments, identity, proofs)
        return CallOutcome("failed", reason=outcome.reason) if outcome.outcome == "unknown" else outcome

    async def _call(
        self,
        kind: CallKind,
        scope: ActionScope,
        action: Action,
        arguments: BaseModel,
        identity: Identity,
        proofs: IdentityProofs,
    ) -> CallOutcome:
        """Call a function of the action that changes nothing, and record the call."""
        before, context = proofs.effects.memory, self._context(scope, action, identity, "", proofs)
        outcome = await call_action(action, context, arguments, scope.rules.own)
        current_recorder().note_call(kind, action, dump_arguments(arguments), outcome, before, proofs.effects.memory)
        return outcome

    async def is_used_up(self, scope: ActionScope, action: Action, contact: str) -> bool:
        """Return whether the contact has started the action as often as they may today."""
        if not action.per_contact_per_day or not contact:
            return False
        day = self._clock().date().isoformat()
        started = await self._journal.count_admitted(scope.tenant, contact, action.name, day)
        if started < action.per_contact_per_day:
            return False
        current_recorder().note_call("used_up", action, {}, CallOutcome("refused"))
        return True

    async def has_begun(self, scope: ActionScope, action: Action, arguments: BaseModel, authority: str) -> bool:
        """Return whether this exact action was started before under the same authority."""
        key = build_key(scope, action, dump_arguments(arguments), authority)
        entry = await self._journal.entry(scope.conversation.id, key)
        current_recorder().note_entries([] if entry is None else [entry])
        return entry is not None

    async def read(
        self, scope: ActionScope, action: Action, arguments: BaseModel, identity: Identity, proofs: IdentityProofs
    ) -> CallOutcome:
        """Run a read action. Because nothing changes, an unknown outcome is a plain failure."""
        before = proofs.effects.memory
        outcome = await self._read(scope, action, arguments, identity, proofs)
        _note_run(action, arguments, outcome, before, proofs)
        return outcome

    async def _read(
        self, scope: ActionScope, action: Action, arguments: BaseModel, identity: Identity, proofs: IdentityProofs
    ) -> CallOutcome:
        key = ids.action_key(
            scope.tenant, scope.conversation.id, action.name, canonical_json(dump_arguments(arguments)), scope.turn_id
        )
        if not await self._admit(scope, action, identity, key):
            return CallOutcome("refused", refused="limit_reached")
        outcome = await call_action(
            action, self._context(scope, action, identity, "", proofs), arguments, scope.rules.own
        )
        return CallOutcome("failed", reason=outcome.reason) if outcome.outcome == "unknown" else outcome

    async def write(
        self,
        scope: ActionScope,
        action: Action,
        arguments: BaseModel,
        identity: Identity,
        authority: str,
        proofs: IdentityProofs,
    ) -> CallOutcome:
        """Run a write action. Raises Fenced and Unavailable. Sealing ends the turn if messages have arrived that it has
        to read first."""
        before = proofs.effects.memory
        outcome = await self._write(scope, action, arguments, identity, authority, proofs)
        _note_run(action, arguments, outcome, before, proofs)
        return outcome

    async def _write(
        self,
        scope: ActionScope,
        action: Action,
        arguments: BaseModel,
        identity: Identity,
        authority: str,
        proofs: IdentityProofs,
    ) -> CallOutcome:
        await scope.seal()
        given = dump_arguments(arguments)
        key = build_key(scope, action, given, authority)
        if await self.is_in_doubt(scope, action, arguments, but=key):
            return CallOutcome("refused", key, refused="in_doubt")
        if not await self._admit(scope, action, identity, key):
            return CallOutcome("refused", key, refused="limit_reached")
        intended = _build_intent(scope, action, given, key, authority, identity.id, self._clock())
        claim = await self._journal.claim(
            scope.conversation.id, intended, token=scope.token, epoch=scope.conversation.epoch, now=intended.at
        )
        if claim.verdict == "stale":
            raise Fenced("the conversation changed before the action")
        if claim.entry is not None:
            return await self.load_outcome(scope, claim.entry)
        await self._intend(scope, intended)
        crash_points.reach("worker.after_intent")
        outcome = await self._call_in_time(scope, action, arguments, identity, intended, proofs)
        crash_points.reach("worker.after_action")
        await self.settle(scope, settled_event(outcome, intended, self._clock()))
        return outcome

    async def _call_in_time(
        self,
        scope: ActionScope,
        action: Action,
        arguments: BaseModel,
        identity: Identity,
        intended: ActionIntended,
        proofs: IdentityProofs,
    ) -> CallOutcome:
        """Call before the intent's deadline only: after it, the resolver looks up whether the action was done."""
        remaining = (intended.deadline - self._clock()).total_seconds()
        if remaining <= 0:
            return CallOutcome("failed", intended.key, reason="it was not started in time")
        context = self._context(scope, action, identity, intended.key, proofs)
        return await call_action(
            replace(action, timeout=min(action.timeout, remaining)), context, arguments, scope.rules.own
        )

    async def is_in_doubt(self, scope: ActionScope, action: Action, arguments: BaseModel, *, but: str = "") -> bool:
        """Return whether the same action may have been done before with an unknown outcome, so that repeating it could
        do it twice."""
        for entry in await self._journal.list_in_doubt(scope.conversation.id):
            candidate = entry.intended.action == action.name and entry.intended.key != but
            if candidate and is_same(action, entry.intended.arguments, arguments):
                current_recorder().note_entries([entry])
                return True
        return False

    async def load_outcome(self, scope: ActionScope, entry: JournalEntry) -> CallOutcome:
        """The outcome of an action that was started before. An unsettled one is recorded as unknown, because the
        contact is told about it."""
        intended, settled = entry.intended, entry.settled
        if settled is None:
            settled = ActionSettled(
                key=intended.key, action=intended.action, outcome="unknown", reason="interrupted", at=self._clock()
            )
        # Append again even when it was settled: the log may lack the record.
        await self.settle(scope, settled)
        say = settled.reason if settled.outcome == "refused" else ""
        return CallOutcome(settled.outcome, intended.key, settled.result, settled.reason, say=say)

    async def settle(self, scope: ActionScope, settled: ActionSettled) -> None:
        """Append the outcome to the log, then record it in the journal."""
        purpose = f"settled-{settled.outcome}-{settled.resolved}"
        event = scope.chain.wrap(
            topics.ACTION_SETTLED, settled, id=ids.derived_id(settled.key, purpose), now=settled.at
        )
        try:
            await self._bus.append([event])
        finally:
            # Also when the log is unavailable: the repeated turn must not take a known outcome for an unknown one.
            await self._journal.record(scope.conversation.id, settled)
        log.info("action_settled", action=settled.action, key=settled.key, outcome=settled.outcome)

    async def _intend(self, scope: ActionScope, intended: ActionIntended) -> None:
        event = scope.chain.wrap(topics.ACTION_INTENDED, intended, id=intended.key, now=intended.at)
        try:
            await self._bus.append([event])
        except Unavailable:
            # Nothing was called, so the repeated turn may make a new claim.
            await self._journal.withdraw(scope.conversation.id, intended.key)
            raise

    async def _admit(self, scope: ActionScope, action: Action, identity: Identity, key: str) -> bool:
        if not action.per_contact_per_day:
            return True
        day = self._clock().date().isoformat()
        return await self._journal.admit(
            scope.tenant, identity.id, action.name, day, key, most=action.per_contact_per_day
        )


def _note_run(
    action: Action, arguments: BaseModel, outcome: CallOutcome, before: ActionMemory, proofs: IdentityProofs
) -> None:
    given = dump_arguments(arguments)
    current_recorder().note_call("run", action, given, outcome, before, proofs.effects.memory)


def _hash_with_key(secret: bytes, text: str) -> bytes:
    return hmac.digest(secret, text.encode(), hashlib.sha256)


class _CheckResult(BaseModel):
    """The result of a check without objections."""


class _Description(BaseModel):
    """The result of a preview."""

    text: str


def _preview_function(preview: Preview) -> Function:
    async def run(context: ActionContext, arguments: Any) -> BaseModel:
        return _Description(text=await preview(context, arguments))

    return run


def _as_function(check: Check) -> Function:
    async def run(context: ActionContext, arguments: Any) -> BaseModel:
        await check(context, arguments)
        return _CheckResult()

    return run


def _ignore(_noted: object) -> None:
    """Result of calls that have nothing to record."""


def _build_intent(
    scope: ActionScope, action: Action, given: Arguments, key: str, authority: str, contact: str, now: datetime
) -> ActionIntended:
    deadline = now + timedelta(seconds=action.timeout + LOG_RESERVE_S)
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


def build_key(scope: ActionScope, action: Action, given: Arguments, authority: str) -> str:
    return ids.action_key(scope.tenant, scope.conversation.id, action.name, canonical_json(given), authority)


def settled_event(outcome: CallOutcome, intended: ActionIntended, at: datetime) -> ActionSettled:
    return ActionSettled(
        key=intended.key,
        action=intended.action,
        outcome=outcome.outcome,
        result=outcome.facts or {},
        reason=outcome.reason,
        at=at,
    )
