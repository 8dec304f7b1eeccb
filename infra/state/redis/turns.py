"""Turns on Redis: the newest of each conversation, for people to look up."""

from __future__ import annotations

from infra.state import rules
from infra.state.redis.client.shards import Shards
from schemas.conversation import Turn


class RedisTurns:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def add(self, conversation: str, turn: Turn) -> None:
        body, at = turn.model_dump_json(), rules.to_micros(turn.at)
        await self._shards.run_for(conversation, "turn_add", ("tu:", "tz:"), turn.id, body, at, rules.TURNS_KEPT)

    async def list_newest(self, conversation: str, *, limit: int = 200) -> list[Turn]:
        (found,) = await self._shards.run_for(conversation, "turn_list", ("tu:", "tz:"), max(1, limit))
        return [Turn.model_validate_json(body) for body in found]
