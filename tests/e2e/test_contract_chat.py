"""The chat routes of the contract, from outside: statuses, fields and limits."""

from __future__ import annotations

import asyncio
import io
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import jwt
import pytest

from tests.e2e.conftest import IDENTITY_SECRET, SITE
from tests.harness.contract_client import ContractClient, Visitor
from tests.harness.installation import QUESTIONS

SESSIONS = "/v1/chat/plantstore/sessions"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_new_session_is_201_and_a_resumed_one_200(shop: ContractClient) -> None:
    new = await shop.call("POST", SESSIONS, json={})
    assert new.status == 201
    assert set(new.body) == {"visitor_token", "conversation_id", "expires_at", "seq"}
    assert new.body["seq"] == 0
    assert datetime.fromisoformat(new.body["expires_at"]) > datetime.now(UTC)
    someone = Visitor(shop, "plantstore", new.body["visitor_token"], new.body["conversation_id"])
    said = await someone.say("Good morning")
    again = await shop.call("POST", SESSIONS, json={"visitor_token": someone.token})
    assert again.status == 200
    assert again.body["conversation_id"] == someone.conversation
    assert again.body["seq"] >= said.body["seq"]


async def test_each_new_session_is_a_conversation_of_its_own(shop: ContractClient) -> None:
    made = [await shop.visitor() for _ in range(3)]
    assert len({one.conversation for one in made}) == len({one.token for one in made}) == 3


async def test_a_session_takes_a_locale_and_an_account(shop: ContractClient) -> None:
    answer = await shop.call("POST", SESSIONS, json={"account": "signed", "locale": "de-AT"})
    assert answer.status == 201


@pytest.mark.parametrize("where", ["/v1/chat/nobody/sessions", "/v1/chat/%00/sessions", "/v1/chat/..%2f/sessions"])
async def test_an_unknown_tenant_is_not_found(shop: ContractClient, where: str) -> None:
    assert (await shop.call("POST", where, json={})).code == "not_found"


async def test_an_unknown_account_is_not_found(shop: ContractClient) -> None:
    assert (await shop.call("POST", SESSIONS, json={"account": "nobody"})).code == "not_found"


@pytest.mark.parametrize("body", [{"visitor_token": 5}, {"identity": []}, {"account": {}}, {"locale": "../../etc"}])
async def test_a_session_with_a_field_of_another_kind_is_invalid(shop: ContractClient, body: dict[str, Any]) -> None:
    assert (await shop.call("POST", SESSIONS, json=body)).code == "invalid_request"


@pytest.mark.parametrize("token", ["x", "a.b.c", "é", "x" * 4000, "null"])
async def test_a_visitor_token_that_is_none_is_unauthorized(shop: ContractClient, token: str) -> None:
    assert (await shop.call("POST", SESSIONS, json={"visitor_token": token})).code == "unauthorized"


async def test_a_changed_visitor_token_is_unauthorized_on_every_route(shop: ContractClient, visitor: Visitor) -> None:
    head, body, signature = visitor.token.split(".")
    flipped = signature[:-5] + ("A" if signature[-5] != "A" else "B") + signature[-4:]
    for token in ("", f"{head}.{body}.{flipped}", f"{head}.{body}.", visitor.token[:-1], visitor.token + "x"):
        bad = Visitor(shop, "plantstore", token, "")
        assert (await bad.post(client_msg_id="1", text="x")).code == "unauthorized"
        assert (await bad.call("GET", "messages?after=0")).code == "unauthorized"
        assert (await bad.call("POST", "attachments", data=form())).code == "unauthorized"


async def test_an_expired_visitor_token_is_unauthorized(shop: ContractClient, visitor: Visitor) -> None:
    """The claims of a real token, expired, signed with nothing we accept; a real expiry is tested with a clock."""
    claims = jwt.decode(visitor.token, options={"verify_signature": False})
    claims["exp"] = int(time.time()) - 10
    for token in (jwt.encode(claims, "test-secret-key-of-32-characters!", "HS256"), jwt.encode(claims, "", "none")):
        assert (await Visitor(shop, "plantstore", token, "").call("GET", "messages")).code == "unauthorized"
        claims["exp"] = int(time.time()) + 1000


