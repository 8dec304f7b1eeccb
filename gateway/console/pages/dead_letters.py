"""Dead letters: why each was given up on, and what a replay of it would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson
import structlog
from aiohttp import web

from gateway.admin.masking import masked
from gateway.console.forms import Form
from gateway.console.html import Html, button, hidden, joined, moment, tag
from gateway.console.layout import elsewhere, page, path_of
from gateway.console.sessions import Operator
from gateway.operators.replays import UNASSIGNED, Replays, decoded
from gateway.wiring.parts import Parts
from schemas import topics
from schemas.conversation import DeadLetter
from schemas.errors import Forbidden, InvalidRequest, NotFound, ParleyError

log = structlog.get_logger("parley.console")

PAGE = 100
"""Letters on one page, and in one replay."""
REPLAYED = "replayed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one letter, or would come of it."""

    letter: str
    fine: bool
    text: str


class DeadLetterPage:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._letters = parts.state.dead_letters
        self._replays = Replays(parts)

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        told = "Replayed." if request.query.get("told") == REPLAYED else ""
        return await self._page(request, operator, [], told, frozenset())

    async def replay(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """One after the other, so that a hundred do not crowd out what customers write meanwhile."""
        tenant, chosen = request.match_info["tenant"], list(dict.fromkeys(form.fields.get("letter", [])))
        dry = form.one("act") != "replay"
        if not chosen or len(chosen) > PAGE:
            raise InvalidRequest(f"choose from 1 to {PAGE} letters")
        outcomes = [await self._one(tenant, wanted, operator, dry=dry) for wanted in chosen]
        good = sum(outcome.fine for outcome in outcomes)
        if not dry and good == len(chosen):
            return elsewhere(str(request.rel_url.update_query(told=REPLAYED)))
        told = f"Dry run: {good} of {len(chosen)} can be replayed." if dry else f"Replayed {good} of {len(chosen)}."
        return await self._page(request, operator, outcomes, told, frozenset(chosen) if dry else frozenset())

    async def _one(self, tenant: str, wanted: str, operator: Operator, *, dry: bool) -> Outcome:
        try:
            letter = await self._replays.letter(tenant, wanted)
            if letter.tenant == UNASSIGNED and not operator.sees_all:
                raise NotFound("no such dead letter")
            if dry:
                return Outcome(wanted, True, await self._forecast(letter))
            done = await self._replays.replay(letter)
        except ParleyError as error:
            return Outcome(wanted, False, error.message)
        log.info("dead_letter_replayed", by=operator.actor.by, letter=wanted, as_id=done.id, tenant=tenant)
        return Outcome(wanted, True, f"appended to {done.topic} as {done.id}")

    async def _forecast(self, letter: DeadLetter) -> str:
        """Raises Conflict for what cannot be replayed."""
        record = decoded(letter)
        found = await self._parts.state.conversations.get(record.conversation) if record.conversation else None
        if record.type != topics.MESSAGE_RECEIVED:
            then = "it is handled again, and what was done before is not done twice"
        elif found is None:
            then = "the conversation is begun with it, and the agent answers"
        elif found.owner in ("agent", "closed"):
            then = "the agent answers it, unless something later was answered"
        else:
            then = "people have the conversation: it only joins the transcript"
        return f"{record.type} would be appended to {letter.topic}; {then}"

    async def _page(
        self, request: web.Request, operator: Operator, outcomes: Sequence[Outcome], told: str, chosen: frozenset[str]
    ) -> web.Response:
        tenant, code = request.match_info["tenant"], request.query.get("code", "")
        unassigned = request.query.get("unassigned") == "true"
        if unassigned and not operator.sees_all:
            raise Forbidden("letters of no tenant are for those who see all tenants")
        whose, after = UNASSIGNED if unassigned else tenant, request.query.get("after", "")
        found, following = await self._letters.list_page(whose, after=after, limit=PAGE)
        shown = [letter for letter in found if not code or letter.code == code]
        by_id = {outcome.letter: outcome for outcome in outcomes}
        rows = [_row(tenant, letter, by_id.get(letter.id), letter.id in chosen) for letter in shown]
        codes = sorted({letter.code for letter in found})
        query = {"unassigned": "true" if unassigned else "", "code": code}
        content = (
            tag("div", tag("h1", "Dead letters"), _filters(tenant, codes, query, operator), class_="head"),
            _form(request, operator, rows) if rows else tag("p", "Nothing was given up on.", class_="empty"),
            _older(tenant, query, following),
        )
        return page(operator, tenant, "deadletters", f"Dead letters of {tenant}", *content, told=told)


def _form(request: web.Request, operator: Operator, rows: Sequence[Html]) -> Html:
    every = tag("label", tag("input", type="checkbox", id="every"), "All on this page", hidden=True, class_="check")
    return tag(
        "form",
        hidden(csrf=operator.csrf),
        tag("ol", rows, class_="letters"),
        tag(
            "div",
            every,
            button("Dry run", name="act", value="dry", class_="plain"),
            button("Replay", name="act", value="replay"),
            class_="buttons bottom",
        ),
        method="post",
        action=str(request.rel_url.without_query_params("told")),
    )


def _row(tenant: str, letter: DeadLetter, outcome: Outcome | None, chosen: bool) -> Html:
    payload = orjson.dumps(masked(letter.value), option=orjson.OPT_INDENT_2).decode()
    box = tag("input", type="checkbox", name="letter", value=letter.id, checked=chosen)
    where = f"{letter.topic}, partition {letter.partition}, offset {letter.offset}"
    talk = letter.conversation_id
    details = tag(
        "details",
        tag("summary", "What it held"),
        tag("p", where),
        tag("pre", payload, tabindex="0", aria_label="The record, without what people wrote"),
        tag("p", tag("a", "The conversation", href=path_of(tenant, "conversations", talk))) if talk else None,
    )
    counted = f"{letter.attempts} attempts, {letter.replays} replays, {letter.channel or 'no channel'}"
    verdict = tag("p", outcome.text, class_="fine" if outcome.fine else "trouble") if outcome else None
    head = tag("label", box, tag("b", letter.code), class_="check")
    said = tag("p", letter.reason) if letter.reason else None
    return tag("li", head, said, tag("p", counted, " · ", moment(letter.last_at), class_="by"), verdict, details)


def _filters(tenant: str, codes: Sequence[str], query: dict[str, str], operator: Operator) -> Html:
    base = path_of(tenant, "deadletters")
    links = [_link(base, "All", {"unassigned": query["unassigned"]}, not query["code"])]
    links += [_link(base, code, query | {"code": code}, code == query["code"]) for code in codes]
    if operator.sees_all:
        other = "" if query["unassigned"] else "true"
        links.append(_link(base, "Of no tenant", {"unassigned": other}, bool(query["unassigned"])))
    return tag("nav", links, aria_label="Code", class_="tabs")


def _link(base: str, text: str, query: dict[str, str], current: bool) -> Html:
    kept = urlencode({name: value for name, value in query.items() if value})
    return tag("a", text, href=f"{base}?{kept}" if kept else base, aria_current="true" if current else None)


def _older(tenant: str, query: dict[str, str], following: str) -> Html | None:
    if not following:
        return None
    return joined(tag("p", _link(path_of(tenant, "deadletters"), "Older", query | {"after": following}, False)))
