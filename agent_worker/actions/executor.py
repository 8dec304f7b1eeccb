"""Doing it, once (design §4, §6, §8): claim the key → append the intent → call → append the outcome → record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import aiohttp
import structlog
from pydantic import BaseModel, JsonValue

from agent_worker.actions.arguments import canonical, plain
from agent_worker.actions.context import ActionContext, Identity
from agent_worker.actions.failures import ActionFailed, ActionRefused
from agent_worker.actions.policy import Refusal
from agent_worker.actions.scope import Scope
from agent_worker.actions.spec import Action
from agent_worker.settings import ActionRules
from schemas import crashpoints, ids, spans, topics
from schemas.actions import ActionIntended, ActionOutcome, ActionSettled, Arguments, JournalEntry
from schemas.conversation import Conversation
from schemas.errors import Fenced, Unavailable
from schemas.messages import Address
from schemas.ports import Bus, Clock, Journal

log = structlog.get_logger("parley.actions")
LARGEST = 50_000
"""Characters of a result that are kept."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``result``: what the action answered, when it answered in this process. ``key`` is empty for reads. ``reason`` is
    for records, ``say`` for the contact."""

    outcome: ActionOutcome
    key: str = ""
    facts: dict[str, JsonValue] | None = None
    reason: str = ""
    result: BaseModel | None = None
    refused: Refusal | Literal[""] = ""
    say: str = ""


class Executor:
    """Calls actions. Whatever they raise becomes an outcome; only failures of the log or the store are raised."""

    def __init__(self, *, bus: Bus, journal: Journal, clock: Clock, http: Callable[[], aiohttp.ClientSession]) -> None:
        self._bus = bus
        self._journal = journal
        self._clock = clock
        self._http = http

    def context(
        self,
        conversation: Conversation,
        rules: ActionRules,
        action: Action,
        who: Identity,
        key: str,
        prove: Callable[[Address], None] = lambda _address: None,
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
            locale=conversation.facts.locale,
            settings=rules.settings,
            prove=prove,
        )

    async def read(
        self, scope: Scope, action: Action, arguments: BaseModel, who: Identity, prove: Callable[[Address], None]
    ) -> Outcome:
        """Nothing changes, so what went wrong is simply not known."""
        key = ids.action_key(
            scope.tenant, scope.conversation.id, action.name, canonical(plain(arguments)), scope.turn_id
        )
        if not await self._admitted(scope, action, who, key):
            return Outcome("refused", refused="limit_reached")
        found = await _call(action, self.context(scope.conversation, scope.rules, action, who, "", prove), arguments)
        return Outcome("failed", reason=found.reason) if found.outcome == "unknown" else found

    async def write(
        self,
        scope: Scope,
        action: Action,
        arguments: BaseModel,
        who: Identity,
        authority: str,
        prove: Callable[[Address], None],
    ) -> Outcome:
        """Raises Fenced, Unavailable; and ends the turn when messages have arrived that it must read first."""
        await scope.seal()
        given = plain(arguments)
        key = _key(scope, action, given, authority)
        if not await self._admitted(scope, action, who, key):
            return Outcome("refused", key, refused="limit_reached")
        now = self._clock()
        intended = ActionIntended(
            key=key,
            action=action.name,
            arguments=given,
            authority=authority,
            contact_id=who.id,
            turn_id=scope.turn_id,
            deadline=now + timedelta(seconds=action.timeout),
            due=now + timedelta(seconds=action.timeout + scope.rules.settle),
            at=now,
        )
        claim = await self._journal.claim(
            scope.conversation.id, intended, token=scope.token, epoch=scope.conversation.epoch, now=now
        )
        if claim.verdict == "stale":
            raise Fenced("the conversation moved on before the action")
        if claim.entry is not None:
            return await self.known(scope, claim.entry)
        await self._intend(scope, intended)
        crashpoints.reach("worker.after_intent")
        outcome = await _call(action, self.context(scope.conversation, scope.rules, action, who, key, prove), arguments)
        crashpoints.reach("worker.after_action")
        await self.settle(scope, settled_of(outcome, intended, self._clock()))
        return outcome

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


async def _call(action: Action, context: ActionContext, arguments: BaseModel) -> Outcome:
    """Never raises, but for being cancelled."""
    span = spans.span(
        "action", kind="client", attributes={"parley.action": action.name, "parley.action_key": context.key}
    )
    try:
        with span:
            async with asyncio.timeout(action.timeout):
                result: BaseModel | None = await action.run(context, arguments)
                if action.read_back is not None:
                    result = await action.read_back(context, arguments)
    except ActionRefused as error:
        return Outcome("refused", context.key, reason=error.reason, refused="turned_down", say=error.reason)
    except ActionFailed as error:
        return Outcome("failed", context.key, reason=error.reason, say=error.reason)
    except Exception as error:
        log.warning("action_unclear", action=action.name, key=context.key, error=type(error).__name__)
        return Outcome("unknown", context.key, reason=_why(error))
    if result is None:
        return Outcome("unknown", context.key, reason="it was not there when it was read back")
    return Outcome("succeeded", context.key, facts_of(result), result=result)


def facts_of(result: BaseModel) -> dict[str, JsonValue]:
    """Of a result that is too long to keep nothing is kept."""
    facts = result.model_dump(mode="json")
    return facts if len(canonical(facts)) <= LARGEST else {}


def _why(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else f"no clear answer ({type(error).__name__})"
