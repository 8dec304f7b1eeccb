"""How far a crawl goes, and what it may spend."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MOST_PAGE = 5 * 1024 * 1024
"""Bytes of one page of HTML; files may have as many as files on disk."""


class Limits(BaseModel):
    """What the configuration says of a website. ``depth``: how many links away from the start; 0: the page alone, or
    what the sitemap lists."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    depth: int = Field(default=0, ge=0)
    pages: int = Field(default=500, ge=1)
    megabytes: float = Field(default=200, gt=0)
    minutes: float = Field(default=15, gt=0)
    private_hosts: tuple[str, ...] = ()


class Budget:
    """``over`` names the limit that was reached; empty while none is."""

    def __init__(self, limits: Limits, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._until = monotonic() + limits.minutes * 60

    def over(self, pages: int, spent: int) -> str:
        if pages >= self._limits.pages:
            return f"there are more than {self._limits.pages:,} pages; raise `pages` to read on"
        if spent > self._limits.megabytes * 1024 * 1024:
            return f"more than {self._limits.megabytes:g} MB were read; raise `megabytes` to read on"
        if self._monotonic() > self._until:
            return f"it took more than {self._limits.minutes:g} minutes; raise `minutes` to read on"
        return ""


def limits_of(options: Mapping[str, Any]) -> Limits:
    return Limits.model_validate(dict(options))
