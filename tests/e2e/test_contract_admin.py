"""The admin routes of the contract, from outside, and the routes for machines: OpenAPI, health, metrics."""

from __future__ import annotations

import asyncio
import io
import json
import re
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas.envelope import Envelope
from tests.e2e.conftest import ENGINES, run_installation
from tests.harness.contract_client import Answer, ContractClient, Visitor, wait_for
from tests.harness.installation import ADMIN_TOKEN, QUESTIONS, Installation
from tests.harness.processes import ForkServer

NONSENSE = "Who won the football world championship in 1974?"
TURN = {
    *("id", "handled", "route", "reasons", "confidence", "model", "tokens", "cost", "stages", "passages"),
    *("actions", "replies"),
}


@pytest.fixture(scope="module", params=ENGINES)
async def parley(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    """One for all tests of this file: each brings contacts of its own."""
    async with run_installation(request, fork_server, tmp_path_factory.mktemp("admin")) as installation:
        yield installation


async def get_conversation(visitor: Visitor) -> dict[str, Any]:
    answer = await visitor.outside.admin("GET", f"conversations/{visitor.conversation}", tenant=visitor.tenant)
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


async def owned_by(visitor: Visitor, owner: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        now = await get_conversation(visitor)
        return now if now["owner"] == owner else None

    return await wait_for(look)


async def change_owner(visitor: Visitor, to: str, epoch: int) -> Answer:
    path = f"conversations/{visitor.conversation}/owner"
    return await visitor.outside.admin("POST", path, tenant=visitor.tenant, json={"to": to, "epoch": epoch})


async def write(visitor: Visitor, id_: str, text: str, **more: Any) -> Answer:
    path = f"conversations/{visitor.conversation}/messages"
    return await visitor.outside.admin("POST", path, json={"client_msg_id": id_, "text": text, **more})


async def wait_for_transcript(visitor: Visitor) -> list[dict[str, Any]]:
    """The transcript, once every message of the contact stands in a turn."""

    async def look() -> list[dict[str, Any]] | None:
        lines = await visitor.read()
        asked = {line["id"] for line in lines if line["author"]["kind"] == "contact"}
        handled = {done for turn in (await get_conversation(visitor))["turns"] for done in turn["handled"]}
        return lines if asked <= handled else None

    return await wait_for(look)


async def lines_until_person(visitor: Visitor, id_: str) -> list[dict[str, Any]]:
    """The transcript up to a person's message that is written now. One conversation is worked on in order, so by then
    everything before it is done with, also what the agent left unanswered."""
    assert (await write(visitor, id_, f"barrier {id_}")).status == 202

    async def look() -> list[dict[str, Any]] | None:
        lines = await visitor.read()
        return lines if f"barrier {id_}" in [line["text"] for line in lines] else None

    return await wait_for(look)


# ── who may ──────────────────────────────────────────────────────────────────────────────────────────────────────────

ROUTES = [
    ("PUT", "knowledge/x"),
    ("GET", "knowledge"),
    ("GET", "knowledge/x"),
    ("DELETE", "knowledge/x"),
    ("POST", "knowledge/search"),
    ("GET", "conversations"),
    ("GET", "conversations/x"),
    ("POST", "conversations/x/owner"),
    ("POST", "conversations/x/messages"),
    ("POST", "conversations/x/attachments"),
    ("GET", "deadletters"),
    ("POST", "deadletters/x/replay"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
async def test_every_admin_route_wants_the_admin_token(visitor: Visitor, method: str, path: str) -> None:
    for token in ("", "wrong", visitor.token, ADMIN_TOKEN[:-1], f"{ADMIN_TOKEN} "):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await visitor.outside.call(method, f"/v1/admin/plantstore/{path}", headers=headers, json={})
        if token.strip() != ADMIN_TOKEN:
            assert answer.code == "unauthorized", token


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=lambda part: part)
async def test_an_unknown_tenant_or_thing_is_not_found(shop: ContractClient, method: str, path: str) -> None:
    bodies = {"owner": {"to": "person", "epoch": 0}, "messages": {"client_msg_id": "1", "text": "x"}}
    body = bodies.get(path.rpartition("/")[2], {"title": "x", "body": "x", "query": "x", "k": 1})
    assert (await shop.admin(method, path, tenant="nobody", json=body)).code == "not_found"
    if "/x" in path and method != "PUT":
        answer = await shop.admin(method, path.replace("/x", "/no-such-thing"), json=body)
        # Deleting what is not there leaves nothing to do; both answers are honest.
        assert answer.status in ((204, 404) if method == "DELETE" else (404,)), answer


# ── knowledge ────────────────────────────────────────────────────────────────────────────────────────────────────────

BODY = "# Wrapping\n\n## Gifts\n\nWe wrap gifts in recycled kraft paper for three euro.\n"


async def test_a_document_is_put_read_listed_found_and_deleted(shop: ContractClient) -> None:
    put = await shop.admin(
        "PUT", "knowledge/wrapping", json={"title": "Wrapping", "body": BODY, "url": "https://x.de/w"}
    )
    assert put.status == 200
    assert set(put.body) == {"document", "version", "passages"}
    assert (put.body["document"], put.body["passages"] >= 1) == ("wrapping", True)
    sure = await shop.admin(
        "PUT", "knowledge/wrapping?wait=20", json={"title": "Wrapping", "body": BODY + "\nA bow.\n"}
    )
    assert sure.body["searchable"] is True
    for wrong in ("-1", "1_0", "26", "soon", "nan"):
        refused = await shop.admin("PUT", f"knowledge/wrapping?wait={wrong}", json={"title": "W", "body": BODY})
        assert refused.code == "invalid_request"
    again = await shop.admin("PUT", "knowledge/wrapping", json={"title": "Wrapping", "body": BODY + "\nNew.\n"})
    assert again.body["version"] > put.body["version"]
    got = await shop.admin("GET", "knowledge/wrapping")
    assert (got.body["document"], got.body["title"], got.body["body"]) == ("wrapping", "Wrapping", BODY + "\nNew.\n")
    listed = await shop.admin("GET", "knowledge")
    assert set(listed.body) == {"items", "next"}
    assert {"wrapping", "shipping", "returns", "watering"} <= {item["document"] for item in listed.body["items"]}
    found = await shop.admin("POST", "knowledge/search", json={"query": "Do you wrap gifts?", "k": 3})
    assert set(found.body) == {"passages", "answerable", "confidence"}
    assert found.body["passages"][0]["document"] == "wrapping"
    assert set(found.body["passages"][0]) == {"document", "title", "heading", "text", "url", "score"}
    assert found.body["answerable"] is True
    gone = await shop.admin("DELETE", "knowledge/wrapping")
    assert (gone.status, gone.raw) == (204, b"")
    assert (await shop.admin("GET", "knowledge/wrapping")).code == "not_found"
    after = await shop.admin("POST", "knowledge/search", json={"query": "Do you wrap gifts?", "k": 3})
    assert "wrapping" not in {passage["document"] for passage in after.body["passages"]}


async def test_a_deleted_document_is_not_cited_by_the_next_answer(shop: ContractClient, visitor: Visitor) -> None:
    text = "# Vouchers\n\n## Validity\n\nA gift voucher is valid for seven years.\n"
    await shop.admin("PUT", "knowledge/vouchers", json={"title": "Vouchers", "body": text})
    assert "seven years" in (await visitor.ask("How long is a gift voucher valid?"))["text"]
    await shop.admin("DELETE", "knowledge/vouchers")
    assert (await visitor.ask("How long is a gift voucher valid?"))["citations"] == []


async def test_a_question_beyond_the_documents_is_not_answerable(shop: ContractClient) -> None:
    found = await shop.admin("POST", "knowledge/search", json={"query": NONSENSE, "k": 3})
    assert found.body["answerable"] is False
    assert 0 <= found.body["confidence"] <= 1


async def test_a_list_is_paged_without_a_gap_or_a_repeat(shop: ContractClient) -> None:
    for n in range(5):
        await shop.admin("PUT", f"knowledge/page-{n}", tenant="bookshop", json={"title": f"P{n}", "body": f"Page {n}."})
    seen: list[str] = []
    after = ""
    while True:
        page = (await shop.admin("GET", f"knowledge?limit=2&after={after}", tenant="bookshop")).body
        seen += [item["document"] for item in page["items"]]
        after = page["next"]
        if not after:
            break
    assert sorted(seen) == sorted(set(seen))
    assert {f"page-{n}" for n in range(5)} <= set(seen)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": "x"},
        {"body": "x"},
        {"title": 5, "body": "x"},
        {"title": "x", "body": ["x"]},
        {"title": "x", "body": ""},
        {"title": "", "body": "x"},
        {"title": "x", "body": "x", "url": "javascript:alert(1)"},
        {"title": "x", "body": "x", "expires_at": "tomorrow"},
        {"title": "x", "body": "a\0b"},
        {"title": "x", "body": "x", "visibility": 7},
    ],
    ids=str,
)
async def test_a_bad_document_is_refused_and_not_kept(shop: ContractClient, body: dict[str, Any]) -> None:
    answer = await shop.admin("PUT", "knowledge/bad", json=body)
    assert answer.code in ("invalid_request", "unprocessable")
    assert (await shop.admin("GET", "knowledge/bad")).status == 404


@pytest.mark.parametrize("name", ["a%20b", "..", "%2e%2e", "a%2fb", "x" * 300, "%00", "ä", "a%0ab"])
async def test_a_strange_document_id_is_a_clear_error_or_taken_whole(shop: ContractClient, name: str) -> None:
    answer = await shop.admin(
        "PUT",
        f"knowledge/{name}",
        json={"title": "x", "body": "x"},
    )
    assert answer.status in (200, 400, 404), answer
    if answer.status == 200:
        assert (await shop.admin("DELETE", f"knowledge/{name}")).status == 204


async def test_a_document_over_the_limit_is_document_too_large(shop: ContractClient) -> None:
    body = io.BytesIO(json.dumps({"title": "x", "body": "word " * 4_000_000}).encode())
    answer = await shop.admin("PUT", "knowledge/huge", data=body, headers={"Content-Type": "application/json"})
    assert answer.code in ("document_too_large", "too_large")
    # Over the limit of a document, though not of a request.
    body = io.BytesIO(json.dumps({"title": "x", "body": "word " * 240_000}).encode())
    answer = await shop.admin("PUT", "knowledge/huge", data=body, headers={"Content-Type": "application/json"})
    assert answer.code == "document_too_large"
    assert (await shop.admin("GET", "knowledge/huge")).code == "not_found"


@pytest.mark.parametrize(
    "body",
    [{}, {"query": ""}, {"query": 5}, {"query": "x", "k": 0}, {"query": "x", "k": "3"}, {"query": "x", "k": 10**9}],
    ids=str,
)
async def test_a_bad_search_is_invalid(shop: ContractClient, body: dict[str, Any]) -> None:
    assert (await shop.admin("POST", "knowledge/search", json=body)).code == "invalid_request"


@pytest.mark.parametrize("query", ['"', "a AND", "title:*", "(((", "\\", "~^5", "+-&&", "x" * 1000, "🌱", "\u202eabc"])
async def test_a_query_is_words_never_a_language(shop: ContractClient, query: str) -> None:
    assert (await shop.admin("POST", "knowledge/search", json={"query": query, "k": 3})).status == 200


# ── conversations ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_conversation_shows_its_transcript_owner_epoch_and_turns(visitor: Visitor) -> None:
    reply = await visitor.ask(QUESTIONS[0])
    lines = await wait_for_transcript(visitor)
    shown = await get_conversation(visitor)
    assert {"transcript", "owner", "epoch", "turns"} <= set(shown)
    assert shown["owner"] == "agent"
    assert [line["id"] for line in shown["transcript"]] == [line["id"] for line in lines]
    (turn,) = shown["turns"]
    assert set(turn) >= TURN, TURN - set(turn)
    assert turn["handled"] == [lines[0]["id"]]
    assert turn["replies"][0]["id"] == reply["id"]
    assert all(isinstance(ms, int | float) for ms in turn["stages"].values())
    assert turn["stages"]
    cited = [passage for passage in turn["passages"] if passage["cited"]]
    assert set(turn["passages"][0]) == {"document", "heading", "score", "cited"}
    assert cited[0]["document"] == "shipping"


async def test_conversations_are_listed_by_state_and_channel(visitor: Visitor) -> None:
    await visitor.ask(QUESTIONS[0])
    shop = visitor.outside
    listed = (await shop.admin("GET", "conversations?state=agent&channel=web")).body
    assert set(listed) == {"items", "next"}
    assert visitor.conversation in json.dumps(listed)
    assert (await shop.admin("GET", "conversations?channel=slack")).body["items"] == []
    assert visitor.conversation not in json.dumps((await shop.admin("GET", "conversations?state=person")).body)
    assert visitor.conversation not in json.dumps((await shop.admin("GET", "conversations", tenant="bookshop")).body)


@pytest.mark.parametrize("query", ["state=nobody", "limit=0", "limit=x", "limit=100000", "after=%00", "after=garbage"])
async def test_a_bad_list_query_is_invalid(shop: ContractClient, query: str) -> None:
    answer = await shop.admin("GET", f"conversations?{query}")
    assert answer.status in ((200, 400) if "garbage" in query else (400,)), answer


async def test_one_claim_wins_and_the_stale_one_hears_what_holds(visitor: Visitor) -> None:
    await visitor.ask(QUESTIONS[0])
    epoch = (await get_conversation(visitor))["epoch"]
    answers = await asyncio.gather(*(change_owner(visitor, "person", epoch) for _ in range(10)))
    won = [answer for answer in answers if answer.status == 200]
    lost = [answer for answer in answers if answer.status != 200]
    assert len(won) == 1
    assert set(won[0].body) == {"owner", "epoch"}
    assert won[0].body["owner"] == "person"
    assert won[0].body["epoch"] > epoch
    assert {answer.code for answer in lost} == {"stale_epoch"}
    for answer in lost:
        assert (answer.body["owner"], answer.body["epoch"]) == ("person", won[0].body["epoch"])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"to": "person"},
        {"epoch": 0},
        {"to": "nobody", "epoch": 0},
        {"to": "person", "epoch": "0"},
        {"to": "person", "epoch": -1},
    ],
    ids=str,
)
async def test_a_bad_claim_is_invalid(visitor: Visitor, body: dict[str, Any]) -> None:
    await visitor.ask(QUESTIONS[0])
    path = f"conversations/{visitor.conversation}/owner"
    answer = await visitor.outside.admin("POST", path, json=body)
    assert answer.code in ("invalid_request", "stale_epoch")


