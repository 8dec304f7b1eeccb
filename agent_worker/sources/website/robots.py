"""robots.txt (RFC 9309): what a site wants crawlers to leave alone."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_DELAY = re.compile(r"\d{1,6}(\.\d+)?")
AGENT = "parley"
_SLOWEST = 10.0
"""Seconds between two pages; a site that asks for more gets this."""


@dataclass(slots=True)
class _Group:
    agents: list[str] = field(default_factory=list)
    rules: list[tuple[str, bool]] = field(default_factory=list)
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Robots:
    """``rules``: patterns, and whether they allow. ``delay``: seconds between two pages."""

    rules: tuple[tuple[str, bool], ...] = ()
    delay: float = 0.0
    sitemaps: tuple[str, ...] = ()

    def allows(self, path: str) -> bool:
        """The longest pattern that fits decides, and of two equally long ones the one that allows."""
        fitting = [(len(pattern), allowed) for pattern, allowed in self.rules if _fits(pattern, path)]
        return max(fitting, default=(0, True))[1]


def read_robots(text: str) -> Robots:
    groups: list[_Group] = []
    sitemaps: list[str] = []
    group, fresh = _Group(), False
    for line in text.lstrip("\ufeff").splitlines():
        name, colon, value = line.partition("#")[0].partition(":")
        key, value = name.strip().lower(), value.strip()
        if not colon:
            continue
        if key == "user-agent":
            if not fresh:
                group, fresh = _Group(), True
                groups.append(group)
            group.agents.append(value.lower())
            continue
        if key == "sitemap":
            sitemaps.append(value)
            continue
        fresh = False
        if key in ("allow", "disallow") and value:
            group.rules.append((value, key == "allow"))
        elif key == "crawl-delay" and _DELAY.fullmatch(value):
            group.delay = min(float(value), _SLOWEST)
    ours = [each for each in groups if AGENT in each.agents] or [each for each in groups if "*" in each.agents]
    rules = tuple(rule for each in ours for rule in each.rules)
    return Robots(rules, max((each.delay for each in ours), default=0.0), tuple(sitemaps))


def _fits(pattern: str, path: str) -> bool:
    """``*`` stands for anything, ``$`` at the end for the path's end. Without regular expressions: a site must not be
    able to make this slow."""
    ends = pattern.endswith("$")
    first, *rest = pattern.removesuffix("$").split("*")
    if not path.startswith(first):
        return False
    at = len(first)
    for place, part in enumerate(rest):
        if ends and place == len(rest) - 1:
            return len(path) - len(part) >= at and path.endswith(part)
        found = path.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return not ends or at == len(path)
