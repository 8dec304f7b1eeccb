"""Files: taken by size and content, given out by signed addresses."""

from __future__ import annotations

import asyncio
import hashlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from schemas.messages import Attachment, Author, InboundMessage, TranscriptMessage
from tests.unit.webchat.conftest import Answer, Shop, Visitor


def png(extra: int = 0) -> bytes:
    """A picture of one dot, with padding after its end if wanted."""

    def piece(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = piece(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + piece(b"IDAT", zlib.compress(b"\0\0")) + piece(b"IEND", b"") + b"\0" * extra


async def upload(visitor: Visitor, data: bytes, name: str = "leaf.png", kind: str = "image/png") -> Answer:
    form = aiohttp.FormData()
    form.add_field("note", "before the file")
    form.add_field("file", io.BytesIO(data), filename=name, content_type=kind)
    return await visitor.call("POST", "attachments", data=form)


async def test_a_file_is_uploaded_sent_and_fetched(shop: Shop) -> None:
    visitor = await shop.visitor()
    stored = await upload(visitor, png(), "../../blät\u200bter.png")
    assert stored.status == 201
    said = await visitor.call(
        "POST", "messages", json={"client_msg_id": "m", "attachments": [stored.body["attachment_id"]]}
    )
    assert said.status == 202
    assert (await shop.logged())[0].payload(InboundMessage).attachments[0].type == "image/png"
    (line,) = (await visitor.call("GET", "messages")).body["messages"]
    (list_attachments,) = line["attachments"]
    assert set(list_attachments) == {"id", "name", "type", "size", "url"}
    assert (list_attachments["id"], list_attachments["name"], list_attachments["size"]) == (
        stored.body["attachment_id"],
        "blätter.png",
        len(png()),
    )
    fetched = await shop.call("GET", list_attachments["url"])
    assert (fetched.status, fetched.body) == (200, png())
    assert fetched.headers["Content-Type"] == "image/png"
    assert fetched.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in fetched.headers["Content-Security-Policy"]


async def test_files_that_a_browser_could_execute_are_served_as_downloads(shop: Shop) -> None:
    visitor = await shop.visitor()
    stored = await upload(visitor, b"<html><script>alert(1)</script></html>", "x.png", "image/png")
    if stored.status == 415:
        return
    await visitor.call("POST", "messages", json={"client_msg_id": "m", "attachments": [stored.body["attachment_id"]]})
    (line,) = (await visitor.call("GET", "messages")).body["messages"]
    fetched = await shop.call("GET", line["attachments"][0]["url"])
    assert fetched.headers["Content-Type"] not in ("text/html", "image/png")
    assert fetched.headers["Content-Disposition"].startswith("attachment")


async def test_an_address_is_signed_bound_and_expires(shop: Shop) -> None:
    visitor = await shop.visitor()
    stored = await upload(visitor, png())
    await visitor.call("POST", "messages", json={"client_msg_id": "m", "attachments": [stored.body["attachment_id"]]})
    url = (await visitor.call("GET", "messages")).body["messages"][0]["attachments"][0]["url"]
    path, query = urlsplit(url).path, parse_qs(urlsplit(url).query)
    exp, sig = query["exp"][0], query["sig"][0]
    later = str(int(exp) + 86_400)
    for changed in (
        path,
        f"{path}?exp={exp}",
        f"{path}?exp={later}&sig={sig}",
        f"{path}?exp={exp}&sig={'A' if sig[0] != 'A' else 'B'}{sig[1:]}",
        f"{path}?exp={exp}&sig=%00%ff",
        f"{path.replace('/shop/', '/other/')}?exp={exp}&sig={sig}",
        f"{path[:-1]}{'0' if path[-1] != '0' else '1'}?exp={exp}&sig={sig}",
    ):
        answer = await shop.call("GET", changed)
        assert (answer.status, answer.code) == (403, "forbidden"), changed
    shop.clock.tick(2 * 3600)
    assert (await shop.call("GET", url)).status == 403


async def test_the_size_is_capped_at_10_mib(shop: Shop) -> None:
    visitor = await shop.visitor()
    limit = 10 * 1024 * 1024
    assert (await upload(visitor, png(limit - len(png())))).status == 201
    answer = await upload(visitor, png(limit - len(png()) + 1))
    assert (answer.status, answer.code) == (413, "too_large")
    assert (await upload(visitor, png(limit + 200_000))).status == 413


async def test_a_form_without_a_file_or_with_an_empty_one_is_refused(shop: Shop) -> None:
    visitor = await shop.visitor()
    assert (await upload(visitor, b"")).status == 400
    form = aiohttp.FormData()
    form.add_field("file", "text", content_type="text/plain")
    writer = aiohttp.MultipartWriter("form-data")
    writer.append("no name")
    for data in (form(), writer):
        answer = await visitor.call("POST", "attachments", data=data)
        assert answer.status in (400, 415)


_CUT_OFF = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello'


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("image/png", b"\x89PNG", 415),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=", b"x", 400),
        ("multipart/form-data; boundary=x", b"", 400),
        ("multipart/form-data; boundary=x", b"garbage", 400),
        ("multipart/form-data; boundary=x", b"--x\r\n", 400),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken header\r\n\r\n\r\n--x--", 400),
        ("multipart/form-data; boundary=x", _CUT_OFF, 400),
        ("multipart/form-data; boundary=x", _CUT_OFF + b"\r\n", 400),
        ("multipart/form-data; boundary=x", _CUT_OFF + b"\r\n--", 400),
        ("multipart/form-data; boundary=" + "y" * 200, b"--y", 400),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Type: multipart/mixed; boundary=z\r\n\r\n--z\r\n\r\na\r\n--z--\r\n--x--",
            400,
        ),
    ],
)
async def test_a_broken_form_is_the_senders_fault(shop: Shop, kind: str, body: bytes, status: int) -> None:
    visitor = await shop.visitor()
    answer = await visitor.call("POST", "attachments", data=body, headers={"Content-Type": kind})
    assert answer.status == status, answer.body
    assert answer.code in ("invalid_request", "unsupported_media_type")