async def test_while_a_person_owns_the_agent_is_silent_and_after_handback_it_answers(visitor: Visitor) -> None:
    await visitor.ask(QUESTIONS[0])
    async with visitor.tab() as tab:
        wrote = await write(visitor, "p1", "Hello, this is Maria from the nursery.")
        assert wrote.status == 202
        shown = await tab.reply("person")
    assert shown["text"] == "Hello, this is Maria from the nursery."
    now = await owned_by(visitor, "person")
    asked = await visitor.say(QUESTIONS[1])
    lines = await lines_until_person(visitor, "p2")
    after = [line["author"]["kind"] for line in lines if line["seq"] > asked.body["seq"]]
    assert after == ["person"], "the agent must not speak while a person owns"
    back = await change_owner(visitor, "agent", now["epoch"])
    assert back.body["owner"] == "agent"
    assert "rain water" in (await visitor.ask(QUESTIONS[2]))["text"]


async def test_a_persons_message_is_one_however_often_it_is_sent(visitor: Visitor) -> None:
    await visitor.ask(QUESTIONS[0])
    answers = await asyncio.gather(*(write(visitor, "same", "Hello") for _ in range(8)))
    assert {answer.status for answer in answers} == {202}
    assert (await write(visitor, "same", "Goodbye")).code == "id_reused"
    await visitor.until("person")
    await owned_by(visitor, "person")
    persons = [line for line in await visitor.read() if line["author"]["kind"] == "person"]
    assert [line["text"] for line in persons] == ["Hello"]


