"""The page of dead letters: why each failed, what a replay would do, the replay itself, and
discarding them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
import structlog
from aiohttp import web

from gateway.admin.masking import mask_payload
from gateway.console.forms import Form
from gateway.console.rendering import build_path, build_url, redirect, render_page
from gateway.console.sessions import Operator, record_act
from gateway.operators.dead_letters import UNASSIGNED, DeadLetterService, decode_letter
from gateway.wiring.process_services import ProcessServices
from schemas import topics
from schemas.conversation import DeadLetter
from schemas.errors import Forbidden, InvalidRequest, ParleyError

log = structlog.get_logger("parley.console")

PAGE_SIZE = 100
"""Dead letters on a page and in one replay."""
_ACTS = {"dry": "Dry run", "replay": "Replayed", "discard": "Discarded"}
"""What is said of each act that the form offers."""


@dataclass(frozen=True, slots=True)
class LetterResult:
    """The result of one act on one letter."""

    letter: str
    succeeded: bool
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A dead letter in the list, without the text of messages."""

    letter: DeadLetter
    payload: str
    is_chosen: bool
    result: LetterResult | None


@dataclass(frozen=True, slots=True)
class FilterLink:
    text: str
    url: str
    is_current: bool


class DeadLetterPage:
    def __init__(self, services: ProcessServices) -> None:
        self._services = services
        self._letters = services.state.dead_letters
        self._service = DeadLetterService(services)

    async def show(self, request: web.Request, operator: Operator) -> web.Response:
        done = _ACTS.get(request.query.get("notice", ""))
        return await self._render_page(request, operator, [], f"{done}." if done else "", frozenset())

    async def act(self, request: web.Request, operator: Operator, form: Form) -> web.Response:
        """Replay or discard the selected dead letters one after the other, so that they do not delay new messages of
        contacts; or only describe what a replay would do."""
        tenant, chosen = request.match_info["tenant"], list(dict.fromkeys(form.fields.get("letter", [])))
        act = form.get("act") if form.get("act") in _ACTS else "dry"
        if not chosen or len(chosen) > PAGE_SIZE:
            raise InvalidRequest(f"select between 1 and {PAGE_SIZE} dead letters")
        results = [await self._act_on(tenant, id_, operator, act) for id_ in chosen]
        succeeded = sum(result.succeeded for result in results)
        if act == "dry":
            notice = f"Dry run: {succeeded} of {len(chosen)} can be replayed."
            return await self._render_page(request, operator, results, notice, frozenset(chosen))
        if succeeded == len(chosen):
            return redirect(str(request.rel_url.update_query(notice=act)))
        notice = f"{_ACTS[act]} {succeeded} of {len(chosen)}."
        return await self._render_page(request, operator, results, notice, frozenset())

    async def _act_on(self, tenant: str, letter_id: str, operator: Operator, act: str) -> LetterResult:
        try:
            letter = await self._service.find(tenant, letter_id, sees_all=operator.sees_all)
            if act == "dry":
                return LetterResult(letter_id, True, await self._describe_replay(letter))
            await record_act(self._services.audit, operator, tenant, f"deadletter.{act}", f"deadletter:{letter_id}")
            if act == "discard":
                await self._service.discard(letter, by=operator.actor.by)
                return LetterResult(letter_id, True, "discarded")
            replay = await self._service.replay(letter)
        except ParleyError as error:
            return LetterResult(letter_id, False, error.message)
        log.info("dead_letter_replayed", by=operator.actor.by, letter=letter_id, as_id=replay.id, tenant=tenant)
        return LetterResult(letter_id, True, f"appended to {replay.topic} as {replay.id}")

    async def _describe_replay(self, letter: DeadLetter) -> str:
        """Describe what a replay would do. Raises Conflict if it is not possible."""
        record = decode_letter(letter)
        conversations = self._services.state.conversations
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
        results: Sequence[LetterResult],
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
        rows = [Row(letter, _format_payload(letter), letter.id in chosen, by_id.get(letter.id)) for letter in matching]
        codes = sorted({letter.code for letter in letters})
        path, query = build_path(tenant, "deadletters"), {"unassigned": "true" if unassigned else "", "code": code}
        return render_page(
            "dead_letters.html",
            operator,
            tenant,
            "deadletters",
            notice=notice,
            filters=_list_filters(path, codes, query, operator),
            rows=rows,
            action=str(request.rel_url.without_query_params("notice")),
            older_url=build_url(path, query | {"after": following}) if following else "",
        )


def _format_payload(letter: DeadLetter) -> str:
    return orjson.dumps(mask_payload(letter.value), option=orjson.OPT_INDENT_2).decode()


def _list_filters(path: str, codes: Sequence[str], query: dict[str, str], operator: Operator) -> list[FilterLink]:
    links = [FilterLink("All", build_url(path, query | {"code": ""}), not query["code"])]
    links += [FilterLink(code, build_url(path, query | {"code": code}), code == query["code"]) for code in codes]
    if operator.sees_all:
        other = {"unassigned": "" if query["unassigned"] else "true"}
        links.append(FilterLink("Without a tenant", build_url(path, other), bool(query["unassigned"])))
    return links
