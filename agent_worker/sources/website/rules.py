"""Each host's robots.txt, fetched once a crawl."""

from __future__ import annotations

from yarl import URL

from agent_worker.sources.website.fetching import Fetcher
from agent_worker.sources.website.robots import Robots, read_robots
from schemas.errors import Forbidden, NotFound, TooLarge, Unavailable

_MOST = 500 * 1024


class Rules:
    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher
        self._known: dict[URL, Robots] = {}

    async def allow(self, url: URL) -> bool:
        """Raises Unavailable when the site cannot say now: then nothing of it may be read."""
        robots = await self._of(url)
        return robots.allows(url.raw_path_qs)

    async def sitemaps(self, url: URL) -> list[str]:
        return list((await self._of(url)).sitemaps)

    def delay(self, url: URL) -> float:
        robots = self._known.get(url.origin())
        return robots.delay if robots else 0.0

    async def _of(self, url: URL) -> Robots:
        origin = url.origin()
        if origin not in self._known:
            self._known[origin] = await self._fetched(origin)
        return self._known[origin]

    async def _fetched(self, origin: URL) -> Robots:
        try:
            async with self._fetcher.open(origin.with_path("/robots.txt")) as answer:
                return read_robots((await answer.body(_MOST)).decode("utf-8", "replace"))
        except (NotFound, TooLarge):
            return Robots()
        except Forbidden as error:
            # A site that does not show its wishes has none; a host that may not be asked is another matter.
            if error.fix:
                raise
            return Robots()
        except Unavailable as error:
            raise Unavailable(f"{error.message}; without it nothing of the site is read") from error
