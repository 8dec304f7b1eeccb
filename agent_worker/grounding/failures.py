"""Why a model's attempt came to nothing, with what it cost all the same."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.errors import ModelFailed
from schemas.ports import ActionResult


class AttemptFailed(ModelFailed):
    """``tokens`` and ``cost`` (US dollars) were spent on the attempt. ``outage``: the provider did not do its part, so
    the next request will hardly fare better; ``retry_after``: seconds for which it asked to be left alone."""

    def __init__(
        self, message: str, *, tokens: int = 0, cost: float = 0.0, outage: bool = False, retry_after: float = 0.0
    ) -> None:
        super().__init__(message)
        self.tokens = tokens
        self.cost = cost
        self.outage = outage
        self.retry_after = retry_after
        self.results: tuple[ActionResult, ...] = ()


class NotAsked(AttemptFailed):
    """Nothing was sent: a budget is spent, or the provider rests. No fault of the model's."""


class Ungrounded(AttemptFailed):
    """The gate stopped ``sentence`` of ``text``; ``reason`` tells the model what to change. None of the three is ever
    logged: they may hold what the contact wrote. ``so_far``: what the model's own repair goes on from."""

    def __init__(self, reason: str, *, sentence: str = "", text: str = "", kind: str = "not grounded") -> None:
        super().__init__(kind)
        self.reason = reason
        self.sentence = sentence
        self.text = text
        self.so_far: object = None


class Incomplete(Ungrounded):
    """Every sentence passed, but the answer says nothing about some of several questions: ``left``, by number."""

    def __init__(self, left: Sequence[int], *, text: str) -> None:
        super().__init__("it leaves out a question", text=text, kind="incomplete")
        self.left = tuple(left)
