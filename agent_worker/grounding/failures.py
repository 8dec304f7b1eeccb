"""Failures of a model's attempt, with the cost that it caused anyway."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.errors import ModelFailed
from schemas.ports import ActionResult


class AttemptFailed(ModelFailed):
    """``tokens`` and ``cost`` (US dollars) were spent on the attempt. ``outage``: the provider failed, so another
    request would probably fail too; ``unreachable``: there was no connection to its address; ``retry_after``: seconds
    for which it asked to be left alone."""

    def __init__(
        self,
        message: str,
        *,
        outage: bool = False,
        unreachable: bool = False,
        retry_after: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.tokens = 0
        self.cost = 0.0
        self.outage = outage
        self.unreachable = unreachable
        self.retry_after = retry_after
        self.results: tuple[ActionResult, ...] = ()


class NotSent(AttemptFailed):
    """No request was sent, because a budget is spent or a circuit breaker is open. Not the model's
    fault."""


class Ungrounded(AttemptFailed):
    """The gate rejected ``sentence`` of ``text``; ``reason`` tells the model what to change. None of the three is
    logged, because they may contain the contact's words. ``attempt``: the state that the model's repair continues
    from."""

    def __init__(self, reason: str, *, sentence: str = "", text: str = "", kind: str = "not grounded") -> None:
        super().__init__(kind)
        self.reason = reason
        self.sentence = sentence
        self.text = text
        self.attempt: object = None


class Incomplete(Ungrounded):
    """Every sentence passed, but the answer ignores some of several questions: ``unanswered``, by number."""

    def __init__(self, unanswered: Sequence[int], *, text: str) -> None:
        super().__init__("it leaves out a question", text=text, kind="incomplete")
        self.unanswered = tuple(unanswered)
