"""The API of a simulated Notion, as far as a reader needs it. The official client talks to it unmodified.

What is enforced, and where it is documented:

- a token, the version header, and the capability to read: https://developers.notion.com/reference/status-codes,
  https://developers.notion.com/reference/capabilities
- an average of three requests a second in windows of a minute, else 429 with ``Retry-After`` in whole seconds:
  https://developers.notion.com/reference/request-limits
- pages of at most a hundred results, with opaque cursors: https://developers.notion.com/reference/intro#pagination.
  Cursors that expire are not documented, but met in practice: https://github.com/outline/outline/pull/12871
- 404 for what is not shared as for what does not exist: https://developers.notion.com/reference/status-codes
- lists that end at 10,000 results: https://developers.notion.com/guides/data-apis/query-large-data-sources
- only the first level of children: https://developers.notion.com/reference/get-block-children
- objects by their kind: databases are containers of data sources, and only those are searched and queried:
  https://developers.notion.com/docs/upgrade-guide-2025-09-03
"""

from __future__ import annotations

import asyncio
import json
import math
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from aiohttp import web

from gateway.http.app import run_server
from tests.platforms.notion.encoding import encode_block, encode_data_source, encode_database, encode_page
from tests.platforms.notion.workspace import Json, Node, Workspace, rounded
from tests.simulators.http_faults import FaultResponses, carried_out
from tests.simulators.vendor import Fault, Faults, Request

VERSIONS = ("2025-09-03", "2026-03-11")
WINDOW = 60.0
MAX_PAGE_SIZE = 100


class Refusal(Exception):
    """An error answer: https://developers.notion.com/reference/status-codes"""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.response = error_response(status, code, message, headers)


def error_response(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"object": "error", "status": status, "code": code, "message": message, "request_id": str(uuid.uuid4())}
    return web.json_response(body, status=status, headers=headers)


def refuse(fault: Fault) -> web.Response:
    codes = {401: "unauthorized", 403: "restricted_resource", 404: "object_not_found", 409: "conflict_error"}
    more = {500: "internal_server_error", 503: "service_unavailable", 504: "gateway_timeout", 529: "service_overload"}
    code = fault.code or {**codes, **more}.get(fault.status, "internal_server_error")
    return error_response(fault.status, code, "As the test has told.")


def limit(fault: Fault) -> web.Response:
    headers = {"Retry-After": str(math.ceil(fault.retry_after))}
    return error_response(429, "rate_limited", "This request exceeds the number of requests allowed.", headers)


