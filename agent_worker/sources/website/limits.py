"""The limits of a crawl, and the budget that enforces them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MAX_PAGE_BYTES = 5 * 1024 * 1024
"""Size of one HTML page. Other files have the limit of files on disk."""


class CrawlLimits(BaseModel):
    """The configuration of a website source. ``depth``: links away from the start; 0 for the start page alone, or the
    pages of the sitemap."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    depth: int = Field(default=0, ge=0)
    pages: int = Field(default=500, ge=1)
    megabytes: float = Field(default=200, gt=0)
    minutes: float = Field(default=15, gt=0)
    private_hosts: tuple[str, ...] = ()


class CrawlBudget:
    """Compares a crawl's progress with its limits."""

    def __init__(self, limits: CrawlLimits, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._deadline = monotonic() + limits.minutes * 60

    def exceeded_limit(self, pages: int, spent: int) -> str:
        """A description of the limit that was reached, or empty."""
        if pages >= self._limits.pages:
            return f"there are more than {self._limits.pages:,} pages; raise `pages` to read more"
        if spent > self._limits.megabytes * 1024 * 1024:
            return f"more than {self._limits.megabytes:g} MB were read; raise `megabytes` to read more"
        if self._monotonic() > self._deadline:
            return f"it took more than {self._limits.minutes:g} minutes; raise `minutes` to read more"
        return ""


def limits_of(options: Mapping[str, Any]) -> CrawlLimits:
    return CrawlLimits.model_validate(dict(options))