async def test_persons_messages_arrive_in_the_order_they_were_sent(visitor: Visitor) -> None:
    await visitor.ask(QUESTIONS[0])
    for n in range(10):
        assert (await write(visitor, f"p{n}", f"line {n}")).status == 202
    lines = await lines_until_person(visitor, "last")
    persons = [line["text"] for line in lines if line["author"]["kind"] == "person"]
    assert persons == [*(f"line {n}" for n in range(10)), "barrier last"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": "x"},
        {"client_msg_id": "1"},
        {"client_msg_id": "1", "text": ""},
        {"client_msg_id": "1", "text": "  "},
        {"client_msg_id": "1", "text": "x" * 8001},
        {"client_msg_id": "x" * 65, "text": "x"},
        {"client_msg_id": "1", "text": "x", "attachments": ["nothing"]},
    ],
    ids=lambda body: str(body)[:40],
)
async def test_a_bad_message_of_a_person_takes_nothing_over(visitor: Visitor, body: dict[str, Any]) -> None:
    await visitor.ask(QUESTIONS[0])
    path = f"conversations/{visitor.conversation}/messages"
    assert (await visitor.outside.admin("POST", path, json=body)).code == "invalid_request"
    assert (await get_conversation(visitor))["owner"] == "agent"


async def test_a_contact_who_asks_for_a_person_waits_unanswered_until_handback(visitor: Visitor) -> None:
    reply = await visitor.ask(NONSENSE)
    choice = {"in_reply_to": reply["id"], "id": "person"}
    label = reply["choices"][0]["label"]
    chosen = await visitor.post(client_msg_id="choose", text=label, choice=choice)
    assert chosen.status == 202
    await owned_by(visitor, "queue")
    assert visitor.conversation in json.dumps((await visitor.outside.admin("GET", "conversations?state=queue")).body)
    asked = await visitor.say(QUESTIONS[1])
    lines = await lines_until_person(visitor, "p1")
    after = [line["author"]["kind"] for line in lines if line["seq"] > asked.body["seq"]]
    assert "agent" not in after, "the agent must not answer while people are waited for"
    now = await owned_by(visitor, "person")
    assert (await change_owner(visitor, "agent", now["epoch"])).status == 200
    assert (await visitor.ask(QUESTIONS[1]))["citations"][0]["document"] == "returns"


