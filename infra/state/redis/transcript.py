"""Transcripts and turns on Redis: one hash entry for each message or turn, and an index of their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
        line = await self._shards.values.seal_line(conversation, line)
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
        def change(before: TranscriptMessage) -> TranscriptMessage | None:
            if revision and revision < before.revision:
                return None
            return before.model_copy(update={"text": text, "revision": revision or before.revision})

        return await self._change(conversation, message_id, change, is_erased=not text) is not None

    async def attach(
        self, conversation: str, message_id: str, attachments: Sequence[Attachment]
    ) -> TranscriptMessage | None:
        return await self._change(conversation, message_id, lambda before: rules.attach_files(before, attachments))

    async def _change(
        self,
        conversation: str,
        message_id: str,
        change: Callable[[TranscriptMessage], TranscriptMessage | None],
        *,
        is_erased: bool = False,
    ) -> TranscriptMessage | None:
        """Change a line in one step, whoever else does. None if there is none, or ``change`` returns None."""
        values = self._shards.values
        for _ in range(ATTEMPTS):
            stored, seq = await self._shards.run_for(conversation, "transcript_find", ("t:", "n:"), message_id)
            line = await values.open_line(stored)
            if line is None:
                return None
            before = codec.unpack_line(line, int(seq))
            after = change(before)
            if after is None or (after == before and not is_erased):
                return after
            new = await values.seal_line(conversation, codec.repack_line(line, after, is_erased=is_erased))
            # Not done when the line is no longer as it was read.
            (done,) = await self._shards.run_for(conversation, "transcript_swap", ("t:",), message_id, stored, new)
            if done:
                return after
        raise StateUnavailable("a message changes faster than it can be written")

    async def redact(self, conversation: str, message_id: str) -> bool:
        """Empty a line. Returns whether it was not empty before."""
        was_empty = True

        def change(before: TranscriptMessage) -> TranscriptMessage | None:
            nonlocal was_empty
            was_empty = rules.is_redacted(before)
            return None if was_empty else rules.redact(before)

        return await self._change(conversation, message_id, change, is_erased=True) is not None and not was_empty

    async def find(self, conversation: str, message_id: str) -> TranscriptMessage | None:
        line, seq = await self._shards.run_for(conversation, "transcript_find", ("t:", "n:"), message_id)
        line = await self._shards.values.open_line(line)
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
        return codec.unpack_lines(await self._shards.values.open_lines(found))


class RedisTurns:
    """Turns on Redis: the newest of each conversation, for people to look up."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def add(self, conversation: str, turn: Turn) -> None:
        body = await self._shards.values.seal(conversation, turn.model_dump_json())
        at = rules.to_micros(turn.at)
        await self._shards.run_for(conversation, "turn_add", ("tu:", "tz:"), turn.id, body, at, rules.TURNS_KEPT)

    async def list_newest(self, conversation: str, *, limit: int = 200) -> list[Turn]:
        (found,) = await self._shards.run_for(conversation, "turn_list", ("tu:", "tz:"), max(1, limit))
        bodies = await self._shards.values.open_all(found)
        return [Turn.model_validate_json(body) for body in bodies if body is not None]
