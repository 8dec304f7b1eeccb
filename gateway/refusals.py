"""Refusing at the least cost: what surely is a message is answered from its first bytes, before anything is made of it.

Through parser, request, task, middlewares and response a refusal costs three to five times as much as this, and under a
steady overload there are several for every message that is accepted.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from aiohttp import web

from gateway.crowding import Crowding
from gateway.heads import Head
from gateway.origins import Origins
from gateway.responses import wire
from gateway.webhooks import PREFIX

KEPT = 500
"""Answers, for as many callers: what browsers are told depends on where they come from."""
_CHAT = re.compile(rb"/v1/chat/([\w.-]{1,100})/(?:messages|sessions|attachments)", re.ASCII)
_WEBHOOK = re.compile(re.escape(PREFIX.encode()) + rb"[\w.-]+/[\w.-]+/[\w.-]+", re.ASCII)


class Refusals:
    """``counted`` is told of each answer."""

    def __init__(self, crowding: Crowding, origins: Origins, counted: Callable[[web.StreamResponse], None]) -> None:
        self.crowding = crowding
        self._origins = origins
        self._counted = counted
        self._made: dict[tuple[bytes, bytes], tuple[web.Response, bytes] | None] = {}
        self._made_in = 0

    def answer(self, head: Head) -> bytes | None:
        """The whole answer to one message more, as it goes on the wire; None for what is answered otherwise."""
        now = int(time.time())
        if now != self._made_in or len(self._made) >= KEPT:  # the date is in them
            self._made, self._made_in = {}, now
        asked = (head.path, head.origin)
        made = self._made[asked] if asked in self._made else self._made.setdefault(asked, self._make(*asked))
        if made is None:
            return None
        self.crowding.count()
        self._counted(made[0])
        return made[1]

    def _make(self, path: bytes, origin: bytes) -> tuple[web.Response, bytes] | None:
        chat = _CHAT.fullmatch(path)
        tenant = chat[1].decode() if chat else ""
        if not self._origins.knows(tenant) and not _WEBHOOK.fullmatch(path):
            return None
        response = self.crowding.response()
        if chat:
            response.headers.update(self._origins.headers(origin.decode("ascii", "replace"), tenant))
        return response, wire(response)