async def test_a_queued_conversation_can_be_handed_back_to_the_agent(visitor: Visitor) -> None:
    reply = await visitor.ask(NONSENSE)
    await visitor.post(client_msg_id="c", text="yes", choice={"in_reply_to": reply["id"], "id": "person"})
    now = await owned_by(visitor, "queue")
    assert (await change_owner(visitor, "agent", now["epoch"])).status == 200
    assert (await visitor.ask(QUESTIONS[1]))["citations"][0]["document"] == "returns"


async def test_a_closed_conversation_is_the_agents_again_with_the_next_message(own_shop: ContractClient) -> None:
    visitor = await own_shop.visitor()
    await visitor.ask(QUESTIONS[0])
    await write(visitor, "p", "Done.")
    now = await owned_by(visitor, "person")
    assert (await change_owner(visitor, "closed", now["epoch"])).status == 200
    asked = await visitor.say(QUESTIONS[1])
    reply = await visitor.until("agent", asked.body["seq"])
    assert reply["citations"][0]["document"] == "returns"
    assert (await get_conversation(visitor))["owner"] == "agent"


async def test_a_claim_that_is_given_back_at_once_leaves_the_agent_answering(own_shop: ContractClient) -> None:
    """Two changes before the worker has seen the first: it must settle, not go round in circles."""
    visitor = await own_shop.visitor()
    await visitor.ask(QUESTIONS[0])
    epoch = (await get_conversation(visitor))["epoch"]
    for to in ("person", "agent", "queue", "agent"):
        won = await change_owner(visitor, to, epoch)
        assert won.status == 200
        epoch = won.body["epoch"]
    asked = await visitor.say(QUESTIONS[1])
    reply = await visitor.until("agent", asked.body["seq"])
    assert reply["citations"][0]["document"] == "returns"
    now = await get_conversation(visitor)
    assert (now["owner"], now["epoch"]) == ("agent", epoch)


