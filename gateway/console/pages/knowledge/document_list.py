"""The list of the tenant's documents, and the form to test a question: passages found, route taken, and reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gateway.admin.route_explanation import RouteApi, serialize_route
from gateway.console.forms import Form
from gateway.console.pages.turn_reasons import format_scores
from gateway.console.rendering import build_path, build_url, render_page
from gateway.console.sessions import Operator
from gateway.http.responses import describe_validation_error
from gateway.knowledge.editor import DocumentEditor
from gateway.wiring.process_services import ProcessServices
from schemas.conversation import Document
from schemas.errors import InvalidRequest
from schemas.messages import Assurance, Text
from schemas.ports import Passage, SearchResult

PAGE_SIZE = 100
SOON = timedelta(days=14)
"""A document that expires within this time is listed as expiring soon."""
OWN = "own"
"""The value of the filter by source for documents that were written here or over the API."""
STATES = {"": "All", "expired": "Expired", "expiring": "Expiring within 14 days", "drafts": "Drafts"}
PLACES = {"notion": "Notion", "drive": "Google Drive", "youtube": "YouTube"}
NOTICES = {"deleted": "Deleted.", "discarded": "The draft is discarded."}
_FILTERS = ("q", "source", "visibility", "state")
MAX_PASSAGES = 8
ASSURANCES: dict[str, Assurance] = {"anonymous": "anonymous", "verified": "verified"}


class Question(BaseModel):
    text: Text


@dataclass(frozen=True, slots=True)
class Answer:
    """What the agent would find and do."""

    facts: list[tuple[str, str]]
    passages: Sequence[Passage]


@dataclass(frozen=True, slots=True)
class Row:
    """A document in the list."""

    document: Document
    url: str
    source: str
    is_expired: bool


class KnowledgePage:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._editor = DocumentEditor(services)
        self._routes = RouteApi(services)

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        return await self._render_page(request, operator, "", "anonymous", None)

    async def ask(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """Test a question. Nothing is stored, sent or counted as a message. The question is in no URL, so in no log."""
        tenant, text, asker = request.match_info["tenant"], form.get("question"), form.get("as")
        assurance = ASSURANCES.get(asker, "anonymous")
        question = parse_question(text)
        result = await self._editor.knowledge.search(tenant, question, k=MAX_PASSAGES, assurance=assurance)
        route = serialize_route(await self._routes.route(tenant, question))
        answer = Answer(_list_facts(result, route), result.passages)
        return await self._render_page(request, operator, text, assurance, answer)

    async def _render_page(
        self, request: web.Request, operator: Operator, text: str, assurance: Assurance, answer: Answer | None
    ) -> web.Response:
        tenant, query = request.match_info["tenant"], {name: request.query.get(name, "") for name in _FILTERS}
        documents = await self._editor.knowledge.list_outlines(tenant)
        now = self._services.clock()
        matching = [item for item in documents if _matches(item, query, now)]
        after = request.query.get("after", "")
        later = [item for item in matching if item.id > after]
        following = later[PAGE_SIZE - 1].id if len(later) > PAGE_SIZE else ""
        return render_page(
            "knowledge.html",
            operator,
            tenant,
            "knowledge",
            notice=NOTICES.get(request.query.get("notice", ""), ""),
            question=text,
            assurance=assurance,
            answer=answer,
            rows=[self._build_row(tenant, item, now) for item in later[:PAGE_SIZE]],
            count=len(matching),
            total=len(documents),
            sources=sorted({item.source for item in documents if item.source}),
            states=STATES,
            query=query,
            more_url=build_url(build_path(tenant, "knowledge"), query | {"after": following}) if following else "",
        )

    def _build_row(self, tenant: str, document: Document, now: datetime) -> Row:
        url = build_path(tenant, "knowledge", "documents", document.id)
        source = self._editor.find_source(tenant, document)
        place = describe_place(source.label if source else document.source)
        return Row(document, url, place, is_expired(document, now))


def parse_question(text: str) -> str:
    """Raises InvalidRequest for a question that is empty or too long."""
    try:
        return Question(text=text).text
    except ValidationError as error:
        raise InvalidRequest(describe_validation_error(error)) from None


def is_expired(document: Document, now: datetime) -> bool:
    return document.expires_at is not None and document.expires_at <= now


def describe_place(location: str) -> str:
    """The name of the place that a document comes from, for people."""
    scheme, separator, _ = location.partition("://")
    if not location:
        return ""
    if not separator:
        return f"Files in {location}"
    return PLACES.get(scheme.lower(), location)


def _matches(document: Document, query: dict[str, str], now: datetime) -> bool:
    text, source, state = query["q"].strip().casefold(), query["source"], query["state"]
    if text and text not in document.title.casefold() and text not in document.id.casefold():
        return False
    if source and document.source != ("" if source == OWN else source):
        return False
    if query["visibility"] and (document.visibility != query["visibility"] or document.proposal is not None):
        return False
    return {
        "expired": is_expired(document, now),
        "expiring": document.expires_at is not None and now < document.expires_at <= now + SOON,
        "drafts": document.proposal is not None,
    }.get(state, True)


def _list_facts(result: SearchResult, route: dict[str, object]) -> list[tuple[str, str]]:
    scores = route["scores"]
    reasons = route["reasons"]
    return [
        ("Route", str(route["route"])),
        ("Intent", str(route["intent"])),
        ("Confidence in the route", str(route["confidence"])),
        ("Out of scope", "yes" if route["out_of_scope"] else "no"),
        ("Reasons", "; ".join(map(str, reasons)) if isinstance(reasons, list) else ""),
        ("Scores", format_scores(scores) if isinstance(scores, dict) else ""),
        ("The documents contain an answer", "yes" if result.answerable else "no"),
        ("Confidence in the answer", f"{result.confidence:.2f}"),
        ("Encoder", result.encoder or "none (keyword search only)"),
    ]
