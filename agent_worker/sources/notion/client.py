"""Requests to Notion's API: paced, retried, and with the failures of the API as failures of ours.

The library's own retries are off, because they leave out what a sync meets too: overload (529), failed searches and
queries (POST), and connections that break."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, TypeVar

import httpx
from notion_client import AsyncClient
from notion_client.client import ClientOptions
from notion_client.errors import HTTPResponseError, RequestTimeoutError

from agent_worker.sources.notion.objects import Block, Database, DataSource, Page, Results, parse
from agent_worker.sources.retries import Retries, Sleep, TemporaryFailure, read_retry_after
from schemas.errors import Forbidden, NotFound, ParleyError, Unauthorized, Unavailable, Unprocessable

API_VERSION = "2025-09-03"
API_ADDRESS = "https://api.notion.com"
PAGE_SIZE = 100
_TIMEOUT_MS = 60_000
"""https://developers.notion.com/reference/status-codes: Notion gives up after 60 seconds."""
_LIST_ATTEMPTS = 3
_MAX_DELAY_S = 30.0
_MAX_WAIT_S = 900.0
"""The per-workspace limit may ask for more than a minute
(https://developers.notion.com/reference/request-limits)."""
_TEMPORARY_STATUSES = (408, 409, 425, 429, 500, 502, 503, 504, 529)
_TOKEN_FIX = "copy the connection's token from notion.so/developers/connections to `options: {token: …}`"
_CAPABILITY_FIX = "switch on the capability *Read content* of the connection, at notion.so/developers/connections"
_logger = logging.getLogger("parley.sources.notion")


class StaleCursor(Unavailable):
    """A list is no longer continued where it stood, because its cursor has expired: it begins again."""


class NotionClient:
    """``requests`` counts what was sent. ``server_time`` is Notion's time at its last answer."""

    def __init__(
        self,
        token: str,
        *,
        address: str = API_ADDRESS,
        rate: float = 3.0,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._monotonic = monotonic
        self._sleep = sleep
        self._retries = Retries("Notion", max_delay_s=_MAX_DELAY_S, max_wait_s=_MAX_WAIT_S, sleep=sleep)
        self._interval = 1 / rate
        self._next_slot = 0.0
        self._http = httpx.AsyncClient(event_hooks={"response": [self._read_time]}, follow_redirects=False)
        options = ClientOptions(
            auth=token,
            base_url=address,
            notion_version=API_VERSION,
            timeout_ms=_TIMEOUT_MS,
            retry=False,
            logger=_logger,
            log_level=logging.ERROR,
        )
        self._api = AsyncClient(options, client=self._http)
        self.requests = 0
        self.server_time = datetime.now(UTC)

    async def __aenter__(self) -> NotionClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.aclose()

    # ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def search(self, cursor: str | None) -> Results:
        """The newest first: what is edited meanwhile moves to the front, so that nothing behind it is left out."""
        sort = {"timestamp": "last_edited_time", "direction": "descending"}
        return await self._list(lambda: self._api.search(sort=sort, start_cursor=cursor, page_size=PAGE_SIZE))

    async def query(self, data_source: str, cursor: str | None, created_since: datetime | None) -> Results:
        """Rows in the order of their creation, which no edit changes."""
        body: dict[str, Any] = {"sorts": [{"timestamp": "created_time", "direction": "ascending"}]}
        if created_since is not None:
            body["filter"] = {
                "timestamp": "created_time",
                "created_time": {"on_or_after": created_since.isoformat()},
            }
        return await self._list(
            lambda: self._api.data_sources.query(data_source, **body, start_cursor=cursor, page_size=PAGE_SIZE)
        )

    async def children(self, block: str, cursor: str | None) -> Results:
        return await self._list(lambda: self._api.blocks.children.list(block, start_cursor=cursor, page_size=PAGE_SIZE))

    async def _list(self, send: Callable[[], Any]) -> Results:
        return parse(Results, await self._request(send))

    # ── single objects ───────────────────────────────────────────────────────────────────────────────────────────────

    async def page(self, id: str) -> Page:
        return parse(Page, await self._request(lambda: self._api.pages.retrieve(id)))

    async def database(self, id: str) -> Database:
        return parse(Database, await self._request(lambda: self._api.databases.retrieve(id)))

    async def data_source(self, id: str) -> DataSource:
        return parse(DataSource, await self._request(lambda: self._api.data_sources.retrieve(id)))

    # ── one request ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def _request(self, send: Callable[[], Any]) -> object:
        """Raises Unauthorized, Forbidden, NotFound, Unprocessable, RateLimited and Unavailable."""
        return await self._retries.run(lambda: self._send(send))

    async def _send(self, send: Callable[[], Any]) -> object:
        await self._wait_for_slot()
        self.requests += 1
        try:
            answer: object = await send()
        except HTTPResponseError as error:
            if error.status not in _TEMPORARY_STATUSES:
                raise _explain(error) from None
            retry_after = read_retry_after(error.headers)
            raise TemporaryFailure(f"status {error.status}", retry_after=retry_after) from None
        except RequestTimeoutError:
            raise TemporaryFailure("no answer in time") from None
        except (httpx.RequestError, ValueError) as error:  # ValueError: an answer that is not JSON
            raise TemporaryFailure(f"the connection failed: {type(error).__name__}") from None
        return answer

    async def _wait_for_slot(self) -> None:
        wait = self._next_slot - self._monotonic()
        if wait > 0:
            await self._sleep(wait)
        self._next_slot = max(self._monotonic(), self._next_slot) + self._interval

    async def _read_time(self, response: httpx.Response) -> None:
        try:
            self.server_time = parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
        except (KeyError, ValueError):
            self.server_time = datetime.now(UTC)


def _explain(error: HTTPResponseError) -> ParleyError:
    """Without Notion's own message, which repeats what was sent."""
    code = str(getattr(error.code, "value", error.code))
    if error.status == 401:
        return Unauthorized("Notion does not know the token", fix=_TOKEN_FIX)
    if error.status == 403:
        return Forbidden("the connection may not read content", fix=_CAPABILITY_FIX)
    if error.status == 404:
        return NotFound("not in Notion, or not shared with the connection")
    if error.status == 400 and "start_cursor" in str(error):
        return StaleCursor("Notion has forgotten where the list stood")
    return Unprocessable(f"Notion answered {error.status} ({code})", fix="report it as a defect of Parley")


def decode_blocks(results: Results) -> list[Block]:
    return [parse(Block, each) for each in results.results]


Read = TypeVar("Read")


async def repeat_list(read: Callable[[], Awaitable[Read]]) -> Read:
    """A list whose cursor expires is read again from its beginning."""
    for _ in range(_LIST_ATTEMPTS - 1):
        try:
            return await read()
        except StaleCursor:
            continue
    return await read()
