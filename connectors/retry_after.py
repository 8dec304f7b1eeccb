"""Waiting times in the answers of vendors. Reading them needs no HTTP client."""

from __future__ import annotations

import math
from typing import Any

GAVE_UP_WAITING = frozenset({408, 504, 524})
"""HTTP statuses of somebody in between, while the vendor may still be working on the request."""
LONGEST_ASKED = 10**7
"""Seconds; whoever asks for more has made a mistake."""


def asked_to_wait(seconds: Any) -> int | None:
    """Milliseconds, of what a vendor asks for in seconds; None where that is no number, or no sensible one."""
    try:
        asked = float(seconds)
    except (TypeError, ValueError):
        return None
    return math.ceil(asked * 1000) if 0 < asked < LONGEST_ASKED else None
