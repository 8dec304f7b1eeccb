"""One call of an action and its outcome."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

import structlog
from pydantic import BaseModel, JsonValue

from agent_worker.actions.arguments import canonical_json
from agent_worker.actions.context import ActionContext
from agent_worker.actions.failures import ActionFailed, ActionRefused
from agent_worker.actions.policy import Refusal
from agent_worker.actions.spec import Action
from schemas.actions import ActionOutcome
from schemas.privacy.api_responses import mask_fields
from schemas.privacy.cards import OwnNumbers, mask_cards
from schemas.runtime import tracing

log = structlog.get_logger("parley.actions")
MAX_FACTS_LENGTH = 50_000
"""Characters of a result that are kept."""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """``result`` is the action's answer, if it answered in this process. ``key`` is empty for reads. ``reason`` is for
    records, ``say`` for the contact."""

    outcome: ActionOutcome
    key: str = ""
    facts: dict[str, JsonValue] | None = None
    reason: str = ""
    result: BaseModel | None = None
    refused: Refusal | Literal[""] = ""
    say: str = ""


async def call_action(
    action: Action, context: ActionContext, arguments: BaseModel, own: OwnNumbers | None
) -> CallOutcome:
    """Run the action. Every exception except cancellation becomes an outcome, and card numbers in the result are
    masked."""
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
                return CallOutcome(
                    "unknown", context.key, reason="there is no answer, or it was not there when it was read back"
                )
            facts, result = extract_facts(result, own)
            return CallOutcome("succeeded", context.key, facts, result=result)
    except ActionRefused as error:
        reason = mask_cards(error.reason, own)
        return CallOutcome("refused", context.key, reason=reason, refused="turned_down", say=reason)
    except ActionFailed as error:
        reason = mask_cards(error.reason, own)
        return CallOutcome("failed", context.key, reason=reason, say=reason)
    except Exception as error:
        log.warning("action_unclear", action=action.name, key=context.key, error=type(error).__name__)
        return CallOutcome("unknown", context.key, reason=_describe_error(error))


def extract_facts(result: BaseModel, own: OwnNumbers | None) -> tuple[dict[str, JsonValue], BaseModel | None]:
    """The facts to keep of a result, and the result itself unless it contained a card number. A result that is too long
    leaves no facts."""
    dumped = result.model_dump(mode="json")
    facts = mask_fields(dumped, own)
    return facts if len(canonical_json(facts)) <= MAX_FACTS_LENGTH else {}, result if facts == dumped else None


def _describe_error(error: Exception) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else f"no clear answer ({type(error).__name__})"
