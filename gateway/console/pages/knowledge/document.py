"""The page of a document: its text, versions and citations, and the forms to restore and delete it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from agent_worker.knowledge.ingest.document_history import list_versions
from gateway.console.document_text import MAX_SHOWN, render_document_text
from gateway.console.forms import Form
from gateway.console.pages.knowledge.document_list import describe_place, is_expired
from gateway.console.rendering import build_path, redirect, render_page
from gateway.console.sessions import Operator
from gateway.knowledge.citations import CitationCounts, Citations
from gateway.knowledge.editor import DocumentEditor, check_id, draft_id, find_version
from gateway.knowledge.version_changes import describe_changes, list_changed_lines
from gateway.wiring.process_services import ProcessServices
from schemas.conversation import Document, DocumentVersion
from schemas.errors import Conflict, InvalidRequest

VISIBILITIES = {
    "public": "public: for everybody",
    "verified": "verified: for contacts who proved who they are",
    "internal": "internal: for no customer",
}
NOTICES = {
    "saved": "Published. The next answer uses it.",
    "restored": "The earlier version is published again.",
    "draft": "Saved as a draft. No customer sees it before you publish it.",
}


@dataclass(frozen=True, slots=True)
class VersionRow:
    """A version in the list, the newest first. ``url`` is empty for the current one."""

    version: Document | DocumentVersion
    changes: list[str]
    counts: CitationCounts
    url: str


class DocumentPage:
    def __init__(self, services: ProcessServices, citations: Citations) -> None:
        self._services = services
        self._editor = DocumentEditor(services)
        self._citations = citations

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        document = await self._find(request)
        tenant = request.match_info["tenant"]
        text, found = await asyncio.gather(
            asyncio.to_thread(render_document_text, document.title, document.body), self._citations.find(tenant)
        )
        source = self._editor.find_source(tenant, document)
        draft = await self._editor.knowledge.document(tenant, draft_id(document.id))
        return render_page(
            "document.html",
            operator,
            tenant,
            "knowledge",
            notice=NOTICES.get(request.query.get("notice", ""), ""),
            document=document,
            text=text,
            is_cut=len(document.body) > MAX_SHOWN,
            visibilities=VISIBILITIES,
            place=describe_place(source.label if source else document.source),
            is_owned=source is not None,
            is_expired=is_expired(document, self._services.clock()),
            versions=self._list_rows(tenant, document, found.of(document.id)),
            citations=found.of(document.id),
            coverage=found.coverage,
            draft=draft if draft is not None and document.proposal is None else None,
            base=build_path(tenant, "knowledge", "documents", document.id),
        )

    async def show_version(self, request: web.Request, operator: Operator) -> web.Response:
        """Show an earlier version, and the lines that differ from the current one."""
        document, tenant = await self._find(request), request.match_info["tenant"]
        number = request.match_info["version"]
        if not (number.isascii() and number.isdigit() and len(number) < 16):
            raise InvalidRequest("version: must be a whole number")
        earlier = find_version(document, int(number))
        text = await asyncio.to_thread(render_document_text, earlier.title, earlier.body, below=2)
        return render_page(
            "document_version.html",
            operator,
            tenant,
            "knowledge",
            document=document,
            earlier=earlier,
            text=text,
            lines=await asyncio.to_thread(list_changed_lines, earlier.body, document.body),
            changes=describe_changes(earlier, document),
            is_owned=self._editor.find_source(tenant, document) is not None,
            visibilities=VISIBILITIES,
            base=build_path(tenant, "knowledge", "documents", document.id),
        )

    async def restore(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        document, tenant = await self._find(request), request.match_info["tenant"]
        self._editor.check_editable(tenant, document)
        version = form.get("version")
        if not (version.isascii() and version.isdigit() and len(version) < 16):
            raise InvalidRequest("version: must be a whole number")
        await self._editor.restore(tenant, document, int(version), operator.label)
        return redirect(f"{build_path(tenant, 'knowledge', 'documents', document.id)}?notice=restored")

    async def delete(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """Delete a document that no source owns; a box has to be ticked, since its versions go with it."""
        document, tenant = await self._find(request), request.match_info["tenant"]
        self._editor.check_editable(tenant, document)
        if document.proposal is None and form.get("sure") != "yes":
            raise Conflict("nothing was deleted", fix="tick the box to confirm that its versions are deleted, too")
        await self._editor.delete(tenant, document.id)
        await self._editor.wait_until_indexed(tenant)
        notice = "deleted" if document.proposal is None else "discarded"
        return redirect(f"{build_path(tenant, 'knowledge')}?notice={notice}")

    async def _find(self, request: web.Request) -> Document:
        return await self._editor.find(request.match_info["tenant"], check_id(request.match_info["document"]))

    def _list_rows(self, tenant: str, document: Document, counts: CitationCounts) -> list[VersionRow]:
        earlier = list_versions(document)
        base = build_path(tenant, "knowledge", "documents", document.id)
        all_versions: list[Document | DocumentVersion] = [document, *earlier]
        rows = []
        for number, version in enumerate(all_versions):
            before = all_versions[number + 1] if number + 1 < len(all_versions) else None
            url = "" if number == 0 else f"{base}/versions/{version.version}"
            changes = describe_changes(before, version) if before is not None else []
            rows.append(VersionRow(version, changes, counts.of_version(version.version), url))
        return rows
