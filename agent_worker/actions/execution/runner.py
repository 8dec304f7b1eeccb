"""One asked-for action on its way through the policy: refused, asked about, or done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel

from agent_worker.actions import arguments as args
from agent_worker.actions.context import Identity
from agent_worker.actions.execution import texts
from agent_worker.actions.execution.call import Outcome
from agent_worker.actions.execution.confirmation import ask_colleague, ask_contact
from agent_worker.actions.execution.effects import Effects, Proving
from agent_worker.actions.execution.executor import Executor
from agent_worker.actions.execution.scope import Scope
from agent_worker.actions.policy import Refusal, Verdict, decide
from agent_worker.actions.spec import Action
from schemas.actions import Arguments, JournalEntry
from schemas.ports import ActionResult, Clock
from schemas.privacy.api_answers import without_cards

Known = Callable[[str], Awaitable[Identity]]
"""The contact with this id, as the store knows them."""
Wished = Callable[[Action, Arguments], bool]
"""Whether the contact's own words ask for this action with these arguments."""


class Performer:
    """Of one attempt at one turn."""

    def __init__(
        self, scope: Scope, effects: Effects, executor: Executor, known: Known, wished: Wished, clock: Clock
    ) -> None:
        self._scope = scope
        self._effects = effects
        self._executor = executor
        self._known = known
        self._wished = wished
        self._clock = clock

    async def asked(self, action: Action, raw: dict[str, Any], contact: str, *, may_write: bool) -> ActionResult:
        """Somebody, a model perhaps, wants it done."""
        raw = without_cards(raw, self._scope.rules.own)
        try:
            arguments = args.read(action, raw)
        except args.Unreadable as error:
            return self.refuse(action, raw, "invalid_arguments", str(error), problems=error.problems)
        given = args.plain(arguments)
        if action.writes and not may_write:
            return self.refuse(action, raw, "interrupted_before", "an earlier attempt at this turn has acted already")
        if action.writes and await self._executor.in_doubt(self._scope, action, arguments):
            return self.refuse(action, raw, "in_doubt", "nobody knows yet whether the very same was done before")
        who = await self._who(contact)
        if who.reaches(action.needs):
            prepared = await self._executor.prepare(self._scope, action, arguments, who, self._proving(who))
            if isinstance(prepared, Outcome):
                return self._result(action, arguments, who, prepared)
            arguments = prepared
            if objection := await self._executor.check(self._scope, action, arguments, who, self._proving(who)):
                return self._result(action, arguments, who, objection)
        verdict = decide(action, arguments, who)
        if verdict.kind == "ask_contact" or (verdict.kind != "refuse" and self._unasked(action, given)):
            return ask_contact(self._scope, self._effects, action, args.plain(arguments), contact, self._clock())
        return await self._after(verdict, action, arguments, who, contact, self._scope.authority)

    def _unasked(self, action: Action, given: Arguments) -> bool:
        """Whether something would change that perhaps nobody but a text asked for."""
        return action.writes and not action.harmless and not self._wished(action, given)

    async def allowed(
        self, name: str, given: Arguments, digest: str, contact: str, authority: str, *, approved: bool = False
    ) -> ActionResult:
        """Do what the contact, and perhaps a colleague, said yes to: if it is still the same, and still may be done."""
        action = self._scope.rules.actions.get(name)
        if action is None:
            return self._gone(name, given)
        try:
            arguments = args.read(action, given)
        except args.Unreadable as error:
            return self.refuse(action, given, "changed", str(error))
        if args.digest(name, args.plain(arguments)) != digest:
            return self.refuse(action, given, "changed", "the arguments are not those that were shown")
        who = await self._who(contact)
        verdict = decide(action, arguments, who, confirmed=True, approved=approved)
        if verdict.kind != "refuse" and (objection := await self._objection(action, arguments, who, authority)):
            return self._result(action, arguments, who, objection)
        return await self._after(verdict, action, arguments, who, contact, authority)

    async def _objection(self, action: Action, arguments: BaseModel, who: Identity, authority: str) -> Outcome | None:
        """What its check says meanwhile. Of what was begun under this authority the journal tells what came of it."""
        if action.check is None or await self._executor.is_begun(self._scope, action, arguments, authority):
            return None
        return await self._executor.check(self._scope, action, arguments, who, self._proving(who))

    async def _after(
        self, verdict: Verdict, action: Action, arguments: BaseModel, who: Identity, contact: str, authority: str
    ) -> ActionResult:
        given = args.plain(arguments)
        if verdict.refusal:
            return self.refuse(action, given, verdict.refusal, verdict.why)
        if verdict.kind == "ask_colleague":
            asked = ask_colleague(
                self._scope,
                self._effects,
                action,
                given,
                contact,
                self._clock(),
                authority=authority,
                why=verdict.why,
                name=who.name,
            )
            return asked or self.refuse(action, given, "limit_reached", "too many approvals are open")
        return await self._do(action, arguments, who, authority)

    async def _do(self, action: Action, arguments: BaseModel, who: Identity, authority: str) -> ActionResult:
        if action.writes:
            outcome = await self._executor.write(self._scope, action, arguments, who, authority, self._proving(who))
        else:
            outcome = await self._executor.read(self._scope, action, arguments, who, self._proving(who))
        return self._result(action, arguments, who, outcome)

    async def earlier(self, entry: JournalEntry) -> ActionResult:
        """What came of an action that was begun before, perhaps in another process."""
        return await self.told(entry, await self._executor.known(self._scope, entry))

    async def told(self, entry: JournalEntry, outcome: Outcome) -> ActionResult:
        intended = entry.intended
        action = self._scope.rules.actions.get(intended.action)
        if action is None:
            self._effects.note(intended.action, None, intended.arguments, outcome)
            return ActionResult(intended.action, outcome.outcome, say=texts.plain_outcome(outcome, self._scope.voice))
        try:
            arguments = args.read(action, intended.arguments)
        except args.Unreadable:
            arguments = None
        return self._result(action, arguments, Identity(id=intended.contact_id), outcome, dict(intended.arguments))

    def refuse(self, action: Action, given: dict[str, Any], refusal: Refusal, why: str, **facts: Any) -> ActionResult:
        """A typed fact, and the last word."""
        outcome = Outcome("refused", refused=refusal, reason=why)
        self._effects.note(action.name, action, given, outcome)
        say = texts.plain_outcome(outcome, self._scope.voice)
        return ActionResult(action.name, "refused", facts={"why": why, **facts}, reason=refusal, say=say)

    def _result(
        self,
        action: Action,
        arguments: BaseModel | None,
        who: Identity,
        outcome: Outcome,
        given: dict[str, Any] | None = None,
    ) -> ActionResult:
        context = self._executor.context(
            self._scope.conversation, self._scope.rules, action, who, outcome.key, locale=self._scope.locale
        )
        say = texts.told(action, outcome, arguments, context, self._scope.voice)
        plain = dict(args.plain(arguments)) if arguments is not None else given or {}
        self._effects.note(action.name, action, plain, outcome)
        return ActionResult(
            action=action.name,
            outcome=outcome.outcome,
            facts=outcome.facts or {},
            reason=outcome.refused or outcome.reason,
            say=say,
            told=texts.passage(self._scope.tenant, action, say) if outcome.outcome == "succeeded" else None,
        )

    def _gone(self, name: str, given: Arguments) -> ActionResult:
        outcome = Outcome("refused", refused="not_offered", reason="there is no such action any more")
        self._effects.note(name, None, given, outcome)
        return ActionResult(name, "refused", reason="not_offered", say=self._scope.voice.refused)

    def _proving(self, who: Identity) -> Proving:
        return Proving(self._effects, who.id, self._clock)

    async def _who(self, contact: str) -> Identity:
        return await self._known(contact) if contact else Identity(id="")
