"""Exceptions by which an action reports that it did not do what was requested. Any other exception of a write counts as
an unknown outcome."""

from __future__ import annotations


class ActionRefused(Exception):  # not a ParleyError: it never leaves the executor
    """The business rules forbid it: nothing was done, and the same call would be refused again. ``reason`` is a
    sentence for the contact."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ActionFailed(Exception):
    """It was certainly not done, for example because no connection could be made."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ActionUnknown(Exception):
    """It is unknown whether it was done, because the answer is missing or unreadable. The outcome is looked up, never
    repeated."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