async def test_another_tenants_token_is_unauthorized_on_every_route(shop: ContractClient, visitor: Visitor) -> None:
    stranger = Visitor(shop, "bookshop", visitor.token, "")
    assert (await stranger.post(client_msg_id="1", text="x")).code == "unauthorized"
    assert (await stranger.call("GET", "messages")).code == "unauthorized"
    assert (await stranger.call("POST", "attachments", data=form())).code == "unauthorized"
    answer = await shop.call("POST", "/v1/chat/bookshop/sessions", json={"visitor_token": visitor.token})
    assert answer.code == "unauthorized"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic eDp5", "bearer\tx"])
async def test_an_authorization_that_is_no_bearer_token_is_unauthorized(shop: ContractClient, header: str) -> None:
    answer = await shop.call("GET", "/v1/chat/plantstore/messages", headers={"Authorization": header})
    assert answer.code == "unauthorized"


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_message_is_202_with_its_id_and_the_first_is_number_one(visitor: Visitor) -> None:
    said = await visitor.say(QUESTIONS[0])
    assert set(said.body) == {"message_id", "seq"}
    assert said.body["seq"] == 1
    mine = (await visitor.read())[0]
    assert (mine["id"], mine["seq"], mine["text"]) == (said.body["message_id"], 1, QUESTIONS[0])
    assert mine["author"]["kind"] == "contact"


async def test_a_repeat_is_202_with_the_same_answer_and_another_body_is_409(visitor: Visitor) -> None:
    first = await visitor.post(client_msg_id="once", text="one")
    assert (await visitor.post(client_msg_id="once", text="one")).body == first.body
    for other in ({"text": "two"}, {"text": "one "}, {"text": "one", "choice": {"in_reply_to": "x", "id": "y"}}):
        answer = await visitor.post(client_msg_id="once", **other)
        assert answer.code in ("id_reused", "invalid_request"), answer
    assert (await visitor.post(client_msg_id="once", text="two")).code == "id_reused"
    assert len([line for line in await visitor.read() if line["author"]["kind"] == "contact"]) == 1


async def test_the_same_id_of_two_visitors_is_two_messages(shop: ContractClient, visitor: Visitor) -> None:
    other = await shop.visitor()
    one = await visitor.post(client_msg_id="shared", text="mine")
    two = await other.post(client_msg_id="shared", text="also mine")
    assert (one.status, two.status) == (202, 202)
    assert one.body["message_id"] != two.body["message_id"]


@pytest.mark.parametrize(("length", "status"), [(0, 400), (1, 202), (64, 202), (65, 400)], ids=lambda value: str(value))
async def test_a_client_msg_id_has_1_to_64_characters(visitor: Visitor, length: int, status: int) -> None:
    assert (await visitor.post(client_msg_id="ä" * length, text="x")).status == status


@pytest.mark.parametrize(("length", "status"), [(0, 400), (1, 202), (8000, 202), (8001, 400)], ids=str)
@pytest.mark.parametrize("letter", ["x", "🌱"])
async def test_a_text_has_1_to_8000_characters(visitor: Visitor, length: int, status: int, letter: str) -> None:
    answer = await visitor.post(client_msg_id="long", text=letter * length)
    assert answer.status == status
    if status == 202:
        assert (await visitor.read())[0]["text"] == letter * length


async def test_a_body_may_have_64_kib_and_not_a_byte_more(visitor: Visitor) -> None:
    head = b'{"client_msg_id": "big", "text": "x", "unknown": "'
    headers = {"Content-Type": "application/json"}
    whole = head + b"y" * (64 * 1024 - len(head) - 2) + b'"}'
    assert len(whole) == 64 * 1024
    over = await visitor.call("POST", "messages", data=whole + b" ", headers=headers)
    assert over.code == "too_large"
    assert (await visitor.call("POST", "messages", data=whole, headers=headers)).status == 202


async def test_a_body_without_a_length_is_cut_off_too(visitor: Visitor) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 10_000

    answer = await visitor.call("POST", "messages", data=endless(), headers={"Content-Type": "application/json"})
    assert answer.code == "too_large"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "json"])
