"""Transcripts and turns on Redis: one hash entry for each message or turn, and an index of their order."""

from __future__ import annotations

from collections.abc import Sequence

from infra.state import rules
from infra.state.redis.client import codec
from infra.state.redis.client.shards import Shards
from schemas.conversation import Turn
from schemas.errors import IdReused, StateUnavailable
from schemas.messages import Attachment, MessageState, TranscriptMessage

ATTEMPTS = 50
PRECEDING_STATES: dict[MessageState, str] = {
    new: f" {' '.join(old for old in rules.STATE_RANK if rules.may_become(old, new))} " for new in rules.STATE_RANK
}
"""The states from which each state may be entered, as scripts look them up."""


class RedisTranscript:
    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def add(self, conversation: str, message: TranscriptMessage) -> int:
        known, line = codec.pack_line(message)
        (number,) = await self._shards.run_for(
            conversation, "transcript_add", ("c:", "t:", "n:", "p:"), message.id, known, line
        )
        if number == b"reused":
            raise IdReused("the same message id was used with different content")
        return int(number)

    async def mark(self, conversation: str, message_ids: Sequence[str], state: MessageState) -> None:
        if message_ids:
            await self._shards.run_for(
                conversation, "transcript_mark", ("t:",), state, PRECEDING_STATES[state], *message_ids
            )

    async def edit(self, conversation: str, message_id: str, text: str, *, revision: int = 0) -> bool:
        (found,) = await self._shards.run_for(conversation, "transcript_edit", ("t:",), message_id, text, revision)
        return bool(found)

    async def attach(
        self, conversation: str, message_id: str, attachments: Sequence[Attachment]
    ) -> TranscriptMessage | None:
        for _ in range(ATTEMPTS):
            line, seq = await self._shards.run_for(conversation, "transcript_find", ("t:", "n:"), message_id)
            if line is None:
                return None
            before = codec.unpack_line(line, int(seq))
            after = rules.attach_files(before, attachments)
            if after == before or await self._swap(conversation, message_id, line, codec.repack_line(line, after)):
                return after
        raise StateUnavailable("a message changes faster than it can be written")

    async def _swap(self, conversation: str, message_id: str, old: bytes, new: bytes) -> bool:
        """False when the line is no longer ``old``."""
        (done,) = await self._shards.run_for(conversation, "transcript_swap", ("t:",), message_id, old, new)
        return bool(done)

    async def redact(self, conversation: str, message_id: str) -> bool:
        """Empty a line. Returns whether it was not empty before."""
        for _ in range(ATTEMPTS):
            line, seq = await self._shards.run_for(conversation, "transcript_find", ("t:", "n:"), message_id)
            if line is None or rules.is_redacted(before := codec.unpack_line(line, int(seq))):
                return False
            if await self._swap(conversation, message_id, line, codec.pack_redacted(rules.redact(before))):
                return True
        raise StateUnavailable("a message changes faster than it can be written")

    async def find(self, conversation: str, message_id: str) -> TranscriptMessage | None:
        line, seq = await self._shards.run_for(conversation, "transcript_find", ("t:", "n:"), message_id)
        return None if line is None else codec.unpack_line(line, int(seq))

    async def read(self, conversation: str, *, after: int = 0, limit: int = 200) -> list[TranscriptMessage]:
        return await self._lines(conversation, "after", after, limit)

    async def read_recent(self, conversation: str, *, limit: int = 20) -> list[TranscriptMessage]:
        return await self._lines(conversation, "last", 0, limit)

    async def head(self, conversation: str) -> int:
        (head,) = await self._shards.run_for(conversation, "read_hash_field", ("c:",), "head")
        return int(head or 0)

    async def _lines(self, conversation: str, side: str, number: int, limit: int) -> list[TranscriptMessage]:
        if limit <= 0:
            return []
        (found,) = await self._shards.run_for(conversation, "transcript_read", ("t:", "n:"), side, number, limit)
        return codec.unpack_lines(found)


class RedisTurns:
    """Turns on Redis: the newest of each conversation, for people to look up."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def add(self, conversation: str, turn: Turn) -> None:
        body, at = turn.model_dump_json(), rules.to_micros(turn.at)
        await self._shards.run_for(conversation, "turn_add", ("tu:", "tz:"), turn.id, body, at, rules.TURNS_KEPT)

    async def list_newest(self, conversation: str, *, limit: int = 200) -> list[Turn]:
        (found,) = await self._shards.run_for(conversation, "turn_list", ("tu:", "tz:"), max(1, limit))
        return [Turn.model_validate_json(body) for body in found]
