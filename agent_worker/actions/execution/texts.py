"""What is said about actions, in the tenant's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
from pydantic import BaseModel, JsonValue, ValidationError

from agent_worker.actions.arguments import summary
from agent_worker.actions.context import ActionContext
from agent_worker.actions.execution.call import Outcome
from agent_worker.actions.spec import Action
from agent_worker.phrases import Voice
from schemas.actions import PendingConfirmation
from schemas.messages import Choice
from schemas.ports import Passage

log = structlog.get_logger("parley.actions")
YES, NO = "yes:", "no:"
"""Begin the ids of the choices; the id of the confirmation follows, so a choice fits no other question."""


def choices_of(confirmation: str, voice: Voice) -> list[Choice]:
    return [
        Choice(id=f"{YES}{confirmation}", label=voice.confirm_yes),
        Choice(id=f"{NO}{confirmation}", label=voice.confirm_no),
    ]


def question(
    action: Action, pending: PendingConfirmation, voice: Voice, *, locale: str = "en", before: str = ""
) -> str:
    return joined(before, f"{summary(action, pending.arguments, locale)}\n\n{voice.confirm}")


def told(action: Action, outcome: Outcome, arguments: BaseModel | None, context: ActionContext, voice: Voice) -> str:
    """One outcome for the contact."""
    if outcome.outcome != "succeeded":
        return plain_outcome(outcome, voice)
    result = outcome.result or _again(action, outcome.facts or {})
    if action.report is not None and result is not None and arguments is not None:
        try:
            return action.report(context, arguments, result)
        except Exception as error:  # it is done, whatever becomes of the sentence about it
            log.warning("report_failed", action=action.name, error=type(error).__name__)
    return joined(voice.done if action.writes else "", facts(outcome.facts or {}))


def plain_outcome(outcome: Outcome, voice: Voice) -> str:
    """What can be said of an outcome without knowing the action."""
    if outcome.outcome == "refused":
        said = {
            "needs_identity": voice.needs_identity,
            "limit_reached": voice.limit_reached,
            "in_doubt": voice.still_unclear,
        }
        return said.get(outcome.refused, joined(voice.refused, outcome.say, by=" "))
    said = {"succeeded": voice.done, "unknown": voice.unclear}
    return said.get(outcome.outcome, joined(voice.not_done, outcome.say, by=" "))


def _again(action: Action, found: Mapping[str, JsonValue]) -> BaseModel | None:
    """The result as the action gave it, from what is kept of it."""
    try:
        return action.answer.model_validate(found) if action.answer is not None else None
    except ValidationError:
        return None


def facts(found: Mapping[str, JsonValue]) -> str:
    return "\n".join(
        f"- {_title(name)}: {_value(value)}" for name, value in found.items() if value not in (None, "", [])
    )


def passage(tenant: str, action: Action, text: str) -> Passage:
    """What the action answered, for sentences to cite."""
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


def joined(*parts: str, by: str = "\n\n") -> str:
    return by.join(part for part in parts if part)


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _value(value: JsonValue) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{_title(name).lower()} {_value(inner)}" for name, inner in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "; ".join(map(_value, value))
    return str(value)
