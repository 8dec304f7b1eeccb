"""What a model writes for people alone. No gate stands before it: no contact reads it, and nothing follows from it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, nullcontext
from dataclasses import dataclass

from agent_worker.grounding.failures import AttemptFailed
from agent_worker.models.budgets import DayBudgets, Spend
from agent_worker.models.providers.provider import Source, Terms, Usage
from agent_worker.models.request import Prompt, Wrote
from schemas.ports import Question

LONGEST = 4_000
"""Characters; who writes more does not write a note."""


@dataclass(frozen=True, slots=True)
class Note:
    """``cost`` in US dollars."""

    text: str
    tokens: int
    cost: float


async def noted(
    source: Source, terms: Terms, budgets: DayBudgets | None, question: Question, prompt: Prompt, seconds: float
) -> Note:
    """``question``: whose budget is spent. Raises AttemptFailed, as NotAsked when too little is left of it."""
    usage, likely = Usage(), Usage(prompt.size, 0, terms.output)
    expected = Spend(likely.total, likely.cost(terms.prices))
    spending = nullcontext(Spend()) if budgets is None else budgets.taken(question, expected)
    async with spending as spent:
        try:
            text = await asyncio.wait_for(_text(source, prompt, terms.output, usage), min(seconds, terms.timeout))
        except TimeoutError as error:
            raise AttemptFailed(f"no note within {min(seconds, terms.timeout):g} s", outage=True) from error
        finally:
            spent.tokens, spent.cost = usage.total, usage.cost(terms.prices)
    return Note(text, usage.total, usage.cost(terms.prices))


async def _text(source: Source, prompt: Prompt, output: int, usage: Usage) -> str:
    written = ""
    async with aclosing(source.stream(prompt, output, usage)) as pieces:
        async for piece in pieces:
            written += "" if isinstance(piece, Wrote) else piece
            if len(written) > LONGEST:
                raise AttemptFailed("the note is too long")
    return written