async def test_another_tenants_conversation_does_not_exist(visitor: Visitor) -> None:
    await visitor.ask(QUESTIONS[0])
    shop, path = visitor.outside, f"conversations/{visitor.conversation}"
    assert (await shop.admin("GET", path, tenant="bookshop")).code == "not_found"
    owner = {"to": "person", "epoch": 0}
    assert (await shop.admin("POST", f"{path}/owner", tenant="bookshop", json=owner)).code == "not_found"
    said = {"client_msg_id": "1", "text": "x"}
    assert (await shop.admin("POST", f"{path}/messages", tenant="bookshop", json=said)).code == "not_found"
    assert (await get_conversation(visitor))["owner"] == "agent"


async def test_a_conversation_of_which_only_the_message_was_accepted_can_be_read(visitor: Visitor) -> None:
    said = await visitor.say(QUESTIONS[0])
    assert said.body["message_id"] in [line["id"] for line in (await get_conversation(visitor))["transcript"]]


# ── dead letters ─────────────────────────────────────────────────────────────────────────────────────────────────────

CANARY = "xylophone-canary-in-a-record"
LETTER = {"id", "code", "attempts", "topic", "channel", "conversation_id", "first_at", "last_at", "payload"}


def record(visitor: Visitor, type_: str, payload: dict[str, Any] | bytes, **more: Any) -> Envelope:
    return Envelope(
        id=str(uuid.uuid4()),
        type=type_,
        source="/connectors/web/plantstore/main",
        data=payload if isinstance(payload, bytes) else json.dumps(payload).encode(),
        time=datetime.now(UTC),
        **{"tenant": "plantstore", "channel": "web", "account": "main", "conversation": visitor.conversation, **more},
    )


