"""Citations of documents in conversations, counted from the transcripts.

Nothing is stored for this: transcripts survive crashes and are rebuilt from the log, and a count beside them could only
differ from them. Counting is limited to the newest conversations, and the result says back to when it reaches."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gateway.wiring.process_services import ProcessServices
from schemas.conversation import Conversation
from schemas.messages import TranscriptMessage

MAX_CONVERSATIONS = 2000
"""The newest conversations of a tenant that are read."""
MAX_LINES = 200
"""The newest lines of each conversation that are read."""
KEEP_FOR = timedelta(minutes=1)
"""A count is used again for this long."""
MAX_LISTED = 20
"""Conversations that are listed of a version."""
_PAGE_SIZE = 100
_CONCURRENT = 10


@dataclass(frozen=True, slots=True)
class ConversationCitation:
    """A conversation in which a document was cited."""

    id: str
    channel: str
    at: datetime


@dataclass(slots=True)
class CitationCounts:
    """Citations of one document: of each version, and the newest conversations with them."""

    by_version: Counter[int] = field(default_factory=Counter)
    conversations: dict[int, list[ConversationCitation]] = field(default_factory=lambda: defaultdict(list))
    last_at: datetime | None = None

    @property
    def total(self) -> int:
        return self.by_version.total()

    def of_version(self, version: int) -> CitationCounts:
        counts = Counter({version: self.by_version[version]})
        return CitationCounts(counts, {version: self.conversations.get(version, [])}, self.last_at)

    def list_conversations(self) -> list[ConversationCitation]:
        """The newest conversations, each once."""
        unique = {each.id: each for listed in self.conversations.values() for each in listed}
        return sorted(unique.values(), key=lambda each: each.at, reverse=True)[:MAX_LISTED]

    def add(self, conversation: Conversation, line: TranscriptMessage, version: int) -> None:
        self.by_version[version] += 1
        self.last_at = line.created_at if self.last_at is None else max(self.last_at, line.created_at)
        listed = self.conversations[version]
        if all(each.id != conversation.id for each in listed) and len(listed) < MAX_LISTED:
            listed.append(ConversationCitation(conversation.id, conversation.origin.channel, line.created_at))


@dataclass(frozen=True, slots=True)
class CitationCoverage:
    """The part of the conversations that was read. ``since``: the oldest of them; None if there is none. ``complete``:
    there are no older ones."""

    conversations: int = 0
    since: datetime | None = None
    complete: bool = True


@dataclass(slots=True)
class CitationIndex:
    coverage: CitationCoverage
    documents: dict[str, CitationCounts] = field(default_factory=lambda: defaultdict(CitationCounts))

    def of(self, document: str) -> CitationCounts:
        return self.documents.get(document, CitationCounts())


class Citations:
    """Counts citations of a tenant's documents."""

    def __init__(self, services: ProcessServices) -> None:
        self._state = services.state
        self._clock = services.clock
        self._recent: dict[str, tuple[datetime, CitationIndex]] = {}
        self._lock = asyncio.Lock()

    async def find(self, tenant: str) -> CitationIndex:
        """The citations of all documents, at most a minute old."""
        async with self._lock:
            counted_at, index = self._recent.get(tenant, (None, CitationIndex(CitationCoverage())))
            if counted_at is None or self._clock() - counted_at > KEEP_FOR:
                index = await self._count(tenant)
                self._recent[tenant] = self._clock(), index
            return index

    async def _count(self, tenant: str) -> CitationIndex:
        documents: dict[str, CitationCounts] = defaultdict(CitationCounts)
        read, since, after = 0, None, ""
        while True:
            page = await self._state.conversations.list_page(tenant, after=after, limit=_PAGE_SIZE)
            for start in range(0, len(page.items), _CONCURRENT):
                batch = page.items[start : start + _CONCURRENT]
                found = await asyncio.gather(*(self._read_lines(each.id) for each in batch))
                for conversation, lines in zip(batch, found, strict=True):
                    _add_citations(documents, conversation, lines)
            read += len(page.items)
            since = page.items[-1].updated_at if page.items else since
            after = page.next
            if not after or read >= MAX_CONVERSATIONS:
                return CitationIndex(CitationCoverage(read, since, not after), documents)

    async def _read_lines(self, conversation: str) -> Sequence[TranscriptMessage]:
        return await self._state.transcript.read_recent(conversation, limit=MAX_LINES)


def _add_citations(
    documents: dict[str, CitationCounts], conversation: Conversation, lines: Sequence[TranscriptMessage]
) -> None:
    for line in lines:
        # One answer may quote several passages of a document, which counts once.
        for document, version in dict.fromkeys((each.document, each.version) for each in line.citations):
            documents[document].add(conversation, line, version)
