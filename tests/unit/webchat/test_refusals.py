"""While too many are under way a message is refused from its first bytes, and the connection stays in step."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.http.connection import Connection
from gateway.http.fast_refusals import FastRefusals, RequestHead
from gateway.http.overload import OverloadGuard
from tests.unit.webchat.conftest import Shop, wait_until
from tests.unit.webchat.test_fast_webhooks import answer, open_connection, without_date
from tests.unit.webchat.test_webhooks import PATH, toy, toy_shop, with_toy

__all__ = ["toy", "toy_shop", "with_toy"]  # fixtures

MESSAGES = "/v1/chat/shop/messages"
PAGE = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class Door:
    """``short``: the answers that were given to heads. ``pieces``: how often bytes have come."""

    def __init__(self) -> None:
        self.near = self.crowded = False
        self.short: list[bytes] = []
        self.pieces = 0

    def crowd(self) -> None:
        self.near = self.crowded = True


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Door:
    seen = Door()
    answered, received = FastRefusals.respond, Connection.data_received

    def answers(self: FastRefusals, head: RequestHead) -> bytes | None:
        if (made := answered(self, head)) is not None:
            seen.short.append(made)
        return made

    def receives(self: Connection, data: bytes) -> None:
        seen.pieces += 1
        received(self, data)

    monkeypatch.setattr(FastRefusals, "respond", answers)
    monkeypatch.setattr(Connection, "data_received", receives)
    monkeypatch.setattr(OverloadGuard, "is_nearly_full", property(lambda _: seen.near))
    monkeypatch.setattr(OverloadGuard, "is_full", property(lambda _: seen.crowded))
    return seen


def post(path: str = MESSAGES, *, more: str = "", body: bytes = b"{}") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def in_pieces(shop: Shop, door: Door, *pieces: bytes) -> AsyncIterator[Client]:
    """Each piece is sent once the one before has come by itself."""
    async with open_connection(shop) as (reader, writer):
        for piece in pieces:
            before = door.pieces
            writer.write(piece)
            await wait_until(lambda before=before: door.pieces > before)  # type: ignore[misc]
        yield reader, writer


@pytest.mark.parametrize("path", [MESSAGES, "/v1/chat/shop/sessions", "/v1/chat/fenced/attachments", PATH])
@pytest.mark.parametrize("origin", ["", "https://shop.example", "https://elsewhere.example"])
async def test_both_ways_refuse_alike(toy_shop: Shop, door: Door, path: str, origin: str) -> None:
    """Status, headers (also those for browsers) and body are those of the long way, which a query string asks for."""
    door.crowd()
    answers: list[Any] = []
    for each in (path, path + "?long"):
        async with open_connection(toy_shop) as (reader, writer):
            writer.write(post(each, more=f"Origin: {origin}\r\n" if origin else ""))
            status, headers, body = await answer(reader)
            answers.append((status, without_date(headers), body))
    assert answers[0] == answers[1]
    assert answers[0][0] == 503
    assert answers[0][1]["retry-after"] == "1"
    assert len(door.short) == 1
    assert b'parley_refused_total{status="503"} 2.0' in toy_shop.parts.metrics.render()  # type: ignore[attr-defined]


async def test_a_connection_that_has_served_refuses_the_long_way_once(toy_shop: Shop, door: Door) -> None:
    """Where its next request begins is known only then; and when there is room again it serves as before."""
    async with open_connection(toy_shop) as (reader, writer):
        for crowded, sent, status in [
            (False, PAGE, 200),
            (True, post(), 503),
            (True, post(), 503),
            (True, post(), 503),
            (True, PAGE, 200),
            (True, post(), 503),
            (False, post(), 401),
        ]:
            door.near = door.crowded = crowded
            writer.write(sent)
            assert (await answer(reader))[0] == status
    assert len(door.short) == 2


async def test_while_it_is_nearly_crowded_connections_stay_known(toy_shop: Shop, door: Door) -> None:
    """So that the first refusal after a message that was accepted costs as little as the next ones."""
    door.near = True
    async with open_connection(toy_shop) as (reader, writer):
        writer.write(post())
        assert (await answer(reader))[0] == 401
        door.crowd()
        writer.write(post())
        assert (await answer(reader))[0] == 503
    assert len(door.short) == 1


@pytest.mark.parametrize("rest", [b"", PAGE])
async def test_the_body_of_what_was_refused_is_left_out(toy_shop: Shop, door: Door, rest: bytes) -> None:
    """Also when there is room by the time it comes, and when the next request comes with its end."""
    door.crowd()
    whole = post(body=100 * b"x")
    async with in_pieces(toy_shop, door, whole[:-90], whole[-90:-80]) as (reader, writer):
        assert (await answer(reader))[0] == 503
        door.near = door.crowded = False
        writer.write(whole[-80:] + rest)
        if not rest:
            await wait_until(lambda: door.pieces == 3)
            writer.write(PAGE)
        assert (await answer(reader))[0] == 200
    assert len(door.short) == 1


async def test_a_body_that_is_still_to_come_is_not_taken_for_a_request(toy_shop: Shop, door: Door) -> None:
    """It looks like one, and it is the accepted one's."""
    door.near = True
    whole = post(body=post())
    async with in_pieces(toy_shop, door, whole[: -len(post())]) as (reader, writer):
        door.crowd()
        writer.write(post())
        assert (await answer(reader))[0] in (401, 503)  # the one that it belongs to
        writer.write(PAGE)
        assert (await answer(reader))[0] == 200
    assert door.short == []


