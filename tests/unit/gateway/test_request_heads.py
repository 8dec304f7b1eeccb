"""A head is read from bytes only where nobody could read it in another way."""

from __future__ import annotations

import pytest

from gateway.http.fast_refusals import RequestHead, parse_head

PLAIN = b"POST /v1/chat/shop/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


def with_line(line: bytes) -> bytes:
    return PLAIN.replace(b"Host: x\r\n", b"Host: x\r\n" + line + b"\r\n")


def test_a_head_says_where_its_request_ends() -> None:
    """Whether its body has come or not, and however its names are written."""
    size = len(PLAIN)
    assert parse_head(PLAIN) == RequestHead(b"/v1/chat/shop/messages", b"", size)
    assert parse_head(PLAIN[:-3]) == RequestHead(b"/v1/chat/shop/messages", b"", size)
    assert parse_head(PLAIN + b"POST /") == RequestHead(b"/v1/chat/shop/messages", b"", size)
    assert parse_head(PLAIN.replace(b"Content-Length: ", b"content-LENGTH:  ")) is not None
    assert parse_head(with_line(b"Connection: Keep-Alive")) is not None
    origin = parse_head(with_line(b"oriGin:  https://Shop.example "))
    assert origin is not None
    assert origin.origin == b"https://Shop.example"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        PLAIN[:20],
        PLAIN[: PLAIN.index(b"\r\n\r\n") + 3],
        PLAIN.replace(b"POST", b"GET", 1),
        PLAIN.replace(b"POST /", b"POST  /", 1),
        PLAIN.replace(b"POST /", b"POST http://x/", 1),
        PLAIN.replace(b"messages HTTP", b"messages x HTTP"),
        PLAIN.replace(b"HTTP/1.1", b"HTTP/1.0"),
        PLAIN.replace(b"HTTP/1.1", b"http/1.1"),
        PLAIN.replace(b"Content-Length: 3\r\n", b""),
        PLAIN.replace(b"Length: 3", b"Length: +3"),
        PLAIN.replace(b"Length: 3", b"Length: 3, 3"),
        PLAIN.replace(b"Length: 3", b"Length:"),
        PLAIN.replace(b"Length: 3", b"Length: 0x3"),
        PLAIN.replace(b"Length: 3", b"Length: 12345678"),
        PLAIN.replace(b"Length: 3", b"Length : 3"),
        with_line(b"Content-Length: 3"),
        with_line(b"X-Content-Length: 4"),
        with_line(b"Transfer-Encoding: chunked"),
        with_line(b"transfer-encoding : chunked"),
        with_line(b"Host: x\nTransfer-Encoding: chunked"),
        with_line(b"Expect: 100-continue"),
        with_line(b"Connection: close"),
        with_line(b"Connection: upgrade\r\nUpgrade: websocket"),
        with_line(b"X: y\r\n folded"),
        with_line(b"X: \0"),
        with_line(b"X: " + 9000 * b"y"),
    ],
)
def test_an_unusual_head_is_left_to_the_parser(sent: bytes) -> None:
    assert parse_head(sent) is None
