"""Notes that a model writes for staff only. They bypass the gate, because no contact reads them and nothing follows
from them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, nullcontext
from dataclasses import dataclass

from agent_worker.grounding.failures import AttemptFailed
from agent_worker.models.budgets import DayBudgets, Spend
from agent_worker.models.providers.provider import ModelLimits, Provider, Usage
from agent_worker.models.request import ModelOutput, Prompt
from schemas.ports import Question

MAX_LENGTH = 4_000
"""Characters of a note."""


@dataclass(frozen=True, slots=True)
class StaffNote:
    """``cost`` in US dollars."""

    text: str
    tokens: int
    cost: float


async def write_note(
    source: Provider, terms: ModelLimits, budgets: DayBudgets | None, question: Question, prompt: Prompt, seconds: float
) -> StaffNote:
    """``question``: names whose budget is spent. Raises AttemptFailed, as NotSent when the budget is too small."""
    usage, likely = Usage(), Usage(prompt.size, 0, terms.output)
    expected = Spend(likely.total, likely.cost(terms.prices))
    spending = nullcontext(Spend()) if budgets is None else budgets.reserve(question, expected)
    async with spending as spent:
        try:
            async with asyncio.timeout(min(seconds, terms.timeout)):
                text = await _text(source, prompt, terms.output, usage)
        except TimeoutError as error:
            raise AttemptFailed(f"no note within {min(seconds, terms.timeout):g} s", outage=True) from error
        finally:
            spent.tokens, spent.cost = usage.total, usage.cost(terms.prices)
    return StaffNote(text, usage.total, usage.cost(terms.prices))


async def _text(source: Provider, prompt: Prompt, output: int, usage: Usage) -> str:
    written = ""
    async with aclosing(source.stream(prompt, output, usage)) as pieces:
        async for piece in pieces:
            written += "" if isinstance(piece, ModelOutput) else piece
            if len(written) > MAX_LENGTH:
                raise AttemptFailed("the note is too long")
    return written
