"""The lease under which one process at a time syncs a source, with the memory of the source as its note."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import zlib
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import orjson
import structlog

from gateway.documents.crawl_state import CrawlState, restore_state
from gateway.documents.document_sources import DocumentSource
from schemas.errors import Fenced, Unavailable
from schemas.ports import Clock, Leases

log = structlog.get_logger("parley.knowledge")

TTL_S = 30.0
RENEW_S = 8.0
_MARGIN_S = 5.0


class SourceLease:
    """Implements ``CrawlStates`` for its one source: only the holder of the lease can save.

    It measures its own time, so that it also ends while the state store is unreachable. ``on_save`` is called after
    each save."""

    def __init__(self, leases: Leases, tenant: str, source: DocumentSource, clock: Clock) -> None:
        self._leases = leases
        self._source = source
        self._clock = clock
        self._name = f"knowledge-sync:{tenant}:{source.id}"
        self._holder = uuid4().hex
        self._token: int | None = None
        self._until = 0.0
        self._state: object = {}
        self.on_save: Callable[[], Awaitable[None]] | None = None

    async def acquire(self) -> bool:
        """Acquire or renew. False while another process has it, or has had it since. Raises Unavailable."""
        begun = time.monotonic()
        token = await self._leases.acquire(self._name, self._holder, ttl=TTL_S, now=self._clock())
        if token is None or self._token not in (None, token):
            return False
        self._token, self._until = token, begun + TTL_S - _MARGIN_S
        return True

    async def keep(self) -> None:
        """Renew the lease until it is lost."""
        while time.monotonic() < self._until:
            await asyncio.sleep(RENEW_S)
            try:
                if not await self.acquire():
                    return
            except Unavailable as error:
                log.info("lease_not_renewed", lease=self._name, code=error.code)

    async def release(self) -> None:
        try:
            await self._leases.release(self._name, self._holder)
        except Unavailable as error:
            log.info("lease_not_released", lease=self._name, code=error.code)

    # ── the memory ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def load(self) -> None:
        """Read what the last holder saved."""
        note = await self._leases.read_note(self._name)
        self._state = await asyncio.to_thread(_unpack, note)

    def state_of(self, source: DocumentSource) -> CrawlState:
        return restore_state(self._state, source)

    def set_state(self, source: DocumentSource, state: CrawlState) -> None:
        self._state = dict(state)

    async def save(self) -> None:
        """Raises Fenced, Unavailable."""
        data = _encode(self._state)  # at once, before the source changes it further
        note = await asyncio.to_thread(_pack, data)
        if self._token is None or not await self._leases.save_note(self._name, self._token, note):
            raise Fenced("another process syncs this source")
        if self.on_save is not None:
            await self.on_save()


def _encode(state: object) -> bytes:
    try:
        return orjson.dumps(state)
    except TypeError:  # halves of surrogate pairs, as vendors send them
        return json.dumps(state).encode()


def _pack(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, level=3)).decode()


def _unpack(note: str) -> dict[str, Any]:
    """Empty if there is none, or none that can be read: then everything is read again."""
    try:
        value = json.loads(zlib.decompress(base64.b64decode(note)))
    except (ValueError, zlib.error):
        return {}
    return value if isinstance(value, dict) else {}
