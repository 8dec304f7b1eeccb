"""The tenant's documents, and a place to ask: what would be found, who would answer, and why."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web
from pydantic import BaseModel, ValidationError

from gateway.admin.routes import RouteDesk, shown
from gateway.console.forms import Form
from gateway.console.html import Html, button, hidden, joined, moment, outside, tag
from gateway.console.layout import page, path_of
from gateway.console.pages.turn_reasons import definitions, numbers
from gateway.console.sessions import Operator
from gateway.http.responses import explain
from gateway.wiring.parts import Parts
from schemas.conversation import Document
from schemas.errors import InvalidRequest, Unavailable
from schemas.messages import Assurance, Text
from schemas.ports import Knowledge, Passage, SearchResult

PAGE = 100
PASSAGES = 8
AS_WHOM: dict[str, Assurance] = {"anonymous": "anonymous", "verified": "verified"}


class Question(BaseModel):
    text: Text


class KnowledgePage:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._routes = RouteDesk(parts)

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        return await self._page(request, operator, "", "anonymous", None)

    async def ask(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """Nothing is stored, sent or counted as a message; the question stands in no address, so in no log."""
        tenant, text, whom = request.match_info["tenant"], form.one("question"), form.one("as")
        assurance = AS_WHOM.get(whom, "anonymous")
        try:
            asked = Question(text=text).text
        except ValidationError as error:
            raise InvalidRequest(explain(error)) from None
        found = await self._knowledge().search(tenant, asked, k=PASSAGES, assurance=assurance)
        route = shown(await self._routes.route(tenant, asked))
        answer = joined(_verdict(found, route), _passages(found.passages))
        return await self._page(request, operator, text, assurance, answer)

    async def _page(
        self, request: web.Request, operator: Operator, text: str, assurance: Assurance, answer: Html | None
    ) -> web.Response:
        tenant, after = request.match_info["tenant"], request.query.get("after", "")
        documents = sorted(await self._knowledge().documents(tenant), key=lambda item: item.id)
        later = [item for item in documents if item.id > after]
        following = later[PAGE - 1].id if len(later) > PAGE else ""
        content = (
            tag("h1", "Knowledge"),
            _form(operator, tenant, text, assurance),
            tag("section", tag("h2", "What the agent would have"), answer, class_="answer") if answer else None,
            _table(later[:PAGE], len(documents)),
            _older(tenant, following),
        )
        return page(operator, tenant, "knowledge", f"Knowledge of {tenant}", *content)

    def _knowledge(self) -> Knowledge:
        if self._parts.knowledge is None:
            raise Unavailable("this process does not search documents")
        return self._parts.knowledge


def _form(operator: Operator, tenant: str, text: str, assurance: Assurance) -> Html:
    words = {"anonymous": "anybody", "verified": "a contact who proved who they are"}
    options = [tag("option", words[name], value=name, selected=name == assurance) for name in AS_WHOM]
    return tag(
        "form",
        hidden(csrf=operator.csrf),
        tag("label", "Ask what a contact would ask", for_="question"),
        tag("textarea", joined("\n", text), name="question", id="question", rows="2", maxlength="8000", required=True),
        tag("label", "As ", tag("select", options, name="as")),
        button("Ask"),
        method="post",
        action=path_of(tenant, "knowledge"),
        class_="ask",
    )


def _verdict(found: SearchResult, route: dict[str, object]) -> Html:
    scores = route["scores"]
    reasons = route["reasons"]
    facts = [
        ("Route", str(route["route"])),
        ("Intent", str(route["intent"])),
        ("Confidence in the route", str(route["confidence"])),
        ("Out of scope", "yes" if route["out_of_scope"] else "no"),
        ("Reasons", "; ".join(map(str, reasons)) if isinstance(reasons, list) else ""),
        ("Scores", numbers(scores) if isinstance(scores, dict) else ""),
        ("The documents hold an answer", "yes" if found.answerable else "no"),
        ("Confidence in that", f"{found.confidence:.2f}"),
        ("Compared by", found.encoder or "words"),
    ]
    return definitions(facts)


def _passages(passages: Sequence[Passage]) -> Html:
    if not passages:
        return tag("p", "No passage was found.", class_="empty")
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


def _table(documents: Sequence[Document], count: int) -> Html:
    if not documents:
        return tag("p", "No documents yet.", class_="empty")
    names = ("Title", "Id", "For whom", "Language", "Version", "Changed")
    head = tag("tr", [tag("th", name, scope="col") for name in names])
    rows = [
        tag(
            "tr",
            tag("th", outside(each.url, each.title) if each.url else each.title, scope="row"),
            [tag("td", text) for text in (each.id, each.visibility, each.language, str(each.version))],
            tag("td", moment(each.updated_at)),
        )
        for each in documents
    ]
    table = tag("table", tag("caption", f"Documents ({count})"), tag("thead", head), tag("tbody", rows))
    return tag("div", table, class_="wide", tabindex="0", role="region", aria_label="Documents")


def _older(tenant: str, following: str) -> Html | None:
    if not following:
        return None
    return tag("p", tag("a", "More documents", href=f"{path_of(tenant, 'knowledge')}?after={following}"))
