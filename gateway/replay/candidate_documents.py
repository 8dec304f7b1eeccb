"""The documents of a candidate's folder in place of the published ones, as a sync would publish them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from gateway.config.settings import Config
from gateway.documents.content_hash import hash_document
from gateway.documents.crawl_state import CrawlStateStore
from gateway.documents.document_sources import DocumentSource, path_sources
from gateway.documents.document_store import PublishedDocument
from gateway.documents.sync import sync_documents
from schemas.conversation import Document
from schemas.errors import ConfigInvalid
from schemas.ports import DocumentDraft


class CandidateDocuments:
    """Implements DocumentStore in memory. A changed document gets a version above all others."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self.documents = {document.id: document for document in documents}
        self._version = max((document.version for document in self.documents.values()), default=0)

    async def list_published(self) -> dict[str, PublishedDocument]:
        return {id: PublishedDocument(hash_document(each), each.source) for id, each in self.documents.items()}

    async def put(self, draft: DocumentDraft) -> None:
        self._version += 1
        self.documents[draft.id] = draft.build_document(self._version, datetime.now(UTC))

    async def remove(self, document: str) -> None:
        self.documents.pop(document, None)


async def replace_documents(
    config: Config, tenant: str, documents: Iterable[Document], folder: Path, scratch: Path
) -> list[Document]:
    """The documents as they were after a sync of this folder. If the tenant has one folder of its own, the candidate's
    stands for it, and documents that are missing there are gone. ``scratch``: a folder for temporary files. Raises
    ConfigInvalid if a file cannot be read."""
    store = CandidateDocuments(documents)
    own = path_sources(config, tenant)
    source = DocumentSource(str(folder), own[0].label if len(own) == 1 else str(folder))
    return await _sync(store, [source], scratch, "check `knowledge` of the candidate")


async def read_configured_documents(config: Config, tenant: str, scratch: Path) -> list[Document]:
    """The documents in the files and folders that are configured for a tenant. Raises ConfigInvalid if one cannot be
    read."""
    return await _sync(CandidateDocuments([]), path_sources(config, tenant), scratch, "check `knowledge.paths`")


async def _sync(
    store: CandidateDocuments, sources: Sequence[DocumentSource], scratch: Path, fix: str
) -> list[Document]:
    crawl_states = CrawlStateStore(scratch / "crawl.json")
    report = await sync_documents(store, sources, remove=True, crawl_states=crawl_states, allow_removals=True)
    if report.failed:
        name, why = next(iter(report.failed.items()))
        raise ConfigInvalid(f"{name}: {why}", fix=fix)
    return list(store.documents.values())
