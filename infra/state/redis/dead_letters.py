"""Dead letters on Redis: all of a tenant's on one shard, so that they are ordered."""

from __future__ import annotations

from infra.bus.partitioner import shard_of
from infra.state import rules
from infra.state.redis.client.shards import Shards, quote_part
from schemas.conversation import DeadLetter
from schemas.errors import NotFound


class RedisDeadLetters:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def add(self, letter: DeadLetter) -> None:
        shard, letters, replays, order = self._keys(letter.tenant)
        at = rules.to_micros(letter.last_at)
        body = letter.model_dump_json()
        await self._shards.run(shard, "letter_add", [letters, order, replays], letter.id, body, at, letter.replays)

    async def get(self, tenant: str, letter: str) -> DeadLetter | None:
        shard, letters, replays, _ = self._keys(tenant)
        body, count = await self._shards.run(shard, "letter_get", [letters, replays], letter)
        return None if body is None else _letter(body, count)

    async def count_replay(self, tenant: str, letter: str) -> int:
        shard, letters, replays, _ = self._keys(tenant)
        (count,) = await self._shards.run(shard, "letter_replayed", [letters, replays], letter)
        if not count:
            raise NotFound("no such dead letter")
        return int(count)

    async def list_page(self, tenant: str, *, after: str = "", limit: int = 50) -> tuple[list[DeadLetter], str]:
        at, id_ = rules.cursor_place(after) if after else ("", "")
        size = max(1, limit)
        shard, *keys = self._keys(tenant)
        (flat,) = await self._shards.run(shard, "letter_list", keys, at, id_, size + 1)
        letters = [_letter(flat[at + 1], flat[at + 2]) for at in range(0, len(flat), 3)]
        items = letters[:size]
        more = len(letters) > size
        return items, rules.cursor(rules.to_micros(items[-1].last_at), items[-1].id) if more else ""

    def _keys(self, tenant: str) -> tuple[int, str, str, str]:
        """``(shard, letters, replays, order)``."""
        shard = shard_of(f"dead_letters:{tenant}")
        letters, replays, order = (self._shards.key(shard, kind, quote_part(tenant)) for kind in ("b", "br", "bz"))
        return shard, letters, replays, order


def _letter(body: bytes, replays: bytes | None) -> DeadLetter:
    return DeadLetter.model_validate_json(body).model_copy(update={"replays": int(replays or 0)})
