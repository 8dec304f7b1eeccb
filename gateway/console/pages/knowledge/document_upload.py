"""The page to upload files that become documents."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from agent_worker.knowledge.text.documents import MAX_RAW_BYTES, document_id
from agent_worker.sources.registry import file_endings
from gateway.console.forms import Form, FormLimits
from gateway.console.pages.knowledge.document import VISIBILITIES
from gateway.console.rendering import render_page
from gateway.console.sessions import Operator, record_act
from gateway.knowledge.editor import DocumentEditor
from gateway.knowledge.uploads import DocumentUploads, UploadFile, UploadResult
from gateway.wiring.process_services import ProcessServices
from schemas.conversation import Visibility
from schemas.errors import InvalidRequest

UPLOAD_LIMITS = FormLimits(file_size=MAX_RAW_BYTES, files=5)
_VISIBILITIES: dict[str, Visibility] = {"public": "public", "verified": "verified", "internal": "internal"}


class DocumentUploadPage:
    def __init__(self, services: ProcessServices) -> None:
        self._uploads = DocumentUploads(DocumentEditor(services))
        self._audit = services.audit

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        return self._render_page(request, operator, [])

    async def upload(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        visibility = _VISIBILITIES.get(form.get("visibility"))
        if visibility is None:
            raise InvalidRequest("visibility: must be one of those that are offered")
        files = [UploadFile(file.name, file.data) for file in form.files]
        if not files:
            return self._render_page(request, operator, [], "No file was chosen.")
        tenant = request.match_info["tenant"]
        for file in files:
            # The documents of a file have its id; those of a file with several have ids that begin with it.
            subject = f"document:{document_id(file.name)}"
            await record_act(self._audit, operator, tenant, "knowledge.publish", subject)
        results = await self._uploads.publish(tenant, files, visibility, operator.label)
        failed = sum(bool(result.problem) for result in results)
        error = f"{failed} of {len(results)} files could not be read." if failed else ""
        return self._render_page(request, operator, results, error)

    def _render_page(
        self, request: web.Request, operator: Operator, results: Sequence[UploadResult], error: str = ""
    ) -> web.Response:
        return render_page(
            "document_upload.html",
            operator,
            request.match_info["tenant"],
            "knowledge",
            notice=error or ("Published. The next answer uses it." if results else ""),
            is_error=bool(error),
            results=results,
            endings=sorted(set(file_endings())),
            megabytes=MAX_RAW_BYTES // (1024 * 1024),
            most=UPLOAD_LIMITS.files,
            visibilities=VISIBILITIES,
        )