def build_unusable_records(visitor: Visitor) -> list[Envelope]:
    """Records that this release cannot use, each for a reason of its own."""
    v1, text = "parley.message.received.v1", {"text": CANARY}
    return [
        record(visitor, "parley.message.received.v2", {"from": "the future", **text}),
        record(visitor, "parley.message.sung.v1", text),
        record(visitor, v1, {**text, "id": 5}),
        record(visitor, v1, b"{not json " + CANARY.encode()),
        record(visitor, v1, b"\xff\xfe\x00"),
        record(visitor, v1, b"[" * 100_000),
        record(visitor, v1, text, extra={"ce_specversion": "2.0"}),
    ]


async def test_records_from_the_future_are_dead_letters_and_hold_nothing_up(own_shop: ContractClient) -> None:
    visitor = await own_shop.visitor()
    await visitor.ask(QUESTIONS[0])
    bad = build_unusable_records(visitor)
    await own_shop.installation.append("parley.inbound.web", bad)
    assert "30 days" in (await visitor.ask(QUESTIONS[1]))["text"], "the conversation goes on behind them"

    async def letters() -> list[dict[str, Any]] | None:
        listed = await own_shop.admin("GET", "deadletters")
        assert set(listed.body) == {"items", "next"}
        items: list[dict[str, Any]] = listed.body["items"]
        return items if len(items) >= len(bad) else None

    found = await wait_for(letters)
    assert len(found) == len(bad)
    for letter in found:
        assert set(letter) >= LETTER, LETTER - set(letter)
        assert letter["topic"] == "parley.inbound.web"
        assert letter["conversation_id"] == visitor.conversation
        assert letter["attempts"] >= 1
    assert {letter["code"] for letter in found} == {"unknown_event_type", "undecodable_record"}
    assert CANARY not in json.dumps(found), "a payload is shown masked"
    await wait_for(lambda: has_dead_letter_metric(own_shop))
    for letter in found:
        await replay(own_shop, letter)
    assert "rain water" in (await visitor.ask(QUESTIONS[2]))["text"]


