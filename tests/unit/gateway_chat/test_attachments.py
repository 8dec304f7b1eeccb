"""Files: taken by size and content, given out by signed addresses."""

from __future__ import annotations

import io
import struct
import zlib
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from schemas.messages import InboundMessage
from tests.unit.gateway_chat.conftest import Answer, Shop, Visitor


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
    (shown,) = line["attachments"]
    assert set(shown) == {"id", "name", "type", "size", "url"}
    assert (shown["id"], shown["name"], shown["size"]) == (stored.body["attachment_id"], "blätter.png", len(png()))
    fetched = await shop.call("GET", shown["url"])
    assert (fetched.status, fetched.body) == (200, png())
    assert fetched.headers["Content-Type"] == "image/png"
    assert fetched.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in fetched.headers["Content-Security-Policy"]


async def test_what_a_browser_could_run_is_only_downloaded(shop: Shop) -> None:
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
        f"{path}?exp={exp}&sig={sig[:-1]}_",
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
