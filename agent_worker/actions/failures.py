"""How an action says that it did not do what it was asked for. Whatever else a write raises counts as unknown."""

from __future__ import annotations


class ActionRefused(Exception):  # not a ParleyError: it never leaves the executor
    """The rules of whoever does it say no: nothing was done, and the same call would be refused again. ``reason`` is
    a sentence for the contact."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ActionFailed(Exception):
    """It could not be done, and certainly was not: a connection that was never made, for example."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ActionUnknown(Exception):
    """Nobody can tell whether it was done: no answer, or one that cannot be read. It is looked up, never repeated."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