async def test_a_body_that_is_not_json_by_its_type_is_415(visitor: Visitor, kind: str) -> None:
    body = b'{"client_msg_id": "1", "text": "x"}'
    answer = await visitor.call(
        "POST", "messages", data=body, headers={"Content-Type": kind}, skip_auto_headers=["Content-Type"]
    )
    assert answer.code == "unsupported_media_type"


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
async def test_json_by_any_spelling_is_taken(visitor: Visitor, kind: str) -> None:
    body = b'{"client_msg_id": "1", "text": "x"}'
    assert (await visitor.call("POST", "messages", data=body, headers={"Content-Type": kind})).status == 202


@pytest.mark.parametrize(
    "message",
    [
        {"text": "x"},
        {"client_msg_id": "1"},
        {"client_msg_id": 1, "text": "x"},
        {"client_msg_id": "1", "text": None},
        {"client_msg_id": "1", "text": "x", "attachments": "no list"},
        {"client_msg_id": "1", "text": "x", "attachments": ["unknown"]},
        {"client_msg_id": "1", "text": "x", "attachments": [{"id": "x"}]},
        {"client_msg_id": "1", "text": "x", "choice": "person"},
        {"client_msg_id": "1", "text": "x", "choice": {"in_reply_to": "unknown", "id": "person"}},
    ],
    ids=str,
)
async def test_a_message_that_lacks_or_bends_a_field_is_invalid(visitor: Visitor, message: dict[str, Any]) -> None:
    assert (await visitor.post(**message)).code == "invalid_request"
    assert await visitor.read() == []


async def test_unknown_fields_are_ignored(visitor: Visitor) -> None:
    assert (await visitor.post(client_msg_id="1", text="x", from_the_future={"a": [1]})).status == 202


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_a_method_that_a_route_has_not_is_an_error_body_too(visitor: Visitor, method: str) -> None:
    async with visitor.outside.http.request(method, f"{visitor.outside.base}/v1/chat/plantstore/messages") as answer:
        assert answer.status in (404, 405)
        assert set((await answer.json())["error"]) >= {"code", "message", "retryable"}


# ── limits of rate ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_visitor_over_the_allowance_is_429_with_retry_after(shop: ContractClient) -> None:
    someone = await shop.visitor(account="slow")
    answers = [await someone.post(client_msg_id=f"f{i}", text="x") for i in range(10)]
    refused = [answer for answer in answers if answer.status != 202]
    assert refused, "ten messages at once against three a minute"
    assert {answer.code for answer in refused} == {"rate_limited"}
    assert answers[0].status == 202
    kept = [line for line in await someone.read() if line["author"]["kind"] == "contact"]
    assert len(kept) == len(answers) - len(refused)


async def test_a_tenant_over_its_allowance_is_429_and_others_are_served(shop: ContractClient) -> None:
    someone = await shop.visitor("tiny")
    answers = await asyncio.gather(*(someone.post(client_msg_id=f"f{i}", text="x") for i in range(12)))
    assert "rate_limited" in {answer.code for answer in answers if answer.status != 202}
    assert (await (await shop.visitor()).say("hello")).status == 202


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_reading_an_empty_conversation_answers_at_once(visitor: Visitor) -> None:
    answer = await visitor.call("GET", "messages?after=0")
    assert answer.body == {"messages": [], "seq": 0}


async def test_a_long_poll_ends_with_the_first_message_or_after_its_time(visitor: Visitor) -> None:
    began = time.monotonic()
    assert await visitor.read(wait=0.5) == []
    assert 0.5 <= time.monotonic() - began < 15
    began = time.monotonic()
    poll = asyncio.create_task(visitor.read(wait=25))
    await asyncio.sleep(0)
    await visitor.say("here I am")
    assert [line["text"] for line in await poll] == ["here I am"]
    assert time.monotonic() - began < 15, "before its time is over"


@pytest.mark.parametrize(
    "query", ["wait=25.1", "wait=26", "wait=-1", "wait=x", "wait=nan", "wait=inf", "after=-1", "after=x", "after=1.5"]
)
async def test_a_query_out_of_bounds_is_invalid(visitor: Visitor, query: str) -> None:
    assert (await visitor.call("GET", f"messages?{query}")).code == "invalid_request"


