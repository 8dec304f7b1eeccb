"""Held removals: documents that are gone from a source, but so many that an operator decides whether they go.

Where access is controlled, such as in Notion or Drive, they may be gone because a permission was taken back. They
answer no questions until the decision then: they expire at once, and get their old expiry back if they are kept."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from agent_worker.knowledge.ingest.publishing import delete, publish
from gateway.documents.document_sources import DocumentSource
from gateway.documents.source_state import PendingRemoval, SourceState, SourceStates
from gateway.wiring.process_services import ProcessServices
from schemas.conversation import Document
from schemas.errors import Conflict, SetupError
from schemas.ports import DocumentDraft


class RemovalDecisions:
    """The held removals of one tenant's sources."""

    def __init__(self, services: ProcessServices, tenant: str) -> None:
        self._services = services
        self._tenant = tenant
        self._states = SourceStates(services.state.leases, services.clock)

    async def approve(self, source: DocumentSource) -> list[str]:
        """Remove the held documents, except those that another source has published since. Raises Conflict while the
        source is synced, or if there are none."""
        taken, services = await self._take(source.id, keep=False), self._services
        removed = []
        for id in taken.documents:
            document = await self._find(id)
            if document is not None and source.contains(document.source):
                await delete(services.bus, services.state.heads, self._tenant, id, services.clock())
                removed.append(id)
        return removed

    async def discard(self, source: DocumentSource) -> list[str]:
        """Keep the held documents, now and after later syncs. Raises Conflict while the source is synced, or if there
        are none."""
        held = _require_held(await self._states.read(self._tenant, source.id))
        # Before the old expiries are forgotten: a kill in between asks again.
        await self.restore(held.hidden)
        return (await self._take(source.id, keep=True)).documents

    async def _take(self, source: str, *, keep: bool) -> PendingRemoval:
        found: list[PendingRemoval] = []

        def change(state: SourceState) -> None:
            held = _require_held(state)
            found.append(held)
            if keep:
                state.kept = sorted({*state.kept, *held.documents})
            state.held = None

        await self._states.change(self._tenant, source, change)
        return found[0]

    async def read_expiries(self, documents: Iterable[str]) -> dict[str, str]:
        """The time at which each document expires by itself, or empty. ``restore`` takes them."""
        found = [document for id in documents if (document := await self._find(id)) is not None]
        return {each.id: each.expires_at.isoformat() if each.expires_at else "" for each in found}

    async def hide(self, documents: Iterable[str]) -> None:
        """Let documents expire now. Their own expiries must be stored already."""
        now = self._services.clock()
        for id in documents:
            document = await self._find(id)
            if document is not None and (document.expires_at is None or document.expires_at > now):
                await self._publish(document, now)

    async def restore(self, hidden: dict[str, str]) -> None:
        """Give documents back the expiry that they had."""
        for id, expires in hidden.items():
            document = await self._find(id)
            if document is not None:
                await self._publish(document, datetime.fromisoformat(expires) if expires else None)

    async def _find(self, id: str) -> Document | None:
        if self._services.knowledge is None:
            raise SetupError("this process does not search documents")
        return await self._services.knowledge.document(self._tenant, id)

    async def _publish(self, document: Document, expires_at: datetime | None) -> None:
        draft = DocumentDraft(
            id=document.id,
            title=document.title,
            body=document.body,
            url=document.url,
            language=document.language,
            visibility=document.visibility,
            expires_at=expires_at,
            source=document.source,
        )
        services = self._services
        await publish(services.bus, services.state.heads, self._tenant, draft, services.clock())


def _require_held(state: SourceState) -> PendingRemoval:
    """Raises Conflict."""
    if state.running is not None:
        raise Conflict("the source is being synced", fix="decide when the sync has ended")
    if state.held is None:
        raise Conflict("no removal waits for a decision")
    return state.held
