"""The recordings that the admin API streams, read back into documents and conversations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import orjson

from agent_worker.learning.conversation_log import ConversationLog, RecordedEvent, read_conversation
from schemas.conversation import Document


class RecordingReader:
    """Reads the lines in their order: first ``read_head``, then ``conversations``. ``count``: the number of
    conversations."""

    def __init__(self, lines: Iterator[str], tenant: str) -> None:
        self._lines = lines
        self._tenant = tenant
        self._first: RecordedEvent | None = None
        self.count = 0

    def read_head(self) -> list[Document]:
        """The number of conversations, and the documents."""
        documents: list[Document] = []
        for line in self._lines:
            content = orjson.loads(line)
            if "conversations" in content:
                self.count = content["conversations"]
            elif "document" in content:
                documents.append(Document.model_validate(content["document"]))
            else:
                self._first = _read_event(content)
                break
        return documents

    def conversations(self) -> Iterator[ConversationLog]:
        """Each conversation with all of its events."""
        events = [] if self._first is None else [self._first]
        for line in self._lines:
            content = orjson.loads(line)
            if (id := content.get("end")) is None:
                events.append(_read_event(content))
                continue
            yield read_conversation(id, self._tenant, events)
            events = []


def _read_event(content: dict[str, str]) -> RecordedEvent:
    return RecordedEvent(
        id=content["id"],
        type=content["type"],
        channel=content["channel"],
        account=content["account"],
        at=datetime.fromisoformat(content["at"]),
        body=content["body"].encode(),
        replay_of=content["replay_of"],
    )
