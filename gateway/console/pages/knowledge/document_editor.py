"""The page to write a document: edit, preview, save as a draft, publish."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

from aiohttp import web
from markupsafe import Markup

from agent_worker.knowledge.text.documents import check_body, document_id
from agent_worker.knowledge.text.front_matter import parse_attributes
from connectors.markup import render_html
from gateway.console.document_text import render_document_text
from gateway.console.forms import Form, FormLimits
from gateway.console.pages.knowledge.document import VISIBILITIES
from gateway.console.pages.knowledge.document_list import ASSURANCES, parse_question
from gateway.console.rendering import build_path, redirect, render_page
from gateway.console.sessions import Operator, record_act
from gateway.knowledge.editor import DocumentEditor, check_id, draft_id
from gateway.knowledge.trials import DocumentTrials, Trial, TrialAnswer
from gateway.wiring.process_services import ProcessServices
from schemas.conversation import Document, DocumentProposal
from schemas.errors import InvalidRequest, ParleyError, RequestError, Unprocessable
from schemas.ports import DocumentDraft

EDITOR_LIMITS = FormLimits(field_size=4 * 1024 * 1024)
"""A form without files encodes some letters as nine characters."""
MAX_TITLE = 300
MAX_ADDRESS = 2000


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of the form as they were typed. ``document`` is the id, empty for a new document; ``replaces`` the
    version that was opened."""

    document: str = ""
    replaces: str = "0"
    title: str = ""
    body: str = ""
    url: str = ""
    language: str = ""
    visibility: str = "public"
    expires_on: str = ""
    question: str = ""
    asker: str = "anonymous"

    @classmethod
    def of_form(cls, form: Form, document: str) -> Fields:
        names = ("title", "url", "language", "visibility", "expires_on", "question", "asker")
        given = {name: form.get(name).strip() for name in names}
        body = form.get("body").replace("\r\n", "\n")
        return cls(document=document, replaces=form.get("replaces") or "0", body=body, **given)

    @classmethod
    def of_document(cls, document: Document) -> Fields:
        proposal = document.proposal
        return cls(
            document=document.id if proposal is None else proposal.document,
            replaces=str(document.version),
            title=document.title,
            body=document.body,
            url=document.url,
            language=document.language,
            visibility=document.visibility if proposal is None else proposal.visibility,
            expires_on=f"{document.expires_at:%Y-%m-%d}" if document.expires_at else "",
        )