async def metrics_of(shop: ContractClient) -> str:
    """Of every process: dead letters are counted where they were made."""
    texts = ""
    for process in shop.installation.roles.values():
        async with shop.http.get(f"http://127.0.0.1:{process.port}/metrics") as answer:
            texts += await answer.text()
    return texts


async def has_dead_letter_metric(shop: ContractClient) -> bool:
    return "parley_deadletters_total{" in await metrics_of(shop)


async def replay(shop: ContractClient, letter: dict[str, Any]) -> None:
    """What could not be used is appended again, or refused with a reason while this release cannot use it. It is never
    lost: the letter stays."""
    path = f"deadletters/{letter['id']}/replay"
    assert (await shop.admin("POST", path, tenant="bookshop")).code == "not_found"
    answer = await shop.admin("POST", path)
    assert answer.status == 202 or answer.code == "conflict", answer
    if letter["code"] == "unknown_event_type":
        assert answer.code == "conflict", "there is no topic for it before an upgrade"
    left = {item["id"] for item in (await shop.admin("GET", "deadletters")).body["items"]}
    assert letter["id"] in left


@pytest.mark.parametrize("parley", ["embedded"], indirect=True)
async def test_a_field_this_release_does_not_know_is_ignored(own_shop: ContractClient) -> None:
    visitor = await own_shop.visitor()
    said = await visitor.ask(QUESTIONS[0])
    payload = {
        "id": "from-a-newer-release",
        "external_id": "from-a-newer-release",
        "place": "somewhere",
        "contact_id": "somebody",
        "text": QUESTIONS[1],
        "sent_at": datetime.now(UTC).isoformat(),
        "mood": {"certainly": "curious"},
    }
    newer = record(visitor, "parley.message.received.v1", payload, extra={"ce_mood": "curious"})
    await own_shop.installation.append("parley.inbound.web", [newer])
    assert "30 days" in (await visitor.until("agent", said["seq"]))["text"]


