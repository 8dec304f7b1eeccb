"""Listings over all shards: each shard keeps its own sorted index, and a page is merged from their beginnings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from infra.state import rules
from infra.state.redis.client import codec
from infra.state.redis.client.sealed_values import BodyKey
from infra.state.redis.client.shards import ALL, Shards, quote_part
from schemas.conversation import Conversation

__all__ = ["load", "quote_part", "read_due", "read_newest"]

SAMPLE = 4
"""Entries that every shard is asked for first. A page is spread over 256 shards, so that is nearly always enough;
shards whose whole sample made it onto the page are asked for more."""

Entry = tuple[int, str]  # microseconds, conversation


async def read_newest(
    shards: Shards, tenant: str, owners: Sequence[str], channel: str, after: str, limit: int
) -> tuple[list[str], str]:
    """One page of conversation ids, newest first, and the next cursor. Raises InvalidRequest for a bad cursor."""
    at, id_ = rules.cursor_place(after) if after else ("", "")

    async def first(of: Iterable[int], count: int) -> list[list[Entry]]:
        answers = await shards.run_on(
            of, "list_conversations", ("l", "lc"), quote_part(tenant), quote_part(channel), at, id_, count, *owners
        )
        return [[(int(score), name.decode()) for name, score in codec.pairs(found)] for (found,) in answers]

    by_shard = await _read_page(first, limit + 1, descending=True)
    page = sorted((entry for entries in by_shard for entry in entries), reverse=True)[: limit + 1]
    if len(page) <= limit:
        return [name for _, name in page], ""
    return [name for _, name in page[:limit]], rules.cursor(*page[limit - 1])


async def read_due(shards: Shards, index: str, before: int, limit: int) -> list[Entry]:
    """The oldest entries of a time index over all shards: ``(microseconds, member)``."""

    async def first(of: Iterable[int], count: int) -> list[list[Entry]]:
        answers = await shards.run_on(of, "list_due", (index,), before, count)
        return [[(int(score), name.decode()) for name, score in codec.pairs(found)] for (found,) in answers]

    by_shard = await _read_page(first, limit, descending=False)
    return sorted(entry for entries in by_shard for entry in entries)[:limit]


async def load(shards: Shards, ids: Sequence[str]) -> list[Conversation | None]:
    answers = await asyncio.gather(*(shards.run_for(id_, "get_conversation", ("c:",)) for id_ in ids))
    opened = await asyncio.gather(*(open_fields(shards, fields) for (fields,) in answers))
    return [codec.conversation_of(id_, fields) for id_, fields in zip(ids, opened, strict=True)]


async def open_fields(
    shards: Shards, fields: Sequence[bytes | None], found: BodyKey | None = None
) -> list[bytes | None]:
    """The fields of a conversation, of which the place and the last two, facts and holder, may be sealed. ``found``: as
    for ``SealedValues.open_origin``."""
    origin = await shards.values.open_origin(fields[0], found)
    return [origin, *fields[1:-2], *await shards.values.open_all(fields[-2:], found=found)]


async def _read_page(first, limit: int, *, descending: bool) -> list[list[Entry]]:  # type: ignore[no-untyped-def]
    entries_by_shard: list[list[Entry]] = await first(ALL, min(SAMPLE, limit))
    if limit <= SAMPLE:
        return entries_by_shard
    page = set(sorted((entry for entries in entries_by_shard for entry in entries), reverse=descending)[:limit])
    short = [shard for shard, entries in enumerate(entries_by_shard) if len(entries) == SAMPLE and entries[-1] in page]
    for shard, entries in zip(short, await first(short, limit), strict=True):
        entries_by_shard[shard] = entries
    return entries_by_shard
