"""One call of an action, and what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

import structlog
from pydantic import BaseModel, JsonValue

from agent_worker.actions.arguments import canonical
from agent_worker.actions.context import ActionContext
from agent_worker.actions.failures import ActionFailed, ActionRefused
from agent_worker.actions.policy import Refusal
from agent_worker.actions.spec import Action
from schemas import tracing
from schemas.actions import ActionOutcome
from schemas.privacy.api_answers import without_cards
from schemas.privacy.cards import OwnNumbers, masked

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


async def call(action: Action, context: ActionContext, arguments: BaseModel, own: OwnNumbers | None) -> Outcome:
    """Never raises, but for being cancelled. What comes back is masked before anybody can write it down."""
    span = tracing.span(
        "action", kind="client", attributes={"parley.action": action.name, "parley.action_key": context.key}
    )
    try:
        with span:
            async with asyncio.timeout(action.timeout):
                result: BaseModel | None = await action.run(context, arguments)
                if action.read_back is not None:
                    result = await action.read_back(context, arguments)
            if result is None:
                return Outcome(
                    "unknown", context.key, reason="there is no answer, or it was not there when it was read back"
                )
            facts, result = told_by(result, own)
            return Outcome("succeeded", context.key, facts, result=result)
    except ActionRefused as error:
        reason = masked(error.reason, own)
        return Outcome("refused", context.key, reason=reason, refused="turned_down", say=reason)
    except ActionFailed as error:
        reason = masked(error.reason, own)
        return Outcome("failed", context.key, reason=reason, say=reason)
    except Exception as error:
        log.warning("action_unclear", action=action.name, key=context.key, error=type(error).__name__)
        return Outcome("unknown", context.key, reason=_why(error))


def told_by(result: BaseModel, own: OwnNumbers | None) -> tuple[dict[str, JsonValue], BaseModel | None]:
    """What is kept of a result, and the result itself unless a card was in it. Of one that is too long to keep nothing
    is kept."""
    said = result.model_dump(mode="json")
    facts = without_cards(said, own)
    return facts if len(canonical(facts)) <= LARGEST else {}, result if facts == said else None


def _why(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else f"no clear answer ({type(error).__name__})"
