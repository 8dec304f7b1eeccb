"""Knowledge: searching a tenant's documents."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from schemas.conversation import Document
from schemas.messages import Assurance, Citation
from schemas.runtime.fair_rotation import Party


@dataclass(frozen=True, slots=True)
class Passage:
    """One retrieved piece of a document. ``score`` is calibrated to 0–1; ``text`` is verbatim.
    ``related``: False if it has nothing to do with the question that it was found for, but nothing nearer was found."""

    tenant: str
    document: str
    version: int
    title: str
    heading: str
    url: str
    text: str
    score: float
    related: bool = True

    def cite(self, number: int, quote: str) -> Citation:
        """The citation of a part of this passage."""
        return Citation(
            n=number,
            document=self.document,
            title=self.title,
            heading=self.heading,
            url=self.url,
            version=self.version,
            quote=quote,
        )


@dataclass(frozen=True, slots=True)
class SearchResult:
    """``answerable``: the first passage surely answers; ``confidence``: how likely it does, 0–1. ``encoder`` names the
    encoder that was used, empty when only words were compared; ``vector`` is the query's vector. ``stale``: the newest
    change of the tenant's documents was not searchable yet, or some are being read for the first time; ``partial``: so
    many may be missing that even an ``answerable`` result is not sure.
    ``suggestable``: one of the first passages may answer, so that they are worth offering; ``probable``: the first one
    probably does, though not surely. ``has_documents``: False if the tenant has none, so that no search finds
    anything."""

    passages: list[Passage]
    answerable: bool
    confidence: float
    encoder: str = ""
    vector: Sequence[float] = ()
    stale: bool = False
    partial: bool = False
    suggestable: bool = False
    probable: bool = False
    has_documents: bool = True

    @property
    def related_passages(self) -> list[Passage]:
        """Those that have to do with the question."""
        return [passage for passage in self.passages if passage.related]

    @property
    def may_answer(self) -> bool:
        """Whether one of the first passages answers, surely or not."""
        return self.answerable or self.suggestable


ImportState = Literal["", "more", "first"]
"""Documents are being read that were never read before: beside others, or as the tenant's first ones."""
AssuranceLookup = Callable[[], Awaitable[Assurance]]
"""Looks up how sure we are of the contact's identity."""


TrialSearch = Callable[[str, str], Awaitable[SearchResult]]
"""Searches as if a document were published: ``(query, language)``."""


class Knowledge(Protocol):
    async def search(
        self,
        tenant: str,
        query: str,
        *,
        k: int = 8,
        wait: float = 0.25,
        party: Party | None = None,
        assurance: Assurance | AssuranceLookup = "anonymous",
        language: str = "",
        since: float = math.inf,
        vector: bool = False,
    ) -> SearchResult:
        """Search the documents that the contact may see: public ones, and those for ``verified`` contacts given that
        ``assurance``, which is looked up only if there are any; never internal or expired ones. Documents in another
        ``language`` (such as ``de``) rank lower; empty: no preference.

        Waits up to ``wait`` seconds, and two more if only a few documents are missing, until the tenant's newest write
        is searchable; otherwise the result is ``stale``. Only writes from before now count, or from before ``since``
        (``time.monotonic``), when the contact's message was read. Searches of different tenants take turns,
        and in each of them those of different parties. ``vector``: return the query's vector even if there is nothing
        to search."""

    async def wait_until_indexed(self, tenant: str, wait: float) -> bool:
        """Wait up to ``wait`` seconds until everything written for a tenant is searchable; returns whether it is."""

    async def is_current(self, tenant: str, wait: float) -> bool:
        """Wait up to ``wait`` seconds for the tenant's newest write; returns whether a search would not be stale."""

    async def give_way(self, worked: float) -> None:
        """Called between changes of an import, with the seconds that the last one took: wait while questions are
        being answered, so that they do not wait for the import."""

    async def documents(self, tenant: str) -> list[Document]:
        """All documents of any visibility: for managing documents, not for answering."""

    async def document(self, tenant: str, document: str) -> Document | None:
        """One document of any visibility."""

    async def list_page(self, tenant: str, after: str, limit: int) -> list[Document]:
        """The first ``limit`` documents whose ids come after ``after``, in the order of their ids."""

    async def list_outlines(self, tenant: str) -> list[Document]:
        """All documents without their text and history, in the order of their ids: for lists."""

    async def find_searchable(self, tenant: str, document: str) -> Document | None:
        """The version that searches find at present, without waiting for a newer one."""

    def open_trial(
        self, tenant: str, document: Document, assurance: Assurance
    ) -> AbstractAsyncContextManager[TrialSearch]:
        """A copy of what is searchable, in which ``document`` is published; until the end of the block."""

    async def wait_until_ready(self) -> None:
        """Wait until every tenant's documents are searchable."""