async def test_another_tenants_file_cannot_be_referenced(shop: Shop) -> None:
    owner, stranger = await shop.visitor(), await shop.visitor("other")
    stored = await upload(owner, png())
    body = {"client_msg_id": "m", "text": "x", "attachments": [stored.body["attachment_id"]]}
    answer = await stranger.call("POST", "messages", json=body)
    assert (answer.status, answer.code) == (400, "invalid_request")


async def post(visitor: Visitor, attachment: str, client_msg_id: str = "m") -> Answer:
    return await visitor.call(
        "POST", "messages", json={"client_msg_id": client_msg_id, "text": "x", "attachments": [attachment]}
    )


async def list_attachments(visitor: Visitor) -> list[dict[str, Any]]:
    lines = (await visitor.call("GET", "messages")).body["messages"]
    return [attachment for line in lines for attachment in line["attachments"]]


async def test_a_file_can_be_referenced_in_its_own_conversation_only(shop: Shop) -> None:
    """Whoever else has its id, or the same bytes, learns nothing and changes nothing."""
    alice, bob = await shop.visitor(), await shop.visitor()
    hers = (await upload(alice, b"the same text", "alice-secret.txt", "text/plain")).body["attachment_id"]
    refused = [await post(bob, id_) for id_ in (hers, "a" + "0" * 42, "0" * 64, "nope")]
    assert [(answer.status, answer.body) for answer in refused] == [(400, refused[0].body)] * 4
    assert (await post(alice, hers)).status == 202
    assert (await post(bob, hers)).body == refused[0].body, "nor once it was sent"
    his = await upload(bob, b"the same text", "bob-known.csv", "text/csv")
    assert his.body["attachment_id"] != hers
    assert (await post(bob, his.body["attachment_id"])).status == 202
    for visitor, name, kind in ((alice, "alice-secret.txt", "text/plain"), (bob, "bob-known.csv", "text/csv")):
        (file,) = await list_attachments(visitor)
        fetched = await shop.call("GET", file["url"])
        assert (file["name"], file["type"], fetched.headers["Content-Type"]) == (name, kind, kind)
        assert name in fetched.headers["Content-Disposition"]


async def test_a_message_that_is_repeated_names_the_file_that_it_named(shop: Shop) -> None:
    """Also when the file is gone meanwhile, and when an earlier release stored it."""
    visitor = await shop.visitor()
    stored = (await upload(visitor, png())).body["attachment_id"]
    first = await post(visitor, stored)
    await shop.services.blobs.delete("shop", stored)
    assert (await post(visitor, stored)).body == first.body
    assert (await post(visitor, stored, "m2")).status == 400


