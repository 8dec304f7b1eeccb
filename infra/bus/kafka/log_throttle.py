"""Aiokafka logs two or three lines per failed attempt, ten times a second: a broker that is away would fill a disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

_WINDOW = 30.0
_KINDS = 256


class RateLimit(logging.Filter):
    """Lets one line of a kind through per ``window`` seconds, and says with the next one how many were left out.

    Debug lines never pass: the client writes keys and values of records into them.
    """

    def __init__(self, *, window: float = _WINDOW, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._window = window
        self._clock = clock
        self._seen: dict[tuple[str, int, str], tuple[float, int]] = {}
        self.left_out = 0

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.INFO:
            return False
        kind = (record.name, record.levelno, str(record.msg))
        now = self._clock()
        since, left_out = self._seen.get(kind, (-self._window, 0))
        if now - since < self._window:
            self._seen[kind] = (since, left_out + 1)
            self.left_out += 1
            return False
        if len(self._seen) >= _KINDS:
            self._seen.clear()
        self._seen[kind] = (now, 0)
        if left_out:
            record.msg = f"{record.msg} [{left_out} like it left out]"
        return True


_limit = RateLimit()


def quiet() -> RateLimit:
    """Rate-limit all loggers of the client; there is one limit a process. Safe to repeat."""
    # A logger's filter does not see what its children pass up, so each gets it.
    names = [name for name in logging.root.manager.loggerDict if name == "aiokafka" or name.startswith("aiokafka.")]
    for name in ("aiokafka", *names):
        logging.getLogger(name).addFilter(_limit)
    return _limit