async def test_a_head_in_two_pieces_goes_the_long_way(toy_shop: Shop, door: Door) -> None:
    door.crowd()
    async with in_pieces(toy_shop, door, post()[:30], post()[30:]) as (reader, writer):
        assert (await answer(reader))[0] == 503
        writer.write(PAGE)
        assert (await answer(reader))[0] == 200
    assert door.short == []


async def test_a_request_in_the_middle_of_another_head_is_not_parsed_as_one(toy_shop: Shop, door: Door) -> None:
    """The parser has the beginning, and it alone knows what the whole is: one request, not two."""
    door.crowd()
    beginning = b"GET /healthz HTTP/1.1\r\nX-Rest: "
    async with in_pieces(toy_shop, door, beginning) as (reader, writer):
        writer.write(post())
        assert (await answer(reader))[0] == 200
        writer.write(post())
        assert (await answer(reader))[0] == 503
    assert len(door.short) == 1


async def test_requests_that_come_at_once_are_answered_in_order(toy_shop: Shop, door: Door) -> None:
    door.crowd()
    async with open_connection(toy_shop) as (reader, writer):
        writer.write(post() + PAGE + post())
        assert [(await answer(reader))[0] for _ in range(3)] == [503, 200, 503]
    assert door.short == []


@pytest.mark.parametrize("seed", range(20))
async def test_a_connection_stays_in_step_wherever_its_bytes_are_cut(toy_shop: Shop, door: Door, seed: int) -> None:
    """Requests, some with bodies that look like requests, in pieces of any length, while it is crowded and not: each is
    answered once and in order."""
    dice = random.Random(seed)
    kinds = [(PAGE, {200}), (post(), {401, 503}), (post(body=post()), {401, 503}), (post(body=PAGE), {401, 503})]
    async with open_connection(toy_shop) as (reader, writer):
        for _ in range(60):
            some = dice.choices(kinds, k=dice.choice((1, 1, 1, 1, 2)))
            sent = b"".join(request for request, _ in some)
            ends = sum(len(request) for request, _ in some[:-1])
            marks = {len(sent) - len(post()), ends, ends + len(some[-1][0].partition(b"\r\n\r\n")[0]) + 4}
            marks |= {dice.randrange(1, 30), dice.randrange(30, len(sent))}
            within = sorted(mark for mark in marks if 0 < mark < len(sent))
            cuts = sorted(dice.sample(within, k=dice.choice((0, 0, 0, 0, 0, 1, 2))))
            for start, end in itertools.pairwise([0, *cuts, len(sent)]):
                door.near = dice.random() < 0.9
                door.crowded = door.near and dice.random() < 0.8
                before = door.pieces
                writer.write(sent[start:end])
                await wait_until(lambda before=before: door.pieces > before)  # type: ignore[misc]
            statuses = [(await answer(reader))[0] for _ in some]
            assert all(status in right for status, (_, right) in zip(statuses, some, strict=True)), statuses
        door.crowd()
        for _ in range(2):
            writer.write(post())
            assert (await answer(reader))[0] == 503
    assert door.short


@pytest.mark.parametrize(
    "path", ["/v1/chat/nobody/messages", "/v1/chat/shop/else", "/v1/admin/shop/route/explain", "/console/sign-in"]
)
async def test_requests_that_are_no_messages_take_the_full_path(toy_shop: Shop, door: Door, path: str) -> None:
    door.crowd()
    async with open_connection(toy_shop) as (reader, writer):
        writer.write(post(path))
        assert (await answer(reader))[0] == 503
    assert door.short == []


async def test_answers_are_made_anew_for_many_callers(toy_shop: Shop, door: Door, monkeypatch: Any) -> None:
    """However many origins there are, few answers are kept."""
    monkeypatch.setattr("gateway.http.fast_refusals.MAX_CACHED", 3)
    door.crowd()
    async with open_connection(toy_shop) as (reader, writer):
        for number in range(10):
            writer.write(post(more=f"Origin: https://{number}.example\r\n"))
            assert (await answer(reader))[1]["access-control-allow-origin"] == f"https://{number}.example"
    assert len(door.short) == 10
