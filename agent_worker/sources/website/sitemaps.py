"""A site's sitemaps and those that they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from yarl import URL

from agent_worker.sources.website.fetching import Fetcher
from agent_worker.sources.website.links import joined
from agent_worker.sources.website.rules import Rules
from agent_worker.sources.website.sitemap import Sitemap
from schemas.errors import Forbidden, Unprocessable

_MOST_BYTES = 50 * 1024 * 1024
_MOST_SITEMAPS = 50


@dataclass(slots=True)
class Listed:
    """``is_cut``: more was listed than is wanted."""

    pages: dict[URL, None] = field(default_factory=dict)
    is_cut: bool = False


def is_sitemap(url: URL) -> bool:
    return url.path.lower().endswith((".xml", ".xml.gz"))


async def listed(fetcher: Fetcher, rules: Rules, names: Sequence[str], most: int) -> Listed:
    """Pages on the hosts of their sitemaps. Raises what ``Fetcher.open`` raises, and Unprocessable."""
    found = Listed()
    waiting = [url for name in names if (url := _url(name)) is not None]
    seen = set(waiting)
    while waiting and not found.is_cut:
        url = waiting.pop(0)
        if not await rules.allow(url):
            raise Forbidden(f"{url}: robots.txt asks not to read it")
        sitemap = await _read(fetcher, url, most)
        for page in sitemap.pages:
            at = joined(url, page)
            if at is not None and at.host == url.host:
                found.pages[at] = None
        more = [at for each in sitemap.sitemaps if (at := joined(url, each)) is not None and at.host == url.host]
        waiting += [at for at in more if at not in seen]
        seen.update(more)
        found.is_cut = sitemap.full or len(found.pages) > most or len(seen) > _MOST_SITEMAPS
    found.pages = dict.fromkeys(list(found.pages)[:most])
    return found


async def _read(fetcher: Fetcher, url: URL, most: int) -> Sitemap:
    sitemap, size = Sitemap(str(url), most), 0
    async with fetcher.open(url, may_follow=lambda to: to.host == url.host) as answer:
        async for chunk in answer.chunks:
            sitemap.feed(chunk)
            size += len(chunk)
            if sitemap.full:
                return sitemap
            if size > _MOST_BYTES:
                raise Unprocessable(f"{url}: larger than {_MOST_BYTES // (1024 * 1024)} MB", fix="divide the sitemap")
    sitemap.close()
    return sitemap


def _url(name: str) -> URL | None:
    try:
        url = URL(name)
    except ValueError:
        return None
    return url if url.scheme in ("http", "https") and url.host else None