class NotionServer:
    """``asked`` counts requests by operation. ``lifetime``: how many requests later a cursor has expired."""

    def __init__(self, workspace: Workspace, token: str = "ntn_simulated") -> None:
        self.workspace = workspace
        self.token = token
        self.may_read = True
        self.rate = 3.0
        self.max_results = 10_000
        self.lifetime: int | None = None
        self.redirect_to = ""
        self.faults = Faults()
        self.asked: Counter[str] = Counter()
        self.refused: Counter[int] = Counter()
        self.meanwhile: Callable[[str], None] = lambda _operation: None
        """Called before each answer, so that a test can change the workspace while it is read."""

        self.port = 0
        self._cursors: dict[str, tuple[int, str, int]] = {}
        self._spent: tuple[int, int] = (-1, 0)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def total(self) -> int:
        return self.asked.total()

    @asynccontextmanager
    async def serving(self, port: int = 0, *more: web.RouteDef) -> AsyncIterator[NotionServer]:
        app = web.Application(client_max_size=512 * 1024)
        app.router.add_routes([web.route("*", "/v1/{path:.*}", self._serve), *more])
        async with run_server(app, "127.0.0.1", port) as self.port:
            yield self

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        operation = self._operation(request)
        self.asked[operation] += 1
        self.meanwhile(operation)
        body = await request.read()
        noted = Request(operation, "", None)

        async def do() -> web.Response:
            noted.did = True
            try:
                return self._answer(request, operation, body)
            except Refusal as refusal:
                return refusal.response

        response = await carried_out(request, noted, self.faults, FaultResponses(refuse, limit), do)
        if response.status >= 400:
            self.refused[response.status] += 1
        response.headers["Date"] = format_datetime(self.workspace.clock.now, usegmt=True)
        await asyncio.sleep(0)
        return response

    def _operation(self, request: web.Request) -> str:
        parts = [part for index, part in enumerate(request.path.split("/")[2:]) if index != 1]
        return f"{request.method} {'/'.join(parts)}"

    # ── rules for every request ──────────────────────────────────────────────────────────────────────────────────────

    def _answer(self, request: web.Request, operation: str, body: bytes) -> web.Response:
        if self.redirect_to:
            return web.Response(status=302, headers={"Location": self.redirect_to})
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            raise Refusal(401, "unauthorized", "API token is invalid.")
        if request.headers.get("Notion-Version") not in VERSIONS:
            raise Refusal(400, "missing_version", "Notion-Version header failed validation.")
        self._count()
        if not self.may_read:
            raise Refusal(403, "restricted_resource", "Insufficient permissions for this endpoint.")
        handlers: dict[str, Callable[[str, Json], Json]] = {
            "POST search": self._search,
            "POST data_sources/query": self._query,
            "GET blocks/children": self._children,
            "GET pages": self._page,
            "GET databases": self._database,
            "GET data_sources": self._data_source,
            "GET blocks": self._block,
        }
        handler = handlers.get(operation)
        if handler is None:
            raise Refusal(400, "invalid_request_url", "Invalid request URL.")
        id = request.path.split("/")[3] if operation != "POST search" else ""
        return web.json_response(handler(_valid_id(id) if id else "", self._arguments(request, body)))

    def _arguments(self, request: web.Request, body: bytes) -> Json:
        if request.method == "GET":
            arguments: Json = dict(request.query)
            if "page_size" in arguments:
                arguments["page_size"] = int(arguments["page_size"])
            return arguments
        try:
            return dict(json.loads(body))
        except ValueError:
            raise Refusal(400, "invalid_json", "Error parsing JSON body.") from None

    def _count(self) -> None:
        now = self.workspace.clock.monotonic()
        window = int(now // WINDOW)
        spent = self._spent[1] + 1 if self._spent[0] == window else 1
        self._spent = (window, spent)
        if spent > self.rate * WINDOW:
            left = math.ceil((window + 1) * WINDOW - now)
            raise Refusal(429, "rate_limited", "You have been rate limited.", **{"Retry-After": str(left)})

    # ── operations ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _search(self, _id: str, arguments: Json) -> Json:
        _check(arguments, "query", "sort", "filter", "start_cursor", "page_size")
        found = self.workspace.searchable()
        sort = arguments.get("sort") or {}
        if sort and sort.get("timestamp") != "last_edited_time":
            raise Refusal(400, "validation_error", "body failed validation: body.sort.timestamp")
        if sort.get("direction") == "ascending":
            found.reverse()
        wanted = (arguments.get("filter") or {}).get("value")
        if wanted not in (None, "page", "data_source"):
            raise Refusal(400, "validation_error", "body failed validation: body.filter.value")
        items = [node for node in found if wanted in (None, node.kind)]
        return self._list("search", items, arguments, self._encode)

    def _query(self, id: str, arguments: Json) -> Json:
        _check(arguments, "filter", "sorts", "start_cursor", "page_size", "in_trash", "archived", "result_type")
        table = self._find(id, "data_source")
        rows = [row for row in table.children if self.workspace.is_visible(row) and not self.workspace.is_trashed(row)]
        if arguments.get("filter"):
            since = datetime.fromisoformat(arguments["filter"]["created_time"]["on_or_after"])
            rows = [row for row in rows if rounded(row.created) >= since]
        if arguments.get("sorts"):
            (sort,) = arguments["sorts"]
            attribute = {"created_time": "created", "last_edited_time": "edited"}[sort["timestamp"]]
            rows.sort(key=lambda row: rounded(getattr(row, attribute)), reverse=sort["direction"] == "descending")
        return self._list(f"query {id}", rows, arguments, self._encode)

    def _children(self, id: str, arguments: Json) -> Json:
        block = self._find(id)
        origin = block.content.get("synced_from")
        if origin is not None:
            block = self._find(origin["block_id"])
        shown = [child for child in block.children if not child.in_trash]
        return self._list(f"children {id}", shown, arguments, lambda node: encode_block(self.workspace, node))

    def _page(self, id: str, _arguments: Json) -> Json:
        if (
            (node := self.workspace.nodes.get(id)) is not None
            and node.kind != "page"
            and self.workspace.is_visible(node)
        ):
            raise Refusal(400, "validation_error", f"Provided ID {id} is a {node.kind}, not a page.")
        return self._encode(self._find(id, "page"))

    def _database(self, id: str, _arguments: Json) -> Json:
        return encode_database(self.workspace, self._find(id, "database"))

    def _data_source(self, id: str, _arguments: Json) -> Json:
        return self._encode(self._find(id, "data_source"))

    def _block(self, id: str, _arguments: Json) -> Json:
        return encode_block(self.workspace, self._find(id))

    def _find(self, id: str, *kinds: str) -> Node:
        node = self.workspace.find(id, *kinds)
        if node is None:
            message = f"Could not find object with ID: {id}. Make sure it is shared with your integration."
            raise Refusal(404, "object_not_found", message)
        return node

    def _encode(self, node: Node) -> Json:
        encode = {"page": encode_page, "data_source": encode_data_source}[node.kind]
        return encode(self.workspace, node)

    # ── paging ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _list(self, name: str, items: Sequence[Node], arguments: Json, encode: Callable[[Node], Json]) -> Json:
        size = arguments.get("page_size", MAX_PAGE_SIZE)
        if not 1 <= size <= MAX_PAGE_SIZE:
            raise Refusal(400, "validation_error", "body failed validation: page_size should be ≤ `100`.")
        start = self._resume(name, arguments.get("start_cursor"))
        end = min(start + size, self.max_results)
        has_more = len(items) > end and end < self.max_results
        answer: Json = {
            "object": "list",
            "results": [encode(node) for node in items[start:end]],
            "has_more": has_more,
            "next_cursor": self._cursor(name, end) if has_more else None,
            "type": "page_or_data_source",
        }
        if len(items) > self.max_results and not has_more:
            reason = "query_result_limit_reached"
            answer["request_status"] = {"type": "incomplete", "incomplete_reason": reason}
        return answer

    def _cursor(self, name: str, at: int) -> str:
        cursor = str(uuid.uuid4())
        self._cursors[cursor] = (at, name, self.total)
        return cursor

    def _resume(self, name: str, cursor: Any) -> int:
        if cursor is None:
            return 0
        at, of, issued = self._cursors.get(cursor, (0, "", 0))
        if of != name or (self.lifetime is not None and self.total - issued > self.lifetime):
            raise Refusal(400, "validation_error", f"The start_cursor provided is invalid: {cursor}")
        return at


def _valid_id(id: str) -> str:
    try:
        return str(uuid.UUID(id))
    except ValueError:
        raise Refusal(400, "validation_error", "path failed validation: should be a valid uuid.") from None


def _check(arguments: Json, *known: str) -> None:
    if unknown := arguments.keys() - set(known):
        name = min(unknown)
        raise Refusal(400, "validation_error", f"body failed validation: body.{name} should be not present.")