async def test_a_file_of_an_earlier_release_is_shown_and_cannot_be_referenced_anew(shop: Shop) -> None:
    """The file and the line are as commit ad158ba wrote them."""
    visitor, old = await shop.visitor(), hashlib.sha256(b"wilt").hexdigest()
    folder = Path(shop.services.config.data_dir) / "blobs" / "shop"
    folder.mkdir(parents=True)
    (folder / old).write_bytes(b"wilt")
    about = f'{{"id":"{old}","name":"wilt.txt","type":"text/plain","size":4,"missing":""}}'
    (folder / f"{old}.json").write_text(about.replace("wilt.txt", "name-of-somebody-else.txt"))
    line = TranscriptMessage(
        id="old",
        author=Author(kind="contact"),
        text="look",
        attachments=[Attachment.model_validate_json(about)],
        created_at=shop.clock(),
    )
    await shop.services.state.transcript.add(visitor.conversation, line)
    (file,) = await list_attachments(visitor)
    fetched = await shop.call("GET", file["url"])
    assert (file["name"], fetched.status, fetched.body) == ("wilt.txt", 200, b"wilt")
    assert fetched.headers["Content-Disposition"] == "attachment; filename*=UTF-8''file.txt"
    assert (await post(visitor, old)).status == 400


async def test_a_contact_stores_so_many_bytes_a_day(shop: Shop) -> None:
    """Files and words together; who is over it hears when the day ends, and nobody else is held up."""
    visitor, other = await shop.visitor("small"), await shop.visitor("small")
    assert (await visitor.say("x" * 400)).status == 202
    assert (await upload(visitor, b"a" * 500, "a.txt")).status == 201
    for answer in (await upload(visitor, b"b" * 200, "b.txt"), await visitor.say("y" * 200, "m2")):
        assert (answer.status, answer.code) == (429, "rate_limited")
        assert answer.body["error"]["retry_after_ms"] == 14.5 * 3_600_000 + 1
        assert answer.headers["Retry-After"] == str(int(14.5 * 3600) + 1)
    assert (await upload(visitor, b"c" * 100, "c.txt")).status == 201, "what still fits is taken"
    assert (await visitor.say("x" * 400)).status == 202, "a repeat stores nothing"
    assert (await other.say("z" * 200)).status == 202
    shop.clock.tick(14.5 * 3600)
    assert (await visitor.say("y" * 200, "m2")).status == 202
    assert len(await shop.logged()) == 3


async def test_a_tenant_stores_so_many_bytes_of_files(shop: Shop) -> None:
    visitors = [await shop.visitor("small") for _ in range(3)]
    for visitor in visitors[:2]:
        assert (await upload(visitor, b"a" * 700, "a.txt")).status == 201
    full = await upload(visitors[2], b"a" * 200, "a.txt")
    assert (full.status, full.code, full.body["error"]["retryable"]) == (413, "too_large", False)
    assert "stored here" in full.body["error"]["message"]
    assert (await upload(visitors[2], b"a" * 100, "a.txt")).status == 201
    assert (await visitors[2].say("x" * 800)).status == 202, "what was refused counts for nothing"
    assert await shop.services.blobs.total("small") == 1500


async def test_a_tenants_visitors_store_so_many_bytes_of_words_a_day(shop: Shop) -> None:
    answers = [await (await shop.visitor("small")).say("x" * 900) for _ in range(3)]
    assert [answer.status for answer in answers] == [202, 202, 429]
    assert answers[2].code == "rate_limited"


async def test_uploads_that_run_at_once_do_not_pass_a_quota_together(shop: Shop) -> None:
    visitor = await shop.visitor("small")
    answers = await asyncio.gather(*(upload(visitor, b"a" * 300, f"{n}.txt") for n in range(12)))
    taken = [answer.status for answer in answers].count(201)
    assert 1 <= taken <= 3
    assert await shop.services.blobs.total("small") == 300 * taken
    assert {answer.status for answer in answers} == {201, 429}


async def test_a_file_that_was_not_stored_counts_for_nothing(shop: Shop) -> None:
    visitor = await shop.visitor("small")
    for _ in range(5):
        assert (await upload(visitor, b"MZ" + b"\0" * 498, "a.txt")).status == 415
    assert (await upload(visitor, b"a" * 900, "a.txt")).status == 201


async def test_an_upload_is_too_old_for_a_message_an_hour_before_it_is_deleted(shop: Shop) -> None:
    visitor = await shop.visitor()
    stored = (await upload(visitor, png())).body["attachment_id"]
    shop.clock.tick(23 * 3600)
    answer = await post(visitor, stored)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert await shop.logged() == []
