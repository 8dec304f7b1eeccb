"""A file's bytes into contents, by whichever format knows it, and held against what a document may be."""

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
        known, form = format_of(name, type)
        check_size(name, len(data))
        if form.isolated:
            contents = await self._isolation.read(known, name, data)
        else:
            contents = await asyncio.to_thread(form.read, name, data)
        for content in contents:
            check_body(name, content.body)
        return contents