async def test_messages_come_ascending_at_most_200_at_a_time_and_none_is_missing(visitor: Visitor) -> None:
    for start in range(0, 240, 40):
        await asyncio.gather(
            *(visitor.post(client_msg_id=f"n{n}", text=f"number {n}") for n in range(start, start + 40))
        )
    first = await visitor.call("GET", "messages?after=0")
    seqs = [line["seq"] for line in first.body["messages"]]
    assert len(seqs) == 200
    assert seqs == sorted(set(seqs))
    assert seqs[0] == 1
    assert first.body["seq"] >= 240, "seq is the highest of the conversation, not of the page"
    texts = {line["text"] for line in first.body["messages"]}
    texts |= {line["text"] for line in await visitor.read(after=seqs[-1])}
    assert texts >= {f"number {n}" for n in range(240)}


async def test_reading_beyond_the_end_is_empty(visitor: Visitor) -> None:
    await visitor.say("hello")
    answer = await visitor.call("GET", "messages?after=1000000")
    assert answer.body["messages"] == []
    assert answer.body["seq"] >= 1


async def test_an_answer_has_every_field_of_a_chat_message(visitor: Visitor) -> None:
    said = await visitor.say(QUESTIONS[0])
    reply = await visitor.until("agent", said.body["seq"])
    assert reply["in_reply_to"] == said.body["message_id"]
    assert reply["author"]["name"]
    assert [cited["n"] for cited in reply["citations"]] == [*range(1, len(reply["citations"]) + 1)]
    assert reply["citations"][0]["document"] == "shipping"
    assert datetime.fromisoformat(reply["created_at"]).tzinfo is not None


async def test_html_is_safe_to_show_whatever_was_written(visitor: Visitor) -> None:
    await visitor.say("<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1))")
    html = (await visitor.read())[0]["html"]
    assert "<script" not in html
    assert "<img" not in html
    assert 'href="javascript' not in html


# ── attachments ──────────────────────────────────────────────────────────────────────────────────────────────────────


def form(data: bytes = PNG, name: str = "leaf.png", kind: str = "image/png", field: str = "file") -> aiohttp.FormData:
    made = aiohttp.FormData()
    made.add_field(field, data, filename=name, content_type=kind)
    return made


MULTIPART = {"Content-Type": "multipart/form-data; boundary=abc"}


def multipart(data: bytes = PNG, name: bytes = b"leaf.png") -> io.BytesIO:
    """By hand, for what a careful client library refuses to send."""
    head = b'--abc\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n'
    return io.BytesIO(head + b"Content-Type: image/png\r\n\r\n" + data + b"\r\n--abc--\r\n")


def local(visitor: Visitor, url: str) -> str:
    return url if url.startswith("http") else visitor.outside.base + url


async def test_a_file_is_uploaded_named_in_a_message_shown_and_fetched(visitor: Visitor) -> None:
    up = await visitor.call("POST", "attachments", data=form())
    assert up.status == 201
    await visitor.say("Is this mildew?", attachments=[up.body["attachment_id"]])
    (shown,) = (await visitor.read())[0]["attachments"]
    assert (shown["id"], shown["name"], shown["type"], shown["size"]) == (
        up.body["attachment_id"],
        "leaf.png",
        "image/png",
        len(PNG),
    )
    async with visitor.outside.http.get(local(visitor, shown["url"])) as answer:
        assert answer.status == 200
        assert await answer.read() == PNG
        assert answer.headers.get("X-Content-Type-Options") == "nosniff"


async def test_the_address_of_a_file_holds_only_as_it_was_signed(visitor: Visitor) -> None:
    up = await visitor.call("POST", "attachments", data=form())
    await visitor.say("see", attachments=[up.body["attachment_id"]])
    path = "/" + (await visitor.read())[0]["attachments"][0]["url"].split("/", 3)[-1].lstrip("/")
    for bad in (path.partition("?")[0], path[:-2] + "AA", path.replace("plantstore", "bookshop")):
        assert (await visitor.outside.call("GET", bad)).code in ("forbidden", "not_found"), bad


async def test_a_file_alone_is_a_message(visitor: Visitor) -> None:
    up = await visitor.call("POST", "attachments", data=form())
    answer = await visitor.post(client_msg_id="1", text="", attachments=[up.body["attachment_id"]])
    # The contract asks for 1 to 8,000 characters, so the empty text may also be refused; but clearly.
    assert answer.status in (202, 400)


