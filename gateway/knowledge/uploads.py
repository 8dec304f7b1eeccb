"""Documents from uploaded files, in the formats that the source for files reads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent_worker.knowledge.text.documents import document_id
from agent_worker.sources.conversion import Conversion
from agent_worker.sources.files import documents_of
from agent_worker.sources.isolation import Isolation
from gateway.documents.document_sources import DocumentSource
from gateway.documents.sync import build_draft
from gateway.knowledge.editor import DocumentEditor
from schemas.conversation import Visibility
from schemas.errors import Conflict, ParleyError
from schemas.ports import DocumentDraft

MAX_ROWS = 2000
"""Documents that one file of questions and answers may contain; larger ones are read by ``parley knowledge add``."""
_CONVERSIONS = asyncio.Semaphore(1)
"""Files are converted one after another, each of which may take a gigabyte of memory in a process of its own."""


@dataclass(frozen=True, slots=True)
class UploadFile:
    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class UploadResult:
    """The result for one file: the ids of its documents, or the ``problem`` with what to do."""

    file: str
    documents: Sequence[str] = ()
    problem: str = ""


class DocumentUploads:
    def __init__(self, editor: DocumentEditor) -> None:
        self._editor = editor

    async def publish(
        self, tenant: str, files: Sequence[UploadFile], visibility: Visibility, changed_by: str
    ) -> list[UploadResult]:
        """Publish each file's documents in place of those with the same ids. A file that fails leaves the others
        alone."""
        results = []
        async with _CONVERSIONS, Isolation() as isolation:
            for file in files:
                try:
                    drafts = await read_drafts(Conversion(isolation), file, visibility)
                    await self._publish_drafts(tenant, drafts, changed_by)
                    results.append(UploadResult(file.name, [draft.id for draft in drafts]))
                except ParleyError as error:
                    results.append(UploadResult(file.name, problem=_describe_problem(error)))
        await self._editor.wait_until_indexed(tenant)
        return results

    async def _publish_drafts(self, tenant: str, drafts: Sequence[DocumentDraft], changed_by: str) -> None:
        for draft in drafts:
            existing = await self._editor.knowledge.find_searchable(tenant, draft.id)
            if existing is not None:
                self._editor.check_editable(tenant, existing)
        for draft in drafts:
            await self._editor.publish(tenant, replace(draft, changed_by=changed_by))


async def read_drafts(conversion: Conversion, file: UploadFile, visibility: Visibility) -> list[DocumentDraft]:
    """The documents in a file; ``visibility`` is for those that do not set their own. Raises what the format raises."""
    contents = await conversion(file.name, file.data, "")
    if len(contents) > MAX_ROWS:
        raise Conflict(
            f"{file.name}: {len(contents)} documents, at most {MAX_ROWS} are read from one upload",
            fix="split it, or use `parley knowledge add`",
        )
    source = DocumentSource(file.name, "", visibility)
    return [build_draft(source, document) for document in documents_of(document_id(file.name), file.name, contents)]


def _describe_problem(error: ParleyError) -> str:
    return f"{error.message}: {error.fix}" if error.fix else error.message
