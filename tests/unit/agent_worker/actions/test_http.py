"""HTTP endpoints as actions: the host is fixed, values stay values, and only a clear answer is believed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from pydantic import ValidationError

from agent_worker.actions import ActionContext, ActionFailed, ActionRefused, ActionUnknown, Identity
from agent_worker.actions.arguments import parse_arguments
from agent_worker.actions.spec import Action
from gateway.config.actions import ActionSettings
from gateway.wiring.actions import build_action_rules
from schemas.errors import ConfigInvalid
from schemas.messages import Address

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ROSA = Identity("c-1", "verified", [Address(channel="email", value="rosa@example.com", assurance="verified")])


def build_action(base: str, **changes: Any) -> Action:
    endpoint = {
        "description": "Where an order is.",
        "method": "GET",
        "risk": "read",
        "url": f"{base}/orders/{{order}}",
        "parameters": {"order": {}, "note": {"required": False}},
        "contact": {"mail": "email", "who": "id"},
        "headers": {"Authorization": "Bearer secret-1"},
    }
    settings = ActionSettings.model_validate({"http": {"ask": endpoint | changes}})
    return build_action_rules("shop", settings).actions["ask"]


@asynccontextmanager
async def serve_answer(answer: Any) -> AsyncIterator[tuple[str, list[web.Request], list[Any]]]:
    """A server that answers everything with ``answer``, and keeps what it was asked."""
    seen: list[web.Request] = []
    bodies: list[Any] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        bodies.append(await request.json() if request.can_read_body else None)
        return answer() if callable(answer) else answer  # type: ignore[no-any-return]

    app = web.Application()
    app.router.add_route("*", r"/{rest:[\s\S]*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen, bodies
    finally:
        await runner.cleanup()


async def call(action: Action, key: str = "", who: Identity = ROSA, **raw: Any) -> dict[str, Any]:
    async with aiohttp.ClientSession() as http:
        context = ActionContext(tenant="shop", conversation="c", contact=who, key=key, deadline=NOW, now=NOW, http=http)
        return (await action.run(context, parse_arguments(action, raw))).model_dump()


async def test_a_read_sends_its_parameters_the_contact_and_the_secrets() -> None:
    async with serve_answer(lambda: web.json_response({"status": "sent"})) as (url, seen, _):
        assert await call(build_action(url), order="A-1", note="a&b=c") == {"status": "sent"}
        (request,) = seen
        assert request.path == "/orders/A-1"
        assert dict(request.query) == {"note": "a&b=c", "mail": "rosa@example.com", "who": "c-1"}
        assert request.headers["Authorization"] == "Bearer secret-1"
        assert "Idempotency-Key" not in request.headers


async def test_a_write_sends_json_and_its_key() -> None:
    async with serve_answer(lambda: web.json_response({"ok": True})) as (url, seen, bodies):
        action = build_action(url, method="POST", risk="write", key_header="X-Key")
        await call(action, key="key-1", order="A-1", note="x")
        assert seen[0].headers["X-Key"] == "key-1"
        assert bodies == [{"note": "x", "mail": "rosa@example.com", "who": "c-1"}]


@pytest.mark.parametrize(
    "order",
    [
        "../admin", "..%2fadmin", "A-1/../../admin", "A-1?who=c-2", "A-1#x", "//evil.example/x", "http://evil.example",
        "@evil.example", "A-1\r\nHost: evil.example", "{who}", "A 1", "ü", "%00",
    ],
)  # fmt: skip
async def test_a_value_never_becomes_more_than_one_part_of_the_path(order: str) -> None:
    async with serve_answer(lambda: web.json_response({})) as (url, seen, _):
        await call(build_action(url), order=order)
        (request,) = seen
        assert request.match_info["rest"] == f"orders/{order}"
        assert request.raw_path.count("/") == 2
        assert dict(request.query) == {"mail": "rosa@example.com", "who": "c-1"}


@pytest.mark.parametrize("order", ["", ".", "..", "..."])
async def test_a_value_that_would_move_in_the_path_is_refused(order: str) -> None:
    async with serve_answer(lambda: web.json_response({})) as (url, seen, _):
        with pytest.raises(ActionRefused):
            await call(build_action(url), order=order)
        assert seen == []


@pytest.mark.parametrize(
    ("answer", "raised", "reason"),
    [
        (lambda: web.json_response({"reason": "Too late."}, status=422), ActionRefused, "Too late."),
        (lambda: web.json_response({"error": {"message": "No."}}, status=400), ActionRefused, "No."),
        (lambda: web.Response(status=404), ActionRefused, "nothing was found"),
        (lambda: web.Response(status=429), ActionFailed, "the endpoint does not accept it at the moment (HTTP 429)"),
        (lambda: web.Response(status=401), ActionFailed, "the endpoint does not accept it at the moment (HTTP 401)"),
        (lambda: web.Response(status=500), ActionUnknown, "HTTP 500"),
        (lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}), ActionUnknown, "HTTP 302"),
        (lambda: web.Response(text="<html>", content_type="text/html"), ActionUnknown, "the answer is not JSON"),
        (lambda: web.json_response([1, 2]), ActionUnknown, "the answer is not JSON"),
        (lambda: web.Response(body=b"{", content_type="application/json"), ActionUnknown, "the answer is not JSON"),
        (lambda: web.json_response({"x": "y" * 1_100_000}), ActionUnknown, "the answer is not JSON"),
    ],
)  # fmt: skip
async def test_a_refusing_or_invalid_answer_fails_the_action_with_a_reason(
    answer: Any, raised: type[ActionRefused], reason: str
) -> None:
    async with serve_answer(answer) as (url, seen, _):
        with pytest.raises(raised) as caught:
            await call(build_action(url), order="A-1")
        assert caught.value.reason == reason
        assert len(seen) == 1, "nothing is followed, and nothing repeated"


async def test_nobody_there_means_that_nothing_was_done() -> None:
    async with serve_answer(None) as (url, _, _):
        pass
    with pytest.raises(ActionFailed):
        await call(build_action(url), order="A-1")


async def test_an_unknown_contact_field_is_not_made_up() -> None:
    async with serve_answer(lambda: web.json_response({})) as (url, seen, _):
        with pytest.raises(ActionRefused):
            await call(build_action(url), who=Identity("c-1", "verified"), order="A-1")
        assert seen == []


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ({"pattern": "A-[0-9]+"}, "A-12", "xA-12"),
        ({"options": ["red", "blue"]}, "red", "green"),
        ({"type": "whole", "least": 1, "most": 9}, 3, 10),
        ({"type": "whole"}, "4", "four"),
        ({"type": "amount", "least": 0.01}, "12.50", "-1"),
        ({"type": "amount"}, "12.5", "12.505"),
        ({"type": "number"}, 1.5, float("nan")),
        ({"type": "date"}, "2026-03-02", "2026-02-30"),
        ({"type": "email"}, "a@example.com", "a at example.com"),
        ({"type": "yes_no"}, True, "perhaps"),
        ({}, "text", "x" * 2001),
    ],
)
def test_declared_types_are_checked(kind: dict[str, Any], good: Any, bad: Any) -> None:
    action = build_action("http://h", parameters={"order": kind}, contact={})
    parse_arguments(action, {"order": good})
    with pytest.raises(Exception, match="order"):
        parse_arguments(action, {"order": bad})


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "ftp://h/x"},
        {"url": "https://{order}.example/x"},
        {"url": "https://user:pass@h/x"},
        {"url": "http://h/{nothing}"},
        {"method": "GET", "risk": "write"},
        {"look_up": {"url": "http://h/refunds"}},
        {"parameters": {"order": {"pattern": "("}}},
        {"parameters": {"order": {"type": "whole", "pattern": "x"}}},
        {"contact": {"order": "email"}},
        {"unknown": 1},
    ],
)
def test_a_declaration_that_cannot_work_is_refused_at_the_start(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        build_action("http://h", **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parameters": {"order": {}, "contact_id": {}}}, "comes with the context"),
        ({"risk": "read", "confirm": True}, "a read is neither confirmed"),
        ({"risk": "write", "method": "POST", "approve": {"parameter": "sum", "above": 5}}, "a limit names a parameter"),
    ],
)
def test_an_action_that_cannot_work_says_so_by_tenant_and_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigInvalid, match=rf"tenants.shop.actions: action 'ask': .*{message}"):
        build_action("http://h", **changes)