async def test_another_tenants_file_cannot_be_named(shop: ContractClient, visitor: Visitor) -> None:
    up = await visitor.call("POST", "attachments", data=form(PNG + b"only ours"))
    stranger = await shop.visitor("bookshop")
    answer = await stranger.post(client_msg_id="1", text="x", attachments=[up.body["attachment_id"]])
    assert answer.code == "invalid_request"


async def test_a_file_over_the_limit_is_too_large(visitor: Visitor) -> None:
    large = await visitor.call("POST", "attachments", data=multipart(PNG + bytes(9 * 1024 * 1024)), headers=MULTIPART)
    assert large.status == 201
    over = await visitor.call("POST", "attachments", data=multipart(PNG + bytes(10 * 1024 * 1024)), headers=MULTIPART)
    assert over.code == "too_large"


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"MZ\x90\0" + b"\0" * 200, "leaf.png", "image/png"),
        (b"\x7fELF" + b"\0" * 200, "a", "application/octet-stream"),
        (b"\0\1\2\3" * 50, "leaf.txt", "text/plain"),
    ],
    ids=["windows", "linux", "bytes"],
)
async def test_a_file_is_typed_by_what_it_holds(visitor: Visitor, data: bytes, name: str, kind: str) -> None:
    assert (await visitor.call("POST", "attachments", data=form(data, name, kind))).code == "unsupported_media_type"


@pytest.mark.parametrize("kind", ["image/png", "text/html", "image/svg+xml"])
async def test_a_page_in_an_upload_is_never_served_as_a_page(visitor: Visitor, kind: str) -> None:
    page = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    up = await visitor.call("POST", "attachments", data=form(page, "leaf.html", kind))
    if up.status == 415:
        return
    await visitor.say("see", attachments=[up.body["attachment_id"]])
    shown = (await visitor.read())[0]["attachments"][0]
    assert shown["type"] == "text/plain"
    async with visitor.outside.http.get(local(visitor, shown["url"])) as answer:
        assert answer.content_type in ("text/plain", "application/octet-stream")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Disposition"].startswith("attachment")


async def test_an_upload_that_is_no_upload_is_a_clear_error(visitor: Visitor) -> None:
    json_body = await visitor.call("POST", "attachments", json={"file": "x"})
    assert json_body.code == "unsupported_media_type"
    headers = {"Content-Type": "multipart/form-data"}
    assert (await visitor.call("POST", "attachments", data=b"x", headers=headers)).code == "invalid_request"
    for body in (b"", b"garbage", b"--abc\r\n", b"--abc--\r\n", b"--abc\r\nContent-Disposition: form-data\r\n\r\n"):
        answer = await visitor.call("POST", "attachments", data=body, headers=MULTIPART)
        assert answer.code == "invalid_request", body
    empty = await visitor.call("POST", "attachments", data=form(b""))
    assert empty.status in (400, 415)


@pytest.mark.parametrize(
    "name",
    [
        b"../../etc/passwd.png",
        b"a\0b.png",
        b"x" * 3000 + b".png",
        "ünï 🌱.png".encode(),
        b"\xff\xfe.png",
        b"",
        b"\\",
        b"..",
    ],
    ids=["path", "nul", "long", "utf8", "not-utf8", "empty", "backslash", "dots"],
)
async def test_a_strange_file_name_does_no_harm(visitor: Visitor, name: bytes) -> None:
    up = await visitor.call("POST", "attachments", data=multipart(name=name), headers=MULTIPART)
    assert up.status in (201, 400)
    if up.status == 201:
        await visitor.say("see", attachments=[up.body["attachment_id"]])
        shown = (await visitor.read())[0]["attachments"][0]["name"]
        assert "/" not in shown
        assert "\0" not in shown
        assert shown not in ("", ".", "..")
        assert len(shown) <= 255


# ── identity ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def identity(secret: str = IDENTITY_SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    whole = {"sub": "ada", "exp": datetime.now(UTC) + timedelta(minutes=10)} | claims
    return jwt.encode({k: v for k, v in whole.items() if v is not None}, secret, algorithm)


