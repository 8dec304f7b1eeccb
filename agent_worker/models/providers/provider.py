"""The interface of a model provider, its prices, and the limits of a request."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from agent_worker.models.request import ModelOutput, Prompt


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a million tokens. ``cached``: for tokens in the provider's prompt cache."""

    input: float = 0.0
    output: float = 0.0
    cached: float | None = None


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """Limits of one answer. ``timeout``: seconds in total; ``silence``: longest wait for the first sign of life and
    between two; ``context``: tokens of prompt and answer together; ``output``: tokens of the answer;
    ``full_context_tokens``: up to this size all documents of a tenant are shown. ``may_act``: it may call actions;
    ``image_types``: media types of the pictures that it can look at, empty if none."""

    timeout: float = 60.0
    silence: float = 20.0
    context: int = 32_000
    output: int = 1_000
    prices: Prices = Prices()
    full_context_tokens: int = 0
    may_act: bool = False
    image_types: frozenset[str] = frozenset()


@dataclass(slots=True)
class Usage:
    """Tokens as counted by the provider; all 0 when it does not report them."""

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


class Provider(Protocol):
    """A provider's streaming interface. Closing the generator ends the request."""

    def stream(self, prompt: Prompt, output: int, usage: Usage) -> AsyncGenerator[str | ModelOutput, None]:
        """Yields pieces of text, empty ones as a sign of life while the model thinks, and finally the whole output.
        Fills ``usage`` as it learns it. Raises AttemptFailed."""

    async def close(self) -> None: ...
