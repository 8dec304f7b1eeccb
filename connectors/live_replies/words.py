"""What the worker has signalled of a reply that it writes, and how much of it may be shown."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, TypeAdapter, ValidationError


class Delta(BaseModel):
    type: Literal["delta"]
    turn_id: str
    index: int
    text: str


class Abort(BaseModel):
    type: Literal["abort"]
    turn_id: str


_FRAME: TypeAdapter[Delta | Abort] = TypeAdapter(Delta | Abort)


class Words:
    """Of turn ``turn_id``, of which ``most`` characters are shown at most: no more than the first message of the whole
    holds. ``closed``: nothing more is shown. ``void``: the worker took it back."""

    def __init__(self, turn_id: str, most: int) -> None:
        self._turn_id = turn_id
        self._most = most
        self._said = ""
        self._next = 0
        """Index of the delta that comes next."""
        self._length = 0
        """Characters of ``_said`` that are shown."""
        self.closed = False
        self.void = False

    @property
    def begun(self) -> bool:
        return bool(self._said)

    @property
    def pending(self) -> str:
        text = "" if self.closed else self._said[self._length : self._most]
        return text if text.strip() else ""

    def shown(self, text: str) -> None:
        self._length += len(text)

    def read(self, payload: bytes) -> bool:
        """Whether the signal is news of this reply."""
        try:
            frame = _FRAME.validate_json(payload)
        except ValidationError:
            return False  # of another kind
        if frame.turn_id != self._turn_id or self.closed:
            return False
        self._take(frame)
        return True

    def _take(self, frame: Delta | Abort) -> None:
        if isinstance(frame, Abort) or frame.index < self._next:
            self.closed = self.void = True
        elif frame.index > self._next:
            self.closed = True  # something is missing, which only the whole will tell
        else:
            self._said += frame.text
            self._next += 1
