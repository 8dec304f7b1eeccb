"""Whether the front door has more asked of it than it can take, for whatever else its process could put off."""

from __future__ import annotations

import time
from collections.abc import Callable

LASTS_S = 1.0
"""From one refusal to the next there is room for a moment, again and again."""


class Press:
    """Called, it tells whether anybody was refused for want of room within the last second."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._until = 0.0

    def felt(self) -> None:
        """Somebody is refused."""
        self._until = self._monotonic() + LASTS_S

    def __call__(self) -> bool:
        return self._monotonic() < self._until
