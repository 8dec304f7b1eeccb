"""Bad input from outside: a clear error or a faithful message, never a 500, nothing lost, nothing in the log."""

from __future__ import annotations

import json
import socket as sockets
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from tests.harness.contract_client import Answer, ContractClient, Visitor
from tests.harness.installation import QUESTIONS

JSON = {"Content-Type": "application/json"}


async def post_raw_body(visitor: Visitor, body: bytes) -> Answer:
    return await visitor.call("POST", "messages", data=body, headers=JSON)


def message(text: bytes) -> bytes:
    return b'{"client_msg_id": "1", "text": ' + text + b"}"


MALFORMED = {
    "nothing": b"",
    "a space": b" ",
    "half": b'{"client_msg_id": "1", "text": "x"',
    "two": message(b'"x"') * 2,
    "trailing comma": b'{"client_msg_id": "1", "text": "x",}',
    "single quotes": b"{'client_msg_id': '1', 'text': 'x'}",
    "nan": message(b"NaN"),
    "a list": b'[{"client_msg_id": "1", "text": "x"}]',
    "null": b"null",
    "a number": b"17",
    "a string": b'"x"',
    "not utf-8": message(b'"\xff\xfe"'),
    "latin-1": message('"é"'.encode("latin-1")),
    "utf-16": message(b'"x"').decode().encode("utf-16"),
    "overlong": message(b'"\xc0\xaf"'),
    "raw surrogate": message(b'"\xed\xa0\x80"'),
    "escaped surrogate": message(rb'"\ud800"'),
    "escaped low surrogate": message(rb'"a\udc00b"'),
    "reversed pair": message(rb'"\udc00\ud800"'),
    "raw nul": message(b'"a\0b"'),
    "escaped nul": message(rb'"a\u0000b"'),
    "raw newline": message(b'"a\nb"'),
    "deep lists": b"[" * 30_000,
    "deep objects": b'{"a":' * 10_000,
    "deep unknown": b'{"client_msg_id": "1", "text": "x", "u": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "text is a number": message(b"5"),
    "text is a huge number": message(b"9" * 5_000),
    "text is a huge exponent": message(b"1e999999"),
    "text is true": message(b"true"),
    "text is a list": message(b'["x"]'),
    "text is an object": message(b'{"$ne": 1}'),
    "id is a number": b'{"client_msg_id": 1, "text": "x"}',
    "id is a huge number": b'{"client_msg_id": ' + b"1" * 5_000 + b', "text": "x"}',
    "id has a nul": rb'{"client_msg_id": "a\u0000b", "text": "x"}',
    "id has a surrogate": rb'{"client_msg_id": "\ud800", "text": "x"}',
    "empty text": message(b'""'),
    "spaces": message(b'"   "'),
    "blank lines": message(rb'"\n\t\r\n"'),
    "wide spaces": message('"\u3000\u2003\u00a0"'.encode()),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_input_is_invalid_and_leaves_nothing_behind(visitor: Visitor, body: bytes) -> None:
    assert (await post_raw_body(visitor, body)).code == "invalid_request"
    assert await visitor.read() == []
    assert (await visitor.post(client_msg_id="1", text="then a good one")).status == 202


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_input_is_invalid_for_sessions_too(shop: ContractClient, body: bytes) -> None:
    answer = await shop.call("POST", "/v1/chat/plantstore/sessions", data=body, headers=JSON)
    # A session has no text, so some of these are an object with fields it does not know.
    assert answer.status in (201, 400)
    if answer.status == 201:
        assert isinstance(json.loads(body), dict)


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_input_is_a_clear_error_for_the_admin_api_too(shop: ContractClient, body: bytes) -> None:
    for method, path in (("PUT", "knowledge/bad-input"), ("POST", "knowledge/search")):
        assert (await shop.admin(method, path, data=body, headers=JSON)).code in ("invalid_request", "unprocessable")


@pytest.mark.parametrize("size", [64 * 1024 + 1, 1_000_000, 8_000_000])
async def test_a_huge_text_is_too_large(visitor: Visitor, size: int) -> None:
    async def body() -> Any:
        yield b'{"client_msg_id": "1", "text": "'
        for _ in range(size // 50_000 + 1):
            yield b"x" * 50_000
        yield b'"}'

    assert (await visitor.call("POST", "messages", data=body(), headers=JSON)).code == "too_large"
    assert await visitor.read() == []


FAITHFUL = {
    "rtl": "שלום, האם אתם שולחים לירושלים? مرحبا",
    "bidi marks": "\u202eabc\u202c \u200f\u2066x\u2069",
    "emoji": "🌱👩🏽‍🌾🏴󠁧󠁢󠁷󠁬󠁳󠁿👨‍👩‍👧‍👦",
    "combining": "e\u0301" + "\u0300" * 50,
    "decomposed": unicodedata.normalize("NFD", "Füße"),
    "zero width": "a\u200bb\ufeffc",
    "noncharacter": "\uffff\U0010ffff",
    "private": "\ue000",
    "controls": "a\tb\nc\r\nd\x7f",
    "quotes": "\"'\\`${x}%s{0}<b>&amp;",
    "sql": "'; DROP TABLE bus_records; --",
    "looks like json": '{"type": "message"}',
    "spaces around": "  in the middle  ",
    "astral": "𐍈𝕏",
    "crlf injection": "x\r\nSet-Cookie: a=b\r\n\r\n",
}


@pytest.mark.parametrize("text", FAITHFUL.values(), ids=FAITHFUL.keys())
async def test_unusual_text_is_kept_letter_by_letter_and_answered(visitor: Visitor, text: str) -> None:
    await visitor.say(text)
    assert (await visitor.read())[0]["text"] == text
    assert (await visitor.until("agent"))["text"]


async def test_unusual_text_over_a_socket_is_kept_too(visitor: Visitor) -> None:
    async with visitor.tab() as tab:
        for n, text in enumerate(FAITHFUL.values()):
            await tab.send(type="message", client_msg_id=f"f{n}", text=text)
            await tab.frame("ack")
    mine = [line["text"] for line in await visitor.read() if line["author"]["kind"] == "contact"]
    assert mine == [*FAITHFUL.values()]


async def test_of_duplicate_keys_one_is_taken_or_the_body_refused(visitor: Visitor) -> None:
    answer = await post_raw_body(visitor, b'{"client_msg_id": "1", "text": "first", "text": "second"}')
    assert answer.status in (202, 400)
    if answer.status == 202:
        assert (await visitor.read())[0]["text"] in ("first", "second")


async def test_a_surrogate_pair_in_escapes_is_the_letter_it_means(visitor: Visitor) -> None:
    assert (await post_raw_body(visitor, message(rb'"\ud83c\udf31"'))).status == 202
    assert (await visitor.read())[0]["text"] == "🌱"


@pytest.mark.parametrize("value", ["utf-16", "latin-1", "no-such-charset", "utf-7"])
async def test_a_charset_other_than_utf8_does_no_harm(visitor: Visitor, value: str) -> None:
    headers = {"Content-Type": f"application/json; charset={value}"}
    answer = await visitor.call("POST", "messages", data=message(b'"x"'), headers=headers)
    assert answer.status in (202, 400, 415)


async def test_a_compressed_body_is_bounded_too(visitor: Visitor) -> None:
    import gzip

    bomb = gzip.compress(message(b'"' + b"x" * 50_000_000 + b'"'))
    headers = {**JSON, "Content-Encoding": "gzip"}
    answer = await visitor.call("POST", "messages", data=bomb, headers=headers)
    assert answer.status in (400, 413, 415)
    answer = await visitor.call("POST", "messages", data=b"not gzip at all", headers=headers)
    assert answer.status in (400, 415)


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["nonsense", "version", "negative-length", "smuggling", "long-header", "long-address", "tls"],
)
async def test_bytes_that_are_no_http_get_a_4xx_without_our_insides(shop: ContractClient, data: bytes) -> None:
    import asyncio

    reader, writer = await asyncio.open_connection("127.0.0.1", shop.installation.port("dev"))
    writer.write(data)
    answer = await asyncio.wait_for(reader.read(65536), 30)
    writer.close()
    assert answer.split(b" ")[1][:1] == b"4", answer[:200]
    assert b"Traceback" not in answer
    assert b".py" not in answer
    assert (await shop.call("GET", "/healthz")).status == 200


async def test_a_caller_that_leaves_in_the_middle_does_no_harm(shop: ContractClient) -> None:
    for _ in range(20):
        with sockets.create_connection(("127.0.0.1", shop.installation.port("dev"))) as half:
            half.sendall(b"POST /v1/chat/plantstore/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    assert (await shop.visitor()).conversation


CANARY = "quetzalcoatl-canary"


async def test_the_log_is_json_with_the_named_fields_and_holds_no_word_of_anybody(visitor: Visitor) -> None:
    """Accepted, refused, answered, written by a person, searched: nothing of it stands in a log at debug level."""
    shop = visitor.outside
    await visitor.ask(f"{QUESTIONS[0]} {CANARY}")
    await visitor.ask(f"{CANARY}?")
    await post_raw_body(visitor, message(f'"{CANARY}'.encode()))
    await post_raw_body(visitor, message(f'["{CANARY}"]'.encode()))
    await visitor.post(client_msg_id=CANARY, text=f"{CANARY}\0")
    await visitor.call("GET", f"messages?after={CANARY}")
    async with visitor.tab() as tab:
        await tab.send(type="message", client_msg_id="s", text=CANARY)
        await tab.frame("ack")
        await tab.send(type=CANARY)
        await tab.frame("error")
    path = f"conversations/{visitor.conversation}/messages"
    await shop.admin("POST", path, json={"client_msg_id": "p", "text": CANARY})
    await visitor.until("person")
    await shop.admin("POST", "knowledge/search", json={"query": CANARY, "k": 1})
    await shop.admin("PUT", "knowledge/canary", json={"title": CANARY, "body": CANARY})
    await shop.admin("DELETE", "knowledge/canary")
    log = (shop.installation.folder / "dev.log").read_text().rpartition("\n")[0]
    lines = [line for line in log.splitlines() if line.startswith("{")]
    assert len(lines) > 20, "at debug level there must be something to look at"
    for line in lines:
        assert set(json.loads(line)) >= {
            *("event", "level", "timestamp", "tenant", "channel", "conversation_id", "correlation_id"),
        }, line
    assert any(json.loads(line)["conversation_id"] == visitor.conversation for line in lines)
    assert CANARY not in log
    assert visitor.token not in log
    assert "Traceback" not in log


async def test_a_document_that_is_not_text_is_left_out_by_name_and_the_others_are_taken(
    shop: ContractClient, tmp_path: Path
) -> None:
    (tmp_path / "good.md").write_text("# Zebra\n\nThe zebra plant costs 19 euro.\n")
    (tmp_path / "binary.md").write_bytes(bytes(range(256)) * 10)
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 100)
    (tmp_path / "empty.md").write_text("")
    command = shop.installation.command("knowledge", "add", str(tmp_path), "--tenant", "bookshop", "--url", shop.base)
    status, output = await command
    assert status == 1, output
    assert "binary.md" in output
    assert "picture.txt" in output
    assert "Traceback" not in output
    assert (await shop.admin("GET", "knowledge/good", tenant="bookshop")).status == 200
    for name in ("binary", "picture"):
        assert (await shop.admin("GET", f"knowledge/{name}", tenant="bookshop")).status == 404
