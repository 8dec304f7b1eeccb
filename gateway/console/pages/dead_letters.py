"""The page of dead letters: why each failed, what a replay would do, and the replay itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson
import structlog
from aiohttp import web

from gateway.admin.masking import mask_payload
from gateway.console.forms import Form
from gateway.console.html import Html, button, hidden_inputs, join, tag, time_tag
from gateway.console.layout import build_path, redirect, render_page
from gateway.console.sessions import Operator
from gateway.operators.replays import UNASSIGNED, ReplayService, decode_letter
from gateway.wiring.parts import Parts
from schemas import topics
from schemas.conversation import DeadLetter
from schemas.errors import Forbidden, InvalidRequest, NotFound, ParleyError

log = structlog.get_logger("parley.console")

PAGE_SIZE = 100
"""Dead letters on a page and in one replay."""
REPLAYED_NOTICE = "replayed"


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """The result of a replay, or of its dry run."""

    letter: str
    succeeded: bool
    text: str


class DeadLetterPage:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._letters = parts.state.dead_letters
        self._replays = ReplayService(parts)

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        notice = "Replayed." if request.query.get("notice") == REPLAYED_NOTICE else ""
        return await self._render_page(request, operator, [], notice, frozenset())

    async def replay(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """Replay the selected dead letters one after the other, so that they do not delay new messages of contacts."""
        tenant, chosen = request.match_info["tenant"], list(dict.fromkeys(form.fields.get("letter", [])))
        is_dry_run = form.get("act") != "replay"
        if not chosen or len(chosen) > PAGE_SIZE:
            raise InvalidRequest(f"select between 1 and {PAGE_SIZE} dead letters")
        results = [await self._replay_one(tenant, id_, operator, is_dry_run=is_dry_run) for id_ in chosen]
        succeeded = sum(result.succeeded for result in results)
        if not is_dry_run and succeeded == len(chosen):
            return redirect(str(request.rel_url.update_query(notice=REPLAYED_NOTICE)))
        if is_dry_run:
            notice = f"Dry run: {succeeded} of {len(chosen)} can be replayed."
            return await self._render_page(request, operator, results, notice, frozenset(chosen))
        notice = f"Replayed {succeeded} of {len(chosen)}."
        return await self._render_page(request, operator, results, notice, frozenset())

    async def _replay_one(self, tenant: str, letter_id: str, operator: Operator, *, is_dry_run: bool) -> ReplayResult:
        try:
            letter = await self._replays.find(tenant, letter_id)
            if letter.tenant == UNASSIGNED and not operator.sees_all:
                raise NotFound("no such dead letter")
            if is_dry_run:
                return ReplayResult(letter_id, True, await self._describe_replay(letter))
            replay = await self._replays.replay(letter)
        except ParleyError as error:
            return ReplayResult(letter_id, False, error.message)
        log.info("dead_letter_replayed", by=operator.actor.by, letter=letter_id, as_id=replay.id, tenant=tenant)
        return ReplayResult(letter_id, True, f"appended to {replay.topic} as {replay.id}")

    async def _describe_replay(self, letter: DeadLetter) -> str:
        """Describe what a replay would do. Raises Conflict if it is not possible."""
        record = decode_letter(letter)
        conversations = self._parts.state.conversations
        conversation = await conversations.get(record.conversation) if record.conversation else None
        if record.type != topics.MESSAGE_RECEIVED:
            effect = "it would be handled again, but nothing would be done twice"
        elif conversation is None:
            effect = "it would start the conversation, and the agent would answer"
        elif conversation.owner in ("agent", "closed"):
            effect = "the agent would answer it, unless a later message was answered"
        else:
            effect = "people have the conversation, so it would only join the transcript"
        return f"{record.type} would be appended to {letter.topic}; {effect}"

    async def _render_page(
        self,
        request: web.Request,
        operator: Operator,
        results: Sequence[ReplayResult],
        notice: str,
        chosen: frozenset[str],
    ) -> web.Response:
        tenant, code = request.match_info["tenant"], request.query.get("code", "")
        unassigned = request.query.get("unassigned") == "true"
        if unassigned and not operator.sees_all:
            raise Forbidden("only operators of all tenants can see dead letters without a tenant")
        owner, after = UNASSIGNED if unassigned else tenant, request.query.get("after", "")
        letters, following = await self._letters.list_page(owner, after=after, limit=PAGE_SIZE)
        matching = [letter for letter in letters if not code or letter.code == code]
        by_id = {result.letter: result for result in results}
        rows = [_render_row(tenant, letter, by_id.get(letter.id), letter.id in chosen) for letter in matching]
        codes = sorted({letter.code for letter in letters})
        query = {"unassigned": "true" if unassigned else "", "code": code}
        content = (
            tag("div", tag("h1", "Dead letters"), _render_filters(tenant, codes, query, operator), class_="head"),
            _render_form(request, operator, rows) if rows else tag("p", "There are no dead letters.", class_="empty"),
            _render_older_link(tenant, query, following),
        )
        return render_page(operator, tenant, "deadletters", f"Dead letters of {tenant}", *content, notice=notice)


def _render_form(request: web.Request, operator: Operator, rows: Sequence[Html]) -> Html:
    every = tag("label", tag("input", type="checkbox", id="every"), "All on this page", hidden=True, class_="check")
    return tag(
        "form",
        hidden_inputs(csrf=operator.csrf),
        tag("ol", rows, class_="letters"),
        tag(
            "div",
            every,
            button("Dry run", name="act", value="dry", class_="plain"),
            button("Replay", name="act", value="replay"),
            class_="buttons bottom",
        ),
        method="post",
        action=str(request.rel_url.without_query_params("notice")),
    )


def _render_row(tenant: str, letter: DeadLetter, result: ReplayResult | None, chosen: bool) -> Html:
    payload = orjson.dumps(mask_payload(letter.value), option=orjson.OPT_INDENT_2).decode()
    box = tag("input", type="checkbox", name="letter", value=letter.id, checked=chosen)
    position = f"{letter.topic}, partition {letter.partition}, offset {letter.offset}"
    conversation = letter.conversation_id
    details = tag(
        "details",
        tag("summary", "Content"),
        tag("p", position),
        tag("pre", payload, tabindex="0", aria_label="The record without message text"),
        tag("p", tag("a", "Conversation", href=build_path(tenant, "conversations", conversation)))
        if conversation
        else None,
    )
    counts = f"{letter.attempts} attempts, {letter.replays} replays, {letter.channel or 'no channel'}"
    verdict = tag("p", result.text, class_="fine" if result.succeeded else "trouble") if result else None
    head = tag("label", box, tag("b", letter.code), class_="check")
    reason = tag("p", letter.reason) if letter.reason else None
    return tag("li", head, reason, tag("p", counts, " · ", time_tag(letter.last_at), class_="by"), verdict, details)


def _render_filters(tenant: str, codes: Sequence[str], query: dict[str, str], operator: Operator) -> Html:
    base = build_path(tenant, "deadletters")
    links = [_render_link(base, "All", {"unassigned": query["unassigned"]}, not query["code"])]
    links += [_render_link(base, code, query | {"code": code}, code == query["code"]) for code in codes]
    if operator.sees_all:
        other = "" if query["unassigned"] else "true"
        links.append(_render_link(base, "Without a tenant", {"unassigned": other}, bool(query["unassigned"])))
    return tag("nav", links, aria_label="Code", class_="tabs")


def _render_link(base: str, text: str, query: dict[str, str], current: bool) -> Html:
    encoded = urlencode({name: value for name, value in query.items() if value})
    return tag("a", text, href=f"{base}?{encoded}" if encoded else base, aria_current="true" if current else None)


def _render_older_link(tenant: str, query: dict[str, str], following: str) -> Html | None:
    if not following:
        return None
    return join(
        tag(
            "p",
            _render_link(build_path(tenant, "deadletters"), "Older dead letters", query | {"after": following}, False),
        )
    )
