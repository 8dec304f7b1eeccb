"""From a valid request to one that is wrong in one to three ways, as bytes for the wire."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from gateway.operators.login_throttle import MAX_DELAY
from tests.fuzz.hostile_values import STRINGS, bend, corrupt_bytes, encode_hostile_json
from tests.fuzz.seeds import ValidRequest

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "FOO", "PROPFIND")
MEDIA = (
    *(
        "text/plain",
        "application/xml",
        "",
        "application/json; charset=utf-16",
        "application/json;",
        "multipart/form-data",
    ),
    *(
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 200,
        "application/x-www-form-urlencoded",
    ),
    *(
        "*/*",
        "application/json, text/plain",
        "application/JSON",
        "a/b/c",
        ";",
        "multipart/mixed; boundary=fuzzboundary",
    ),
)
HEADERS = (
    *(("Content-Encoding", "gzip"), ("Content-Encoding", "br"), ("Expect", "100-continue"), ("Expect", "200-ok")),
    *(("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Connection", "close, keep-alive"), ("Upgrade", "h2c")),
    *(("Origin", "null"), ("Origin", "https://evil.example"), ("Origin", "http://[::1"), ("Origin", "\xff\xfe")),
    *(("X-Forwarded-For", "1" * 4000), ("Forwarded", "for=_x"), ("Range", "bytes=0-1,5-"), ("If-None-Match", "*")),
    *(("Cookie", "a=b; " * 300), ("Accept", "nothing/at-all"), ("Accept-Encoding", "gzip;q=0"), ("TE", "trailers")),
    *(("traceparent", "00-" + "0" * 32 + "-" + "0" * 16 + "-ff"), ("X-Odd", "\x01\x02"), ("X-Long", "a" * 9000)),
    *(("Sec-WebSocket-Key", "x"), ("Sec-WebSocket-Version", "99"), ("Idempotency-Key", "\u00e9"), ("Host", "")),
    *(
        ("Host", "a b"),
        ("Transfer-Encoding", "gzip"),
        ("Content-Length", "-1"),
        ("Content-Length", "1e3"),
        ("X y", "z"),
    ),
)
TOKENS = (
    "",
    "Bearer",
    "Bearer ",
    "Basic YTpi",
    "Bearer a.b.c",
    "bearer \xff",
    "Bearer " + "A" * 9000,
    "Bearer null",
    "x",
)
PATHS = (
    *(
        "%00",
        "%2e%2e%2f",
        "..",
        ".",
        "%ff",
        "%",
        "%zz",
        "%c0%ae",
        "a" * 3000,
        "\u00e9",
        "a b",
        "%20",
        "//",
        ";a=b",
        "%0d%0aX:y",
    ),
    *(
        "*",
        "~",
        "%F0%9F%98%80",
        "null",
        "-1",
        "{id}",
        "%7Bid%7D",
        "00000000-0000-0000-0000-000000000000",
        "bookshop",
        "nobody",
    ),
)
NUMBERS = (
    "-1",
    "1e400",
    "NaN",
    "inf",
    "9" * 400,
    "0x10",
    "1_0",
    "\u0661",
    " 1",
    "1.5",
    "",
    "+1",
    "%00",
    "a",
    "2147483648",
)
SIGN_IN = "/console/session"
DECIMAL = re.compile(r"[0-9]+(\.[0-9]+)?", re.ASCII)


@dataclass(slots=True)
class Draft:
    """A request in the making. ``whole`` False: it needs a connection of its own. ``cut``: its end may be missing, so
    that it may never be answered."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: list[tuple[str, str]]
    body: bytes
    framing: str = "length"
    whole: bool = True
    cut: bool = False
    done: list[str] = field(default_factory=list)

    @property
    def waits(self) -> float:
        """Seconds that the answer may rightly wait: a long poll's ``wait`` may have become one that is valid, and a
        wrong password is held back."""
        if unquote(self.path).rstrip("/") == SIGN_IN:
            return MAX_DELAY
        asked = next((value for name, value in self.query if name == "wait"), "0")
        return min(25.0, float(asked)) if DECIMAL.fullmatch(asked) else 0.0

    def wire(self, rng: random.Random) -> bytes:
        query = "&".join(f"{name}={value}" for name, value in self.query)
        lines = [f"{self.method} {self.path}{'?' if query else ''}{query} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        body = self.body
        if self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
            body = _chunked(rng, body)
        elif self.framing == "bad-chunks":
            lines.append("Transfer-Encoding: chunked")
            body = corrupt_bytes(rng, _chunked(rng, body))
        elif self.framing == "both":
            lines += ["Transfer-Encoding: chunked", f"Content-Length: {len(body)}"]
        elif self.framing == "short":
            lines.append(f"Content-Length: {len(body) + rng.choice((1, 100, 10**6, 10**12))}")
        elif body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode("utf-8", errors="surrogatepass") + b"\r\n\r\n"
        if self.framing == "bad-head":
            return corrupt_bytes(rng, head) + body
        return head + body


def _chunked(rng: random.Random, body: bytes) -> bytes:
    out, at = bytearray(), 0
    while at < len(body):
        size = rng.randint(1, max(1, len(body)))
        part = body[at : at + size]
        out += f"{len(part):x}\r\n".encode() + part + b"\r\n"
        at += size
    return bytes(out) + b"0\r\n\r\n"


def valid(seed: ValidRequest, rng: random.Random) -> Draft:
    headers = [("Host", "127.0.0.1")]
    if seed.token:
        headers.append(("Authorization", f"Bearer {seed.token}"))
    if seed.media:
        headers.append(("Content-Type", seed.media))
    body = seed.raw
    if seed.document is not None:
        body = encode_hostile_json(random.Random(1), _fresh(seed, rng))
    return Draft(seed.method, seed.path, list(seed.query), headers, body)


def _fresh(seed: ValidRequest, rng: random.Random) -> object:
    document = seed.document
    if isinstance(document, dict) and "client_msg_id" in document:
        document = {**document, "client_msg_id": f"m{rng.getrandbits(60):x}", "choice": None}
    return document


def mutate_request(seed: ValidRequest, rng: random.Random) -> Draft:
    """One to three things wrong; now and then nothing."""
    draft = valid(seed, rng)
    ways = [_method, _path, _query, _header, _token, _media, _framing]
    ways += [_json] * 8 if seed.document is not None else [_bytes] * 5 if seed.raw else [_path, _query, _query]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        way = rng.choice(ways)
        draft.done.append(way.__name__)
        way(draft, seed, rng)
    return draft


def _json(draft: Draft, seed: ValidRequest, rng: random.Random) -> None:
    draft.body = encode_hostile_json(rng, bend(rng, _fresh(seed, rng)))


def _bytes(draft: Draft, seed: ValidRequest, rng: random.Random) -> None:
    draft.body = corrupt_bytes(rng, draft.body)


def _method(draft: Draft, seed: ValidRequest, rng: random.Random) -> None:
    draft.method = rng.choice(METHODS)
    if draft.method in ("CONNECT", "HEAD", "TRACE"):
        draft.whole = False


def _path(draft: Draft, seed: ValidRequest, rng: random.Random) -> None:
    parts = draft.path.split("/")
    at = rng.randrange(1, len(parts))
    if rng.random() < 0.7:
        parts[at] = rng.choice(PATHS)
    else:
        parts.insert(at, rng.choice(PATHS))
    draft.path = "/".join(parts)


def _query(draft: Draft, seed: ValidRequest, rng: random.Random) -> None:
    names = [name for name, _ in draft.query] or ["after", "limit", "x"]
    name = rng.choice(names)
    value = rng.choice(NUMBERS) if rng.random() < 0.6 else _quoted(rng.choice(STRINGS))
    if rng.random() < 0.5:
        draft.query = [pair for pair in draft.query if pair[0] != name]
    draft.query.insert(0, (name, value))


def _quoted(text: str) -> str:
    return "".join(c if c.isalnum() and c.isascii() else f"%{b:02x}" for c in text[:3000] for b in [ord(c) & 0xFF])


def _header(draft: Draft, seed: ValidRequest, rng: random.Random) -> None:
    draft.headers.append(rng.choice(HEADERS))
    if rng.random() < 0.1:
        draft.headers += [(f"X-{number}", "y") for number in range(rng.choice((50, 300)))]
    # Headers may end the connection, or make the next bytes belong to something else.
    draft.whole = False


def _token(draft: Draft, seed: ValidRequest, rng: random.Random) -> None:
    draft.headers = [pair for pair in draft.headers if pair[0] != "Authorization"]
    if rng.random() < 0.5 and seed.token:
        bent = corrupt_bytes(rng, seed.token.encode()).decode("latin-1").replace("\r", "").replace("\n", "")
        draft.headers.append(("Authorization", f"Bearer {bent}"))
    else:
        draft.headers.append(("Authorization", rng.choice(TOKENS)))
    # Bytes that no header may hold end the connection.
    draft.whole = draft.whole and draft.headers[-1][1].isprintable()


def _media(draft: Draft, seed: ValidRequest, rng: random.Random) -> None:
    draft.headers = [pair for pair in draft.headers if pair[0] != "Content-Type"]
    draft.headers.append(("Content-Type", rng.choice(MEDIA)))


def _framing(draft: Draft, seed: ValidRequest, rng: random.Random) -> None:
    draft.framing = rng.choice(("chunked", "chunked", "chunked", "bad-chunks", "both", "short", "bad-head"))
    draft.whole = draft.whole and draft.framing == "chunked"
    draft.cut = draft.cut or draft.framing in ("bad-chunks", "short", "bad-head")
