"""What one turn may spend on models, however many of them it asks."""

from __future__ import annotations

import math
from dataclasses import dataclass

from agent_worker.grounding.failures import NotAsked


@dataclass(slots=True)
class Allowance:
    """What is left. ``seconds`` count while a model is waited for; actions have deadlines of their own."""

    tokens: float = math.inf
    cost: float = math.inf
    steps: int = 6
    seconds: float = 90.0

    def step(self, tokens: int) -> None:
        """Take one request, expected to use so many tokens. Raises NotAsked."""
        if self.steps < 1:
            raise NotAsked("the turn's budget of requests is spent")
        if self.tokens < tokens:
            raise NotAsked("the turn's budget of tokens is spent")
        if self.cost <= 0:
            raise NotAsked("the turn's budget of money is spent")
        if self.seconds <= 0:
            raise NotAsked("the turn's budget of time is spent")
        self.steps -= 1

    def used(self, tokens: int, cost: float) -> None:
        self.tokens -= tokens
        self.cost -= cost

    def waited(self, seconds: float) -> None:
        self.seconds -= seconds
