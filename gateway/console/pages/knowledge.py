"""The page of the tenant's documents, where operators test questions: passages found, route taken, and reasons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gateway.admin.route_explanation import RouteApi, serialize_route
from gateway.console.forms import Form
from gateway.console.pages.turn_reasons import format_scores
from gateway.console.rendering import build_path, build_url, render_page
from gateway.console.sessions import Operator
from gateway.http.responses import describe_validation_error
from gateway.wiring.process_services import ProcessServices
from schemas.errors import InvalidRequest, Unavailable
from schemas.messages import Assurance, Text
from schemas.ports import Knowledge, Passage, SearchResult

PAGE_SIZE = 100
MAX_PASSAGES = 8
ASSURANCES: dict[str, Assurance] = {"anonymous": "anonymous", "verified": "verified"}


class Question(BaseModel):
    text: Text


@dataclass(frozen=True, slots=True)
class Answer:
    """What the agent would find and do."""

    facts: list[tuple[str, str]]
    passages: Sequence[Passage]


class KnowledgePage:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._routes = RouteApi(services)

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        return await self._render_page(request, operator, "", "anonymous", None)

    async def ask(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """Test a question. Nothing is stored, sent or counted as a message. The question is in no URL, so in no log."""
        tenant, text, asker = request.match_info["tenant"], form.get("question"), form.get("as")
        assurance = ASSURANCES.get(asker, "anonymous")
        try:
            question = Question(text=text).text
        except ValidationError as error:
            raise InvalidRequest(describe_validation_error(error)) from None
        result = await self._get_knowledge().search(tenant, question, k=MAX_PASSAGES, assurance=assurance)
        route = serialize_route(await self._routes.route(tenant, question))
        answer = Answer(_list_facts(result, route), result.passages)
        return await self._render_page(request, operator, text, assurance, answer)

    async def _render_page(
        self, request: web.Request, operator: Operator, text: str, assurance: Assurance, answer: Answer | None
    ) -> web.Response:
        tenant, after = request.match_info["tenant"], request.query.get("after", "")
        documents = sorted(await self._get_knowledge().documents(tenant), key=lambda item: item.id)
        later = [item for item in documents if item.id > after]
        following = later[PAGE_SIZE - 1].id if len(later) > PAGE_SIZE else ""
        return render_page(
            "knowledge.html",
            operator,
            tenant,
            "knowledge",
            question=text,
            assurance=assurance,
            answer=answer,
            documents=later[:PAGE_SIZE],
            count=len(documents),
            more_url=build_url(build_path(tenant, "knowledge"), {"after": following}) if following else "",
        )

    def _get_knowledge(self) -> Knowledge:
        if self._services.knowledge is None:
            raise Unavailable("this process does not search documents")
        return self._services.knowledge


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