async def test_a_signed_in_visitor_has_one_conversation_on_every_device(shop: ContractClient) -> None:
    first = await shop.visitor(account="signed", identity=identity(sub="eve"))
    again = await shop.visitor(account="signed", identity=identity(sub="eve"))
    other = await shop.visitor(account="signed", identity=identity(sub="bob"))
    assert first.conversation == again.conversation != other.conversation
    await first.say("from the phone")
    assert [line["text"] for line in await again.read()][:1] == ["from the phone"]


@pytest.mark.parametrize(
    "token",
    [
        lambda: identity(exp=datetime.now(UTC) - timedelta(minutes=5)),
        lambda: identity(exp=datetime.now(UTC) + timedelta(hours=2)),
        lambda: identity(exp=None),
        lambda: identity(secret="another-secret-that-is-long-enough!!"),
        lambda: identity(secret="", algorithm="none"),
        lambda: identity(sub=None),
        lambda: identity(sub=""),
        lambda: identity(sub={"$ne": 1}),
        lambda: identity(nbf=datetime.now(UTC) + timedelta(minutes=9)),
        lambda: identity(exp="never"),
        lambda: "garbage",
        lambda: "a.b.c",
    ],
)
async def test_an_identity_that_does_not_hold_is_unauthorized(shop: ContractClient, token: Any) -> None:
    try:
        text = token()
    except TypeError:
        # The library refuses to sign it; made by hand.
        text = jwt.api_jws.PyJWS().encode(b'{"sub": {"$ne": 1}, "exp": 4102444800}', IDENTITY_SECRET, "HS256")
    for account in ("signed", "members"):
        assert (await shop.call("POST", SESSIONS, json={"account": account, "identity": text})).code == "unauthorized"


async def test_an_account_that_requires_an_identity_takes_nobody_remove_grouped(shop: ContractClient) -> None:
    assert (await shop.call("POST", SESSIONS, json={"account": "members"})).code == "unauthorized"
    assert (await shop.visitor(account="members", identity=identity())).conversation


async def test_an_identity_where_the_site_has_no_secret_is_refused(shop: ContractClient) -> None:
    answer = await shop.call("POST", SESSIONS, json={"identity": identity(secret="", algorithm="none")})
    assert answer.status in (400, 401)
    answer = await shop.call("POST", SESSIONS, json={"identity": identity()})
    assert answer.status in (400, 401)


# ── origins ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_listed_site_may_and_another_may_not(shop: ContractClient) -> None:
    body = {"account": "site"}
    mine = await shop.call("POST", SESSIONS, json=body, headers={"Origin": SITE})
    assert mine.status == 201
    assert mine.headers["Access-Control-Allow-Origin"] == SITE
    assert "Origin" in mine.headers["Vary"]
    for origin in ("https://evil.example", f"{SITE}.evil.example", SITE.replace("https", "http"), "null"):
        other = await shop.call("POST", SESSIONS, json=body, headers={"Origin": origin})
        assert other.code == "forbidden", origin
        # A page elsewhere that got hold of a token may not use it either.
        token = mine.body["visitor_token"]
        read = await shop.call("GET", "/v1/chat/plantstore/messages", token=token, headers={"Origin": origin})
        assert read.code == "forbidden"


async def test_a_preflight_allows_what_the_chat_needs(shop: ContractClient) -> None:
    headers = {"Origin": SITE, "Access-Control-Request-Method": "POST"}
    headers["Access-Control-Request-Headers"] = "authorization,content-type"
    for path in ("sessions", "messages", "attachments"):
        answer = await shop.call("OPTIONS", f"/v1/chat/plantstore/{path}", headers=headers)
        assert answer.status in (200, 204)
        allowed = answer.headers["Access-Control-Allow-Headers"].lower()
        assert "authorization" in allowed
        assert "content-type" in allowed
        assert answer.headers["Access-Control-Allow-Origin"] in ("*", SITE)


async def test_errors_are_readable_for_the_page_too(shop: ContractClient) -> None:
    answer = await shop.call("GET", "/v1/chat/plantstore/messages", headers={"Origin": SITE})
    assert answer.code == "unauthorized"
    assert answer.headers["Access-Control-Allow-Origin"] in ("*", SITE)
