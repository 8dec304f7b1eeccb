"""The transcript on Redis: one hash entry a message, and an index of their numbers."""

from __future__ import annotations

from collections.abc import Sequence

from infra.state import rules
from infra.state.redis import wire
from infra.state.redis.shards import Shards
from schemas.errors import IdReused
from schemas.messages import MessageState, TranscriptMessage

# The states from which each state may be entered, as transcript_mark.lua looks them up.
_AFTER: dict[MessageState, str] = {
    new: f" {' '.join(old for old in rules.STATE_RANK if rules.rises(old, new))} " for new in rules.STATE_RANK
}


class RedisTranscript:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def add(self, conversation: str, message: TranscriptMessage) -> int:
        known, line = wire.pack_line(message)
        (number,) = await self._shards.at(
            conversation, "transcript_add", ("c:", "t:", "n:", "p:"), message.id, known, line
        )
        if number == b"reused":
            raise IdReused("the same message id came with other content")
        return int(number)

    async def mark(self, conversation: str, message_ids: Sequence[str], state: MessageState) -> None:
        if message_ids:
            await self._shards.at(conversation, "transcript_mark", ("t:",), state, _AFTER[state], *message_ids)

    async def edit(self, conversation: str, message_id: str, text: str) -> bool:
        (found,) = await self._shards.at(conversation, "transcript_edit", ("t:",), message_id, text)
        return bool(found)

    async def find(self, conversation: str, message_id: str) -> TranscriptMessage | None:
        line, seq = await self._shards.at(conversation, "transcript_find", ("t:", "n:"), message_id)
        return None if line is None else wire.unpack_line(line, int(seq))

    async def read(self, conversation: str, *, after: int = 0, limit: int = 200) -> list[TranscriptMessage]:
        return await self._lines(conversation, "after", after, limit)

    async def recent(self, conversation: str, *, limit: int = 20) -> list[TranscriptMessage]:
        return await self._lines(conversation, "last", 0, limit)

    async def head(self, conversation: str) -> int:
        (head,) = await self._shards.at(conversation, "field", ("c:",), "head")
        return int(head or 0)

    async def _lines(self, conversation: str, side: str, number: int, limit: int) -> list[TranscriptMessage]:
        if limit <= 0:
            return []
        (found,) = await self._shards.at(conversation, "transcript_read", ("t:", "n:"), side, number, limit)
        return wire.unpack_lines(found)
