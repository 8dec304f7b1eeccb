"""One line of ``parley doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """``fix`` says what to do about a ``warn`` or a ``fail``."""

    check: str
    status: Literal["ok", "warn", "fail"]
    detail: str
    fix: str = ""


def check_clock_skew(check: str, seconds: float) -> Finding:
    """The difference between a server's clock and ours. Deadlines and retention tolerate seconds, not minutes."""
    detail = f"{abs(seconds):.1f} s apart"
    if abs(seconds) < 2:
        return Finding(check, "ok", detail)
    return Finding(
        check, "fail" if abs(seconds) >= 30 else "warn", detail, "synchronize the clocks (NTP) on both machines"
    )
