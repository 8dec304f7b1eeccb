"""The path of one requested action through the policy: it is refused, put to the contact or a colleague, or
executed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from agent_worker.actions import arguments as args
from agent_worker.actions.context import Identity
from agent_worker.actions.execution import texts
from agent_worker.actions.execution.call import CallOutcome
from agent_worker.actions.execution.confirmation import ask_colleague, ask_contact, has_room_for_approval
from agent_worker.actions.execution.effects import Effects, IdentityProofs
from agent_worker.actions.execution.executor import Executor
from agent_worker.actions.execution.scope import ActionScope
from agent_worker.actions.policy import PolicyDecision, Refusal, apply_policy, explain_identity
from agent_worker.actions.spec import Action
from schemas.actions import Arguments, JournalEntry
from schemas.ports import ActionPreview, ActionResult, Clock
from schemas.privacy.api_responses import mask_fields

LoadIdentity = Callable[[str], Awaitable[Identity]]
"""Contact id → identity."""
IsRequested = Callable[[Action, Arguments], bool]
"""``(action, arguments)`` → whether the contact's own words request it."""


TOO_MANY_APPROVALS = "too many approvals are open"


class ActionRunner:
    """Runs the actions of one attempt at a turn."""

    def __init__(
        self,
        scope: ActionScope,
        effects: Effects,
        executor: Executor,
        load_identity: LoadIdentity,
        is_requested: IsRequested,
        clock: Clock,
    ) -> None:
        self._scope = scope
        self._effects = effects
        self._executor = executor
        self._load_identity = load_identity
        self._is_requested = is_requested
        self._clock = clock

    async def request(self, action: Action, raw: dict[str, Any], contact: str, *, may_write: bool) -> ActionResult:
        """Handle a request for the action, for example from a model."""
        raw = mask_fields(raw, self._scope.rules.own)
        try:
            arguments = args.parse_arguments(action, raw)
        except args.InvalidArguments as error:
            return self.refuse(action, raw, "invalid_arguments", str(error), problems=error.problems)
        given = args.dump_arguments(arguments)
        if action.writes and not may_write:
            return self.refuse(action, raw, "interrupted_before", "an earlier attempt of this turn has already acted")
        if action.writes and await self._executor.is_in_doubt(self._scope, action, arguments):
            return self.refuse(action, raw, "in_doubt", "it is not known yet whether the same action was done before")
        identity = await self._identify(contact)
        if identity.reaches(action.needs):
            prepared = await self._executor.prepare(self._scope, action, arguments, identity, self._proofs_of(identity))
            if isinstance(prepared, CallOutcome):
                return self._result(action, arguments, identity, prepared)
            arguments = prepared
            if objection := await self._executor.check(
                self._scope, action, arguments, identity, self._proofs_of(identity)
            ):
                return self._result(action, arguments, identity, objection)
        verdict = apply_policy(action, arguments, identity)
        if verdict.kind == "ask_contact" or (verdict.kind != "refuse" and self._lacks_request(action, given)):
            return await self._ask_contact(action, arguments, identity, contact)
        if verdict.refusal == "needs_identity" and await self._executor.is_used_up(self._scope, action, contact):
            return self._refuse_used_up(action, given)
        return await self._apply_verdict(verdict, action, arguments, identity, contact, self._scope.authority)

    async def _ask_contact(
        self, action: Action, arguments: BaseModel, identity: Identity, contact: str
    ) -> ActionResult:
        """Ask for a yes below a description of what the action concerns, unless the yes would be in vain."""
        given, now = args.dump_arguments(arguments), self._clock()
        if await self._executor.is_used_up(self._scope, action, contact):
            return self._refuse_used_up(action, given)
        next_step = apply_policy(action, arguments, identity, confirmed=True).kind
        if next_step == "ask_colleague" and not has_room_for_approval(self._effects, now):
            return self.refuse(action, given, "limit_reached", TOO_MANY_APPROVALS)
        preview = await self._preview(action, given, identity)
        if preview.refusal is not None:
            return preview.refusal
        return ask_contact(self._scope, self._effects, action, given, contact, now, before=preview.say)

    async def preview(self, action: Action, raw: dict[str, Any], contact: str) -> ActionPreview:
        """What is certain before all arguments are known: a refusal, or what the action concerns."""
        given = mask_fields(raw, self._scope.rules.own)
        if await self._executor.is_used_up(self._scope, action, contact):
            return ActionPreview(self._refuse_used_up(action, given))
        identity = await self._identify(contact)
        if not identity.reaches(action.needs):
            return ActionPreview(self.refuse(action, given, "needs_identity", explain_identity(action, identity)))
        return await self._preview(action, given, identity)

    async def _preview(self, action: Action, given: dict[str, Any], identity: Identity) -> ActionPreview:
        if action.preview is None:
            return ActionPreview()
        try:
            arguments = action.preview_model.model_validate(given)
        except ValidationError:
            return ActionPreview()  # not all that it needs is known yet
        outcome = await self._executor.preview(self._scope, action, arguments, identity, self._proofs_of(identity))
        if outcome.outcome != "succeeded":
            return ActionPreview(self._result(action, arguments, identity, outcome))
        return ActionPreview(say=self._effects.show_once(str((outcome.facts or {}).get("text", "")), self._clock()))

    def _refuse_used_up(self, action: Action, given: dict[str, Any]) -> ActionResult:
        return self.refuse(action, given, "limit_reached", "the contact may not start it more often today")

    def _lacks_request(self, action: Action, given: Arguments) -> bool:
        """Return whether the action would change something that the contact may not have requested."""
        return action.writes and not action.harmless and not self._is_requested(action, given)

    async def run_allowed(
        self, name: str, given: Arguments, digest: str, contact: str, authority: str, *, approved: bool = False
    ) -> ActionResult:
        """Run an action that the contact, and perhaps a colleague, said yes to, if it is unchanged and still
        allowed."""
        action = self._scope.rules.actions.get(name)
        if action is None:
            return self._refuse_unknown(name, given)
        try:
            arguments = args.parse_arguments(action, given)
        except args.InvalidArguments as error:
            return self.refuse(action, given, "changed", str(error))
        if args.arguments_digest(name, args.dump_arguments(arguments)) != digest:
            return self.refuse(action, given, "changed", "the arguments are not those that were shown")
        identity = await self._identify(contact)
        verdict = apply_policy(action, arguments, identity, confirmed=True, approved=approved)
        if verdict.kind != "refuse" and (objection := await self._objection(action, arguments, identity, authority)):
            return self._result(action, arguments, identity, objection)
        return await self._apply_verdict(verdict, action, arguments, identity, contact, authority)

    async def _objection(
        self, action: Action, arguments: BaseModel, identity: Identity, authority: str
    ) -> CallOutcome | None:
        """The refusal by the action's check. An action that was started under this authority is not checked again; its
        outcome is in the journal."""
        if action.check is None or await self._executor.has_begun(self._scope, action, arguments, authority):
            return None
        return await self._executor.check(self._scope, action, arguments, identity, self._proofs_of(identity))

    async def _apply_verdict(
        self,
        verdict: PolicyDecision,
        action: Action,
        arguments: BaseModel,
        identity: Identity,
        contact: str,
        authority: str,
    ) -> ActionResult:
        given = args.dump_arguments(arguments)
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
                people=verdict.people,
                name=identity.name,
            )
            return asked or self.refuse(action, given, "limit_reached", TOO_MANY_APPROVALS)
        return await self._do(action, arguments, identity, authority)

    async def _do(self, action: Action, arguments: BaseModel, identity: Identity, authority: str) -> ActionResult:
        if action.writes:
            outcome = await self._executor.write(
                self._scope, action, arguments, identity, authority, self._proofs_of(identity)
            )
        else:
            outcome = await self._executor.read(self._scope, action, arguments, identity, self._proofs_of(identity))
        return self._result(action, arguments, identity, outcome)

    async def report_entry(self, entry: JournalEntry) -> ActionResult:
        """Report an action that was started before, perhaps in another process."""
        return await self.report(entry, await self._executor.load_outcome(self._scope, entry))

    async def report(self, entry: JournalEntry, outcome: CallOutcome) -> ActionResult:
        """Note the outcome for the turn's record and describe it for the contact."""
        intended = entry.intended
        action = self._scope.rules.actions.get(intended.action)
        if action is None:
            self._effects.note(intended.action, None, intended.arguments, outcome)
            return ActionResult(
                intended.action, outcome.outcome, say=texts.generic_outcome_text(outcome, self._scope.voice)
            )
        try:
            arguments = args.parse_arguments(action, intended.arguments)
        except args.InvalidArguments:
            arguments = None
        return self._result(action, arguments, Identity(id=intended.contact_id), outcome, dict(intended.arguments))

    def refuse(self, action: Action, given: dict[str, Any], refusal: Refusal, why: str, **facts: Any) -> ActionResult:
        """Refuse the action for good, with the reason as a fact for the model."""
        outcome = CallOutcome("refused", refused=refusal, reason=why)
        self._effects.note(action.name, action, given, outcome)
        say = texts.generic_outcome_text(outcome, self._scope.voice)
        return ActionResult(action.name, "refused", facts={"why": why, **facts}, reason=refusal, say=say)

    def _result(
        self,
        action: Action,
        arguments: BaseModel | None,
        identity: Identity,
        outcome: CallOutcome,
        given: dict[str, Any] | None = None,
    ) -> ActionResult:
        context = self._executor.context(
            self._scope.conversation, self._scope.rules, action, identity, outcome.key, locale=self._scope.locale
        )
        say = texts.outcome_text(action, outcome, arguments, context, self._scope.voice)
        plain = dict(args.dump_arguments(arguments)) if arguments is not None else given or {}
        self._effects.note(action.name, action, plain, outcome)
        if outcome.outcome == "succeeded" and not action.writes:
            self._effects.show_once(say, self._clock())
        return ActionResult(
            action=action.name,
            outcome=outcome.outcome,
            facts=outcome.facts or {},
            reason=outcome.refused or outcome.reason,
            say=say,
            evidence=texts.result_passage(self._scope.tenant, action, say) if outcome.outcome == "succeeded" else None,
        )

    def _refuse_unknown(self, name: str, given: Arguments) -> ActionResult:
        outcome = CallOutcome("refused", refused="not_offered", reason="this action no longer exists")
        self._effects.note(name, None, given, outcome)
        return ActionResult(name, "refused", reason="not_offered", say=self._scope.voice.action_refused)

    def _proofs_of(self, identity: Identity) -> IdentityProofs:
        return IdentityProofs(self._effects, identity.id, self._clock)

    async def _identify(self, contact: str) -> Identity:
        return await self._load_identity(contact) if contact else Identity(id="")
