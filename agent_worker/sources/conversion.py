"""Conversion of a file's bytes into contents by the matching format, with the limits for documents."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from agent_worker.knowledge.text.documents import check_body, check_size
from agent_worker.sources.isolation import Isolation
from agent_worker.sources.registry import format_of
from schemas.ports import Content


class Conversion:
    def __init__(self, isolation: Isolation) -> None:
        self._isolation = isolation

    async def __call__(self, name: str, data: bytes, type: str) -> Sequence[Content]:
        """See ``schemas.ports.sources.Convert``."""
        format_name, format_ = format_of(name, type)
        check_size(name, len(data))
        if format_.isolated:
            contents = await self._isolation.read(format_name, name, data)
        else:
            contents = await asyncio.to_thread(format_.read, name, data)
        for content in contents:
            check_body(name, content.body)
        return contents