class DocumentEditorPage:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._editor = DocumentEditor(services)
        self._trials = DocumentTrials(services)

    async def show_new(self, request: web.Request, operator: Operator) -> web.Response:
        return self._render_form(request, operator, Fields())

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        """Show the form with a document, or with its draft if there is one."""
        document, draft = await self._find(request)
        shown = Fields.of_document(draft or document)
        replaces = str(document.version) if document.proposal is None else "0"
        return self._render_form(request, operator, replace(shown, replaces=replaces), draft=draft)

    async def submit_new(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        title = form.get("title").strip()
        return await self._submit(request, operator, form, Fields.of_form(form, document_id(title) if title else ""))

    async def submit(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        document, _ = await self._find(request)
        target = document.id if document.proposal is None else document.proposal.document
        return await self._submit(request, operator, form, Fields.of_form(form, target), document)

    async def _submit(
        self, request: web.Request, operator: Operator, form: Form, fields: Fields, document: Document | None = None
    ) -> web.Response:
        """Do what the button says. After an error, everything that was typed stays in the form."""
        tenant, act = request.match_info["tenant"], form.get("act")
        try:
            draft = replace(parse_fields(fields, document), changed_by=operator.label)
            if act == "preview":
                text = await asyncio.to_thread(render_document_text, draft.title, draft.body, below=3)
                return self._render_form(request, operator, fields, preview=text)
            if act == "try":
                asked, assurance = parse_question(fields.question), ASSURANCES.get(fields.asker, "anonymous")
                trial = await self._trials.ask(tenant, draft, asked, assurance)
                return self._render_form(request, operator, fields, trial=trial)
            shown = draft.id
            what = "knowledge.draft" if act == "draft" else "knowledge.publish"
            await record_act(self._services.audit, operator, tenant, what, f"document:{draft.id}")
            if act == "draft":
                proposal = document.proposal if document is not None else None
                shown = await self._save_draft(tenant, draft, proposal)
            else:
                await self._editor.save(tenant, draft, replaces=_parse_version(fields.replaces))
        except RequestError as error:
            return self._render_form(request, operator, fields, error=_describe_error(error))
        notice = "draft" if act == "draft" else "saved"
        return redirect(f"{build_path(tenant, 'knowledge', 'documents', shown)}?notice={notice}")

    async def _save_draft(self, tenant: str, draft: DocumentDraft, proposal: DocumentProposal | None) -> str:
        kept = proposal or DocumentProposal(document=draft.id)
        return await self._editor.save_draft(tenant, draft, origin=kept.origin, reason=kept.reason)

    async def _find(self, request: web.Request) -> tuple[Document, Document | None]:
        """The document and its draft. Raises Conflict if a source owns it."""
        tenant, name = request.match_info["tenant"], check_id(request.match_info["document"])
        document = await self._editor.find(tenant, name)
        self._editor.check_editable(tenant, document)
        if document.proposal is None:
            return document, await self._editor.knowledge.document(tenant, draft_id(name))
        published = await self._editor.knowledge.document(tenant, document.proposal.document)
        return (published, document) if published is not None else (document, document)

    def _render_form(
        self,
        request: web.Request,
        operator: Operator,
        fields: Fields,
        *,
        draft: Document | None = None,
        preview: Markup | None = None,
        trial: Trial | None = None,
        error: str = "",
    ) -> web.Response:
        tenant, is_new = request.match_info["tenant"], "document" not in request.match_info
        back = ("documents", fields.document) if not is_new else ()
        return render_page(
            "document_editor.html",
            operator,
            tenant,
            "knowledge",
            status=200 if not error else 422,
            notice=error,
            is_error=bool(error),
            fields=fields,
            is_new=is_new,
            draft=draft,
            preview=preview,
            trial=None if trial is None else describe_trial(trial),
            is_same=trial is not None and trial.is_same,
            askers={"anonymous": "an anonymous contact", "verified": "a verified contact"},
            visibilities=VISIBILITIES,
            max_title=MAX_TITLE,
            action=request.path,
            back=build_path(tenant, "knowledge", *back),
        )


def describe_trial(trial: Trial) -> list[tuple[str, Markup, TrialAnswer]]:
    """Each answer with its heading, and its text as safe HTML."""
    answers = (("Now", trial.before), ("With your text", trial.after))
    return [(heading, Markup(render_html(answer.text)), answer) for heading, answer in answers]  # noqa: S704 - safe HTML


def parse_fields(fields: Fields, document: Document | None = None) -> DocumentDraft:
    """The document that the form describes; ``document`` is the one that it changes. Raises InvalidRequest and
    Unprocessable."""
    if not fields.title or len(fields.title) > MAX_TITLE or not fields.title.isprintable():
        raise InvalidRequest(f"title: must have 1 to {MAX_TITLE} letters, on one line")
    if fields.visibility not in VISIBILITIES:
        raise InvalidRequest("visibility: must be one of those that are offered")
    given = {"url": fields.url, "language": fields.language, "expires_at": fields.expires_on}
    try:
        attributes = parse_attributes("the form", given | {"visibility": fields.visibility})
    except (Unprocessable, ValueError):
        raise Unprocessable(_find_wrong_attribute(given)) from None
    if not fields.body.strip():
        raise InvalidRequest("text: the document is empty")
    check_body("the document", fields.body)
    return DocumentDraft(
        id=check_id(fields.document),
        title=fields.title,
        body=fields.body,
        url=attributes.url,
        language=attributes.language,
        visibility=attributes.visibility or "public",
        expires_at=_keep_time(document, attributes.expires_at),
    )


def _find_wrong_attribute(given: dict[str, str]) -> str:
    hints = {
        "url": f"address: must begin with https:// and have at most {MAX_ADDRESS} characters",
        "language": "language: must be a code such as de or pt-BR",
        "expires_at": "last day: must be a date such as 2027-01-31",
    }
    for name, value in given.items():
        try:
            parse_attributes("the form", {name: value})
        except (Unprocessable, ValueError):
            return hints[name]
    return "the form contains a value that is not valid"


def _keep_time(document: Document | None, expires_at: datetime | None) -> datetime | None:
    """A time of day that the form does not show stays as it is while the day does."""
    before = document.expires_at if document is not None else None
    if before is not None and expires_at is not None and before.date() == expires_at.date():
        return before
    return expires_at


def _parse_version(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InvalidRequest("the form is malformed")
    return int(text)


def _describe_error(error: ParleyError) -> str:
    text = f"Nothing was saved. {error.message[:1].upper()}{error.message[1:]}"
    return f"{text}: {error.fix}." if error.fix else f"{text}."
