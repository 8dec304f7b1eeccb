"""The history of a conversation: the numbered transcript that both sides see, and the turns that led to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from schemas.conversation import Turn
from schemas.messages import Attachment, MessageState, TranscriptMessage


class Transcript(Protocol):
    async def add(self, conversation: str, message: TranscriptMessage) -> int:
        """Add a message and return its sequence number. Idempotent by ``message.id``. Raises IdReused when the same id
        comes with another text, other attachments or another kind of author."""

    async def mark(self, conversation: str, message_ids: Sequence[str], state: MessageState) -> None:
        """Set the state of messages. States only rise (accepted < sent < delivered < read); ``failed``, ``dropped`` and
        ``deleted`` are final. Unknown ids are ignored."""

    async def edit(self, conversation: str, message_id: str, text: str, *, revision: int = 0) -> bool:
        """Replace the text, or erase it with "". False when the message is unknown or already has a higher revision;
        revision 0 means that the vendor does not count, and always applies."""

    async def attach(
        self, conversation: str, message_id: str, attachments: Sequence[Attachment]
    ) -> TranscriptMessage | None:
        """Set a message's attachments; an empty list removes them. Changes nothing when the message is deleted, or has
        attachments that the list does not begin with. Returns the message as it is then, None when it is unknown."""

    async def find(self, conversation: str, message_id: str) -> TranscriptMessage | None: ...
    async def read(self, conversation: str, *, after: int = 0, limit: int = 200) -> list[TranscriptMessage]: ...
    async def read_recent(self, conversation: str, *, limit: int = 20) -> list[TranscriptMessage]:
        """The last ``limit`` messages, in ascending order."""

    async def head(self, conversation: str) -> int:
        """The highest sequence number; 0 when there is none."""


class Turns(Protocol):
    """The newest 200 turns of each conversation, for people to look up. The facts themselves are on ``parley.events``;
    a store that has lost its turns is not rebuilt for them."""

    async def add(self, conversation: str, turn: Turn) -> None:
        """Idempotent by ``turn.id``: the first one stays."""

    async def list_newest(self, conversation: str, *, limit: int = 200) -> list[Turn]:
        """The newest ``limit`` turns, oldest first."""
