"""robots.txt (RFC 9309): the pages that a site excludes from crawling."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from yarl import URL

from agent_worker.sources.website.fetcher import Fetcher
from schemas.errors import Forbidden, NotFound, TooLarge, Unavailable

_DELAY = re.compile(r"\d{1,6}(\.\d+)?")
AGENT = "parley"
_MAX_DELAY = 10.0
"""Seconds between two pages. Longer requested delays are shortened to this."""


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
        """The longest matching pattern decides; of two equally long ones, the one that allows."""
        fitting = [(len(pattern), allowed) for pattern, allowed in self.rules if _matches(pattern, path)]
        return max(fitting, default=(0, True))[1]


def parse_robots(text: str) -> Robots:
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
            group.delay = min(float(value), _MAX_DELAY)
    ours = [each for each in groups if AGENT in each.agents] or [each for each in groups if "*" in each.agents]
    rules = tuple(rule for each in ours for rule in each.rules)
    return Robots(rules, max((each.delay for each in ours), default=0.0), tuple(sitemaps))


def _matches(pattern: str, path: str) -> bool:
    """``*`` matches anything, a final ``$`` the end of the path. No regular expressions, so that a site cannot make
    this slow."""
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


_MAX_BYTES = 500 * 1024


class RobotsRules:
    """Each host's robots.txt, fetched once per crawl."""

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._by_origin: dict[URL, Robots] = {}

    async def allow(self, url: URL) -> bool:
        """Raises Unavailable when the site cannot answer now; then nothing of it may be read."""
        robots = await self._robots_of(url)
        return robots.allows(url.raw_path_qs)

    async def sitemaps(self, url: URL) -> list[str]:
        return list((await self._robots_of(url)).sitemaps)

    def delay(self, url: URL) -> float:
        robots = self._by_origin.get(url.origin())
        return robots.delay if robots else 0.0

    async def _robots_of(self, url: URL) -> Robots:
        origin = url.origin()
        if origin not in self._by_origin:
            self._by_origin[origin] = await self._fetch(origin)
        return self._by_origin[origin]

    async def _fetch(self, origin: URL) -> Robots:
        try:
            async with self._fetcher.open(origin.with_path("/robots.txt")) as answer:
                return parse_robots((await answer.body(_MAX_BYTES)).decode("utf-8", "replace"))
        except (NotFound, TooLarge):
            return Robots()
        except Forbidden as error:
            # A forbidden robots.txt means no rules; but an address that we must not connect to stays forbidden.
            if error.fix:
                raise
            return Robots()
        except Unavailable as error:
            raise Unavailable(f"{error.message}; without it, no page of the site is read") from error