# ── for machines ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_openapi_document_is_valid_and_knows_every_route(shop: ContractClient) -> None:
    document = (await shop.call("GET", "/v1/openapi.json")).body
    assert re.fullmatch(r"3\.1\.\d", document["openapi"])
    assert document["info"]["title"]
    assert document["info"]["version"]
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for pointer in re.findall(r'"\$ref": "([^"]+)"', json.dumps(document)):
        node = document
        for part in pointer.removeprefix("#/").split("/"):
            node = node[part]
    for path, item in document["paths"].items():
        for method, operation in item.items():
            named = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            named |= {one["name"] for one in item.get("parameters", []) if one["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path)), (method, path)
            assert all(response["description"] for response in operation["responses"].values())
    known = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    for method, path in ROUTES:
        template = path.replace("knowledge/x", "knowledge/{document}").replace("/x", "/{id}")
        assert (method, f"/v1/admin/{{tenant}}/{template}") in known, template
    for method, path in [
        ("POST", "sessions"),
        ("DELETE", "sessions"),
        ("POST", "messages"),
        ("POST", "attachments"),
        ("GET", "messages"),
        ("GET", "socket"),
    ]:
        assert (method, f"/v1/chat/{{tenant}}/{path}") in known


async def test_health_readiness_and_the_demo_page_answer(shop: ContractClient) -> None:
    for path, kind in (("/healthz", "application/json"), ("/readyz", "application/json"), ("/", "text/html")):
        async with shop.http.get(shop.base + path) as answer:
            assert answer.status == 200, path
            assert answer.content_type == kind
            if path == "/":
                assert "Content-Security-Policy" in answer.headers


async def test_an_unknown_address_is_an_error_body_without_insides(shop: ContractClient) -> None:
    for path in (
        "/v1/nothing",
        "/v1/admin/plantstore/nothing",
        "/..%2f..%2fetc/passwd",
        "/%00",
        "/v1/chat/plantstore/x",
    ):
        assert (await shop.call("GET", path)).code == "not_found"


NAMES = {
    "parley_inbound_total": {"tenant", "channel"},
    "parley_turn_seconds": {"channel", "stage"},
    "parley_outbound_total": {"channel", "result"},
    "parley_lag_records": {"topic", "group"},
    "parley_worker_load": {"channel"},
    "parley_oldest_waiting_seconds": {"channel"},
    "parley_deadletters_total": {"code"},
    "parley_duplicates_total": {"where"},
    "parley_conversations": {"owner"},
}


async def with_samples(shop: ContractClient) -> str | None:
    """The page, once every name has one but that of dead letters: what a sender and a gauge tell comes when it does."""
    text = await shop.metrics()
    sampled = set(re.findall(r"^(parley_\w+?)(?:_count)?{", text, re.MULTILINE))
    return text if sampled >= NAMES.keys() - {"parley_deadletters_total"} else None


async def test_the_metrics_have_the_names_and_labels_of_the_contract(visitor: Visitor) -> None:
    await visitor.ask(QUESTIONS[0])
    await visitor.post(client_msg_id="m1", text=QUESTIONS[0])  # a duplicate
    await wait_for_transcript(visitor)
    text = await wait_for(lambda: with_samples(visitor.outside))
    for name, labels in NAMES.items():
        assert f"# TYPE {name} " in text, name
        samples = re.findall(rf"^{name}(?:_count|_total)?{{(.*)}} ", text, re.MULTILINE)
        for sample in samples:
            assert set(re.findall(r"(\w+)=", sample)) == labels, (name, sample)
    metric = re.search(r'parley_inbound_total{channel="web",tenant="plantstore"} (\S+)', text)
    assert metric
    assert float(metric[1]) >= 1


async def test_metrics_name_no_conversation_and_no_visitor(visitor: Visitor) -> None:
    await visitor.ask(QUESTIONS[0])
    assert visitor.conversation not in await visitor.outside.metrics()


@pytest.mark.parametrize(
    "path", ["slack/plantstore/main", "web/plantstore/main", "nothing/plantstore/main", "slack/nobody/x"]
)
async def test_a_webhook_of_an_account_that_is_not_there_is_not_found(shop: ContractClient, path: str) -> None:
    assert (await shop.call("POST", f"/v1/webhooks/{path}", json={})).code == "not_found"
    assert (await shop.call("GET", f"/v1/webhooks/{path}?hub.mode=subscribe")).code == "not_found"


async def test_a_webhook_over_4_mib_is_too_large_or_unknown(shop: ContractClient) -> None:
    answer = await shop.call(
        "POST", "/v1/webhooks/slack/plantstore/main", data=big(), headers={"Content-Type": "application/json"}
    )
    assert answer.code in ("too_large", "not_found")


async def big() -> Any:
    for _ in range(45):
        yield b" " * 100_000
