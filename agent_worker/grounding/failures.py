"""Why a model's attempt came to nothing, with what it cost all the same."""

from __future__ import annotations

from schemas.errors import ModelFailed


class AttemptFailed(ModelFailed):
    """``tokens`` and ``cost`` (US dollars) were spent on the attempt."""

    def __init__(self, message: str, *, tokens: int = 0, cost: float = 0.0) -> None:
        super().__init__(message)
        self.tokens = tokens
        self.cost = cost


class Ungrounded(AttemptFailed):
    """The gate stopped ``sentence`` of ``text``; ``reason`` tells the model what to change. None of the three is ever
    logged: they may hold what the contact wrote."""

    def __init__(self, reason: str, *, sentence: str = "", text: str = "", kind: str = "not grounded") -> None:
        super().__init__(kind)
        self.reason = reason
        self.sentence = sentence
        self.text = text
