"""Waiting times in vendors' answers. Reading them needs no HTTP client."""

from __future__ import annotations

import math
from typing import Any

GATEWAY_TIMEOUTS = frozenset({408, 504, 524})
"""HTTP statuses of a proxy that gave up, while the vendor may still be working on the request."""
MAX_RETRY_AFTER = 10**7
"""Seconds; longer times are taken for mistakes."""


def parse_retry_after(seconds: Any) -> int | None:
    """Return milliseconds for a time given in seconds; None where that is no sensible number."""
    try:
        value = float(seconds)
    except (TypeError, ValueError):
        return None
    return math.ceil(value * 1000) if 0 < value < MAX_RETRY_AFTER else None
