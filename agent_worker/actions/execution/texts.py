"""Texts about actions for the contact, in the tenant's voice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
from pydantic import BaseModel, JsonValue, ValidationError

from agent_worker.actions.arguments import summarize_action
from agent_worker.actions.context import ActionContext
from agent_worker.actions.execution.call import CallOutcome
from agent_worker.actions.spec import Action
from agent_worker.voice import Voice
from schemas.actions import PendingConfirmation
from schemas.messages import Choice
from schemas.ports import Passage

log = structlog.get_logger("parley.actions")
YES, NO = "yes:", "no:"
"""Prefixes of the choices' ids. The confirmation's id follows, so that a choice fits no other question."""


def choices_of(confirmation: str, voice: Voice) -> list[Choice]:
    return [
        Choice(id=f"{YES}{confirmation}", label=voice.confirm_yes),
        Choice(id=f"{NO}{confirmation}", label=voice.confirm_no),
    ]


def confirmation_question(
    action: Action, pending: PendingConfirmation, voice: Voice, *, locale: str = "en", before: str = ""
) -> str:
    return join_parts(before, f"{summarize_action(action, pending.arguments, locale)}\n\n{voice.confirm}")


def outcome_text(
    action: Action, outcome: CallOutcome, arguments: BaseModel | None, context: ActionContext, voice: Voice
) -> str:
    """One outcome in words for the contact."""
    if outcome.outcome != "succeeded":
        return generic_outcome_text(outcome, voice)
    result = outcome.result or _parse_result(action, outcome.facts or {})
    if action.report is not None and result is not None and arguments is not None:
        try:
            return action.report(context, arguments, result)
        except Exception as error:  # the action is done even if its report fails
            log.warning("report_failed", action=action.name, error=type(error).__name__)
    return join_parts(voice.action_done if action.writes else "", facts(outcome.facts or {}))


def generic_outcome_text(outcome: CallOutcome, voice: Voice) -> str:
    """An outcome in words that do not depend on the action."""
    if outcome.outcome == "refused":
        said = {
            "needs_identity": voice.needs_identity,
            "limit_reached": voice.limit_reached,
            "in_doubt": voice.earlier_action_being_checked,
        }
        return said.get(outcome.refused, join_parts(voice.action_refused, outcome.say, by=" "))
    said = {"succeeded": voice.action_done, "unknown": voice.action_being_checked}
    return said.get(outcome.outcome, join_parts(voice.action_failed, outcome.say, by=" "))


def _parse_result(action: Action, stored: Mapping[str, JsonValue]) -> BaseModel | None:
    """The action's result model, rebuilt from the stored facts."""
    try:
        return action.answer.model_validate(stored) if action.answer is not None else None
    except ValidationError:
        return None


def facts(stored: Mapping[str, JsonValue]) -> str:
    return "\n".join(
        f"- {_title(name)}: {_value(value)}" for name, value in stored.items() if value not in (None, "", [])
    )


def result_passage(tenant: str, action: Action, text: str) -> Passage:
    """The action's answer as a passage that sentences can cite."""
    return Passage(
        tenant=tenant,
        document=f"action:{action.name}",
        version=0,
        title=action.title,
        heading="",
        url="",
        text=text,
        score=1.0,
    )


def join_parts(*parts: str, by: str = "\n\n") -> str:
    return by.join(part for part in parts if part)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _value(value: JsonValue) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_title(name).lower()} {_value(inner)}" for name, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "; ".join(map(_value, value))
    return str(value)
