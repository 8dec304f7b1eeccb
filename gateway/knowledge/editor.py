"""Changes to a tenant's documents by people and programs: publish, draft, restore, delete."""

from __future__ import annotations

import re
from dataclasses import replace

from agent_worker.knowledge.ingest.document_history import list_versions
from agent_worker.knowledge.ingest.publishing import delete, publish
from gateway.documents.document_sources import DocumentSource, configured_sources
from gateway.wiring.process_services import ProcessServices
from schemas.conversation import Document, DocumentProposal, DocumentVersion
from schemas.errors import Conflict, InvalidRequest, NotFound, Unavailable
from schemas.ports import DocumentDraft, Knowledge

DRAFT_ENDING = ".draft"
"""The id of a draft is that of its document with this ending, so that a document has at most one."""
SEARCHABLE_WITHIN = 3.0
"""Seconds to wait after a change."""
_ID = re.compile(r"\w[\w.-]{0,199}")


class DocumentEditor:
    """Every way to change a document goes through here, so that its earlier versions are kept."""

    def __init__(self, services: ProcessServices) -> None:
        self._services = services

    @property
    def knowledge(self) -> Knowledge:
        """Raises Unavailable in a process that does not search."""
        if self._services.knowledge is None:
            raise Unavailable("this process does not search documents")
        return self._services.knowledge

    async def find(self, tenant: str, document: str) -> Document:
        """The newest version. Raises NotFound, and Unavailable if it may be among those that are still indexed."""
        found = await self.knowledge.document(tenant, document)
        if found is None:
            is_complete = await self.knowledge.wait_until_indexed(tenant, SEARCHABLE_WITHIN)
            found = await self.knowledge.document(tenant, document)
            if found is None and not is_complete:
                raise Unavailable("the newest documents are still being indexed", retry_after_ms=2_000)
        if found is None:
            raise NotFound("no such document")
        return found

    async def publish(self, tenant: str, draft: DocumentDraft) -> int:
        """Returns the version. Raises DocumentTooLarge and Unprocessable.

        Among changes in quick succession, versions that no search had found yet do not join the history."""
        knowledge = self._services.knowledge
        previous = None if knowledge is None else await knowledge.find_searchable(tenant, draft.id)
        state, now = self._services.state, self._services.clock()
        return await publish(self._services.bus, state.heads, tenant, draft, now, previous=previous)

    async def save(self, tenant: str, draft: DocumentDraft, *, replaces: int) -> None:
        """Publish what a person wrote after reading version ``replaces`` (0: a new document), and remove the draft that
        it came from. Raises Conflict if somebody changed the document meanwhile."""
        await self._check_version(tenant, draft.id, replaces)
        await self.publish(tenant, draft)
        await self.discard_draft(tenant, draft.id)
        await self.wait_until_indexed(tenant)

    async def save_draft(self, tenant: str, draft: DocumentDraft, *, origin: str = "", reason: str = "") -> str:
        """Store a draft that nothing searches; returns its id."""
        proposal = DocumentProposal(document=draft.id, visibility=draft.visibility, origin=origin, reason=reason)
        stored = replace(draft, id=draft_id(draft.id), visibility="internal", proposal=proposal)
        await self.publish(tenant, stored)
        await self.wait_until_indexed(tenant)
        return stored.id

    async def discard_draft(self, tenant: str, document: str) -> None:
        """Remove the draft of a document, if there is one."""
        if await self.knowledge.document(tenant, draft_id(document)) is not None:
            await self.delete(tenant, draft_id(document))

    async def restore(self, tenant: str, document: Document, version: int, changed_by: str) -> None:
        """Publish an earlier version again. Raises NotFound if it is no longer kept."""
        earlier = find_version(document, version)
        await self.save(tenant, build_restored(document, earlier, changed_by), replaces=document.version)

    async def delete(self, tenant: str, document: str) -> None:
        state, now = self._services.state, self._services.clock()
        await delete(self._services.bus, state.heads, tenant, document, now)

    async def wait_until_indexed(self, tenant: str) -> None:
        """Wait until searches and lists show the last change, so that the next page does."""
        await self.knowledge.wait_until_indexed(tenant, SEARCHABLE_WITHIN)

    def find_source(self, tenant: str, document: Document | DocumentDraft) -> DocumentSource | None:
        """The configured source that owns a document, so that it has to be edited there."""
        if not document.source:
            return None
        sources = configured_sources(self._services.config, tenant)
        return next((source for source in sources if source.contains(document.source)), None)

    def check_editable(self, tenant: str, document: Document) -> None:
        """Raises Conflict for a document that a source owns: the next sync would undo the change."""
        if (source := self.find_source(tenant, document)) is not None:
            raise Conflict(
                f"the document comes from {source.label}, and the next sync would undo the change",
                fix="change it there",
            )

    async def _check_version(self, tenant: str, document: str, replaces: int) -> None:
        current = await self.knowledge.document(tenant, document)
        if current is None and replaces:
            raise Conflict("somebody deleted the document meanwhile")
        if current is not None and not replaces:
            raise Conflict("a document with this id exists already", fix="open it, or choose another id")
        if current is not None and current.version != replaces:
            who = f" by {current.changed_by}" if current.changed_by else ""
            raise Conflict(f"the document was changed meanwhile{who}", fix="open it again, and repeat your change")


def find_version(document: Document, version: int) -> DocumentVersion:
    """An earlier version. Raises NotFound."""
    found = next((each for each in list_versions(document) if each.version == version), None)
    if found is None:
        raise NotFound("this version is no longer kept")
    return found


def build_restored(document: Document, earlier: DocumentVersion, changed_by: str) -> DocumentDraft:
    return DocumentDraft(
        id=document.id,
        title=earlier.title,
        body=earlier.body,
        url=earlier.url,
        language=earlier.language,
        visibility=earlier.visibility,
        expires_at=earlier.expires_at,
        changed_by=changed_by,
    )


def draft_id(document: str) -> str:
    return document if document.endswith(DRAFT_ENDING) else document[: 200 - len(DRAFT_ENDING)] + DRAFT_ENDING


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def check_id(document: str) -> str:
    """Raises InvalidRequest."""
    if not is_id(document):
        raise InvalidRequest(
            "document: must be 1-200 letters, digits, '.', '_' and '-', beginning with a letter or digit"
        )
    return document
