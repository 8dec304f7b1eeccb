"""Where an answer comes from: a provider's streaming interface, its prices, and what may be spent on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from agent_worker.models.request import Prompt, Wrote


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a million tokens. ``cached`` is for what the provider had in its prompt cache."""

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What may be spent on one answer. ``timeout``: seconds for all of it; ``silence``: the longest wait for the first
    sign of life and between two; ``context``: tokens of prompt and answer together; ``output``: of the answer;
    ``whole``: tokens up to which all documents of a tenant are shown. ``acts``: it may ask for actions."""

    timeout: float = 60.0
    silence: float = 20.0
    context: int = 32_000
    output: int = 1_000
    prices: Prices = Prices()
    whole: int = 0
    acts: bool = False


@dataclass(slots=True)
class Usage:
    """Tokens, as the provider counted them; all 0 when it did not say."""

    input: int = 0
    cached: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output

    def add(self, other: Usage) -> None:
        self.input += other.input
        self.cached += other.cached
        self.output += other.output

    def cost(self, prices: Prices) -> float:
        """US dollars."""
        cached = prices.input if prices.cached is None else prices.cached
        fresh = max(0, self.input - self.cached)
        return (fresh * prices.input + self.cached * cached + self.output * prices.output) / 1_000_000


class Source(Protocol):
    """A provider's streaming interface. Closing the generator ends the request."""

    def stream(self, prompt: Prompt, output: int, usage: Usage) -> AsyncGenerator[str | Wrote, None]:
        """Pieces of text, empty ones as a sign of life (a model that thinks), and at last all that was written. Fills
        ``usage`` as it learns. Raises AttemptFailed."""

    async def close(self) -> None: ...
