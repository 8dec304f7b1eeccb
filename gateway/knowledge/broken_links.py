"""Links in documents that no longer lead anywhere, asked for at the addresses that they name.

Only public addresses are asked, and the hosts that the configuration lists; the fetcher refuses all others, whatever
name or redirect leads there."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from yarl import URL

from agent_worker.sources.website.fetcher import CrawlForbidden, Fetcher
from schemas.conversation import Document
from schemas.errors import Forbidden, NotFound, ParleyError
from schemas.runtime.address_guard import AddressGuard

MAX_LINKS = 500
"""Addresses that one check asks for."""
MAX_TIME = 120.0
"""Seconds that one check may take; what is left then counts as not checked."""
_CONCURRENT = 4
_MAX_PLACES = 5
_LINK = re.compile(
    r"\]\((https?://[^\s()<>]+(?:\([^\s()<>]*\)[^\s()<>]*)*)|(?<![\w(])(https?://(?:\[[\da-fA-F:.]+\])?[^\s<>()\[\]\"'`|]+)"
)
_TRAILING = ".,;:!?*_"


@dataclass(frozen=True, slots=True)
class LinkPlace:
    document: str
    line: str
    """The line of the text that contains the link; empty for the document's own address."""


@dataclass(frozen=True, slots=True)
class BrokenLink:
    url: str
    problem: str
    places: Sequence[LinkPlace]


@dataclass(frozen=True, slots=True)
class LinkCheck:
    """``unchecked``: addresses that were not asked, because they are private or there was no time left."""

    checked: int
    broken: Sequence[BrokenLink]
    unchecked: int


class LinkCollection:
    """The links of documents, each with the first places where it stands."""

    def __init__(self) -> None:
        self._places: dict[str, list[LinkPlace]] = {}
        self.left_out = 0

    def add(self, document: Document) -> None:
        if document.url:
            self._add_link(document.url, LinkPlace(document.id, ""))
        for line in document.body.splitlines():
            if "://" in line:
                for url in find_links(line):
                    self._add_link(url, LinkPlace(document.id, line.strip()[:300]))

    def _add_link(self, url: str, place: LinkPlace) -> None:
        target = url.partition("#")[0]
        if target not in self._places and len(self._places) >= MAX_LINKS:
            self.left_out += 1
            return
        places = self._places.setdefault(target, [])
        if len(places) < _MAX_PLACES:
            places.append(place)

    async def check(self, private_hosts: Collection[str]) -> LinkCheck:
        return await check_links(self._places, private_hosts, self.left_out)


def find_links(line: str) -> Iterator[str]:
    for match in _LINK.finditer(line):
        yield match[1] or match[2].rstrip(_TRAILING)


async def check_links(
    places: Mapping[str, Sequence[LinkPlace]], private_hosts: Collection[str], left_out: int = 0
) -> LinkCheck:
    """Ask for every address, at most four at a time."""
    problems: dict[str, str | None] = {}
    slots = asyncio.Semaphore(_CONCURRENT)

    async def check(fetcher: Fetcher, url: str) -> None:
        async with slots:
            problems[url] = await _find_problem(fetcher, url)

    async with Fetcher(AddressGuard(private_hosts)) as fetcher:
        tasks = [asyncio.create_task(check(fetcher, url)) for url in places]
        try:
            async with asyncio.timeout(MAX_TIME):
                await asyncio.gather(*tasks)
        except TimeoutError:
            pass
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    broken = [BrokenLink(url, problem, places[url]) for url, problem in problems.items() if problem]
    unchecked = len(places) - len(problems) + sum(problem is None for problem in problems.values())
    return LinkCheck(len(places) - unchecked, sorted(broken, key=lambda each: each.url), unchecked + left_out)


async def _find_problem(fetcher: Fetcher, url: str) -> str | None:
    """The problem; empty if the link works; None if it may not be asked or does not want to be."""
    try:
        async with fetcher.open(URL(url)):
            return ""
    except NotFound:
        return "not found"
    except CrawlForbidden as error:
        # Pages that want a password, and sites that refuse programs, are there.
        return "" if error.message.endswith(("answered 401", "answered 403")) else _shorten(url, error)
    except Forbidden:
        return None
    except ParleyError as error:
        return _shorten(url, error)
    except ValueError:
        return "not a valid address"


def _shorten(url: str, error: ParleyError) -> str:
    problem = error.message.removeprefix(f"{url}: ")
    return "the server cannot be reached" if problem.startswith("cannot be read") else problem
