"""The page of the tenant's documents, where operators test questions: passages found, route taken, and reasons."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gateway.admin.route_explanation import RouteApi, serialize_route
from gateway.console.forms import Form
from gateway.console.html import Html, button, external_link, hidden_inputs, join, tag, time_tag
from gateway.console.layout import build_path, render_page
from gateway.console.pages.turn_reasons import format_scores, render_definitions
from gateway.console.sessions import Operator
from gateway.http.responses import describe_validation_error
from gateway.wiring.parts import Parts
from schemas.conversation import Document
from schemas.errors import InvalidRequest, Unavailable
from schemas.messages import Assurance, Text
from schemas.ports import Knowledge, Passage, SearchResult

PAGE_SIZE = 100
MAX_PASSAGES = 8
ASSURANCES: dict[str, Assurance] = {"anonymous": "anonymous", "verified": "verified"}


class Question(BaseModel):
    text: Text


class KnowledgePage:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._routes = RouteApi(parts)

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
        answer = join(_render_verdict(result, route), _render_passages(result.passages))
        return await self._render_page(request, operator, text, assurance, answer)

    async def _render_page(
        self, request: web.Request, operator: Operator, text: str, assurance: Assurance, answer: Html | None
    ) -> web.Response:
        tenant, after = request.match_info["tenant"], request.query.get("after", "")
        documents = sorted(await self._get_knowledge().documents(tenant), key=lambda item: item.id)
        later = [item for item in documents if item.id > after]
        following = later[PAGE_SIZE - 1].id if len(later) > PAGE_SIZE else ""
        content = (
            tag("h1", "Knowledge"),
            _render_form(operator, tenant, text, assurance),
            tag("section", tag("h2", "What the agent would find"), answer, class_="answer") if answer else None,
            _render_table(later[:PAGE_SIZE], len(documents)),
            _render_more_link(tenant, following),
        )
        return render_page(operator, tenant, "knowledge", f"Knowledge of {tenant}", *content)

    def _get_knowledge(self) -> Knowledge:
        if self._parts.knowledge is None:
            raise Unavailable("this process does not search documents")
        return self._parts.knowledge


def _render_form(operator: Operator, tenant: str, text: str, assurance: Assurance) -> Html:
    labels = {"anonymous": "an anonymous contact", "verified": "a verified contact"}
    options = [tag("option", labels[name], value=name, selected=name == assurance) for name in ASSURANCES]
    return tag(
        "form",
        hidden_inputs(csrf=operator.csrf),
        tag("label", "Ask a question as a contact would", for_="question"),
        tag("textarea", join("\n", text), name="question", id="question", rows="2", maxlength="8000", required=True),
        tag("label", "As ", tag("select", options, name="as")),
        button("Ask"),
        method="post",
        action=build_path(tenant, "knowledge"),
        class_="ask",
    )


def _render_verdict(result: SearchResult, route: dict[str, object]) -> Html:
    scores = route["scores"]
    reasons = route["reasons"]
    facts = [
        ("Route", str(route["route"])),
        ("Intent", str(route["intent"])),
        ("Confidence in the route", str(route["confidence"])),
        ("Out of scope", "yes" if route["out_of_scope"] else "no"),
        ("Reasons", "; ".join(map(str, reasons)) if isinstance(reasons, list) else ""),
        ("Scores", format_scores(scores) if isinstance(scores, dict) else ""),
        ("The documents hold an answer", "yes" if result.answerable else "no"),
        ("Confidence in the answer", f"{result.confidence:.2f}"),
        ("Encoder", result.encoder or "none (keyword search only)"),
    ]
    return render_definitions(facts)


def _render_passages(passages: Sequence[Passage]) -> Html:
    if not passages:
        return tag("p", "No passages were found.", class_="empty")
    items = [
        tag(
            "li",
            tag("p", tag("b", each.title), f" · {each.heading}" if each.heading else None),
            tag("p", f"Score {each.score:.2f} · {each.document}, version {each.version}", class_="by"),
            tag("blockquote", each.text),
        )
        for each in passages
    ]
    return tag("ol", items, class_="passages", aria_label="Passages, best first")


def _render_table(documents: Sequence[Document], count: int) -> Html:
    if not documents:
        return tag("p", "No documents yet.", class_="empty")
    names = ("Title", "ID", "Visibility", "Language", "Version", "Changed")
    head = tag("tr", [tag("th", name, scope="col") for name in names])
    rows = [
        tag(
            "tr",
            tag("th", external_link(each.url, each.title) if each.url else each.title, scope="row"),
            [tag("td", text) for text in (each.id, each.visibility, each.language, str(each.version))],
            tag("td", time_tag(each.updated_at)),
        )
        for each in documents
    ]
    table = tag("table", tag("caption", f"Documents ({count})"), tag("thead", head), tag("tbody", rows))
    return tag("div", table, class_="wide", tabindex="0", role="region", aria_label="Documents")


def _render_more_link(tenant: str, following: str) -> Html | None:
    if not following:
        return None
    return tag("p", tag("a", "More documents", href=f"{build_path(tenant, 'knowledge')}?after={following}"))
