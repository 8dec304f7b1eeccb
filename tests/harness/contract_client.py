"""Parley as a stranger sees it: every answer is held against the contract before a test looks at it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import aiohttp
from jsonschema import Draft202012Validator

from tests.harness.installation import ADMIN_TOKEN, Installation
from tests.harness.processes import ROOT

Found = TypeVar("Found")
CODES = {
    "invalid_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "id_reused": 409,
    "stale_epoch": 409,
    "conflict": 409,
    "too_large": 413,
    "document_too_large": 413,
    "unsupported_media_type": 415,
    "unprocessable": 422,
    "rate_limited": 429,
    "unavailable": 503,
}
MESSAGE_FIELDS = {
    *("seq", "id", "author", "text", "html", "citations", "choices", "attachments", "created_at", "in_reply_to"),
    "state",
}
INSIDES = re.compile(rf'Traceback|File "|\.py\b|pydantic|aiohttp|sqlite3|{re.escape(str(ROOT))}|line \d+, in ')


@dataclass(frozen=True)
class Answer:
    """What came back. ``body`` is the parsed JSON, or None where it is none."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    body: Any

    @property
    def code(self) -> str:
        """The code of an error answer that has the published shape."""
        return code_of(self)


def code_of(answer: Answer) -> str:
    """Fails when the error is not as the contract says: body, status, Retry-After, nothing of our insides."""
    assert answer.headers["Content-Type"].split(";")[0] == "application/json", answer
    assert answer.raw, "an error must have a body"
    error = answer.body["error"]
    assert set(answer.body) - {"owner", "epoch"} == {"error"}, answer
    # Who lost a claim hears what holds now, beside the error and in it.
    known = {"retry_after_ms"} | ({"owner", "epoch"} if error["code"] == "stale_epoch" else set())
    assert set(error) - known == {"code", "message", "retryable"}, error
    assert CODES[error["code"]] == answer.status, (answer.status, error)
    assert isinstance(error["message"], str)
    assert error["message"]
    assert error["retryable"] is (answer.status in (429, 503)), error
    if answer.status in (429, 503):
        assert int(answer.headers["Retry-After"]) >= 1
        assert error["retry_after_ms"] > 0
    assert not INSIDES.search(answer.raw.decode()), answer.raw
    return str(error["code"])


def assert_error(frame: dict[str, Any]) -> str:
    """The code of an error frame, which has the same error object as an HTTP answer."""
    assert set(frame) - {"client_msg_id"} == {"type", "error"}, frame
    error = frame["error"]
    assert set(error) - {"retry_after_ms"} == {"code", "message", "retryable"}, error
    assert not INSIDES.search(json.dumps(frame)), frame
    return str(error["code"])


def assert_shown(message: dict[str, Any]) -> None:
    """A chat message has the published fields, no more, no fewer."""
    assert set(message) == MESSAGE_FIELDS, set(message) ^ MESSAGE_FIELDS
    assert set(message["author"]) == {"kind", "name"}
    assert message["author"]["kind"] in ("contact", "agent", "person", "system")
    for name, fields in {
        "citations": {"n", "document", "title", "url", "quote"},
        "choices": {"id", "label"},
        "attachments": {"id", "name", "type", "size", "url"},
    }.items():
        assert all(set(part) == fields for part in message[name]), message[name]
    assert message["seq"] >= 1


async def wait_for(look: Callable[[], Awaitable[Found | None]], deadline: float = 60) -> Found:
    """What ``look`` finds, once it finds something."""
    async with asyncio.timeout(deadline):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(0.05)


@dataclass
class ContractClient:
    """One running installation and a client."""

    installation: Installation
    http: aiohttp.ClientSession
    openapi: dict[str, Any] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return self.installation.base

    async def call(self, method: str, path: str, *, token: str = "", **request: Any) -> Answer:
        """One request; never a 500, never our insides, never an answer the OpenAPI document does not know."""
        headers = dict(request.pop("headers", {}))
        if token:
            headers["Authorization"] = f"Bearer {token}"
        async with self.http.request(method, f"{self.base}{path}", headers=headers, **request) as answer:
            raw = await answer.read()
            is_json = answer.content_type == "application/json"
            got = Answer(answer.status, answer.headers, raw, json.loads(raw) if is_json and raw else None)
        assert got.status != 500, (method, path, got.raw[:2000])
        if got.status >= 400:
            code_of(got)
        await self._documented(method, path, got)
        return got

    async def admin(self, method: str, path: str, *, tenant: str = "plantstore", **request: Any) -> Answer:
        return await self.call(method, f"/v1/admin/{tenant}/{path}", token=ADMIN_TOKEN, **request)

    async def visitor(self, tenant: str = "plantstore", **session: Any) -> Visitor:
        answer = await self.call("POST", f"/v1/chat/{tenant}/sessions", json=session)
        assert answer.status in (200, 201), answer
        return Visitor(self, tenant, answer.body["visitor_token"], answer.body["conversation_id"])

    async def metrics(self) -> str:
        async with self.http.get(f"{self.base}/metrics") as answer:
            assert answer.status == 200
            return await answer.text()

    async def _documented(self, method: str, path: str, got: Answer) -> None:
        """The answer is one that /v1/openapi.json announces for this route, with the body it announces."""
        if not self.openapi:
            async with self.http.get(f"{self.base}/v1/openapi.json") as answer:
                self.openapi = await answer.json()
        operation = self._operation(method, path.partition("?")[0])
        if operation is None or got.status in (404, 405):
            return
        responses = operation["responses"]
        assert str(got.status) in responses, f"{method} {path} answered {got.status}; the document knows {[*responses]}"
        schema = responses[str(got.status)].get("content", {}).get("application/json", {}).get("schema")
        if schema is not None and got.body is not None:
            Draft202012Validator({**schema, "components": self.openapi["components"]}).validate(got.body)

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        # Literal paths first: /knowledge/search is not the document "search".
        for template in sorted(self.openapi["paths"], key=lambda known: known.count("{")):
            pattern = re.sub(r"\\{[^/]+?\\}", "[^/]+", re.escape(template))
            if re.fullmatch(pattern, path) and method.lower() in self.openapi["paths"][template]:
                operation: dict[str, Any] = self.openapi["paths"][template][method.lower()]
                return operation
        return None


@dataclass
class Visitor:
    """Somebody with a visitor token."""

    outside: ContractClient
    tenant: str
    token: str
    conversation: str
    count: int = 0

    async def call(self, method: str, path: str, **request: Any) -> Answer:
        return await self.outside.call(method, f"/v1/chat/{self.tenant}/{path}", token=self.token, **request)

    async def post(self, **message: Any) -> Answer:
        body = json.dumps(message, ensure_ascii=False).encode()
        return await self.call("POST", "messages", data=body, headers={"Content-Type": "application/json"})

    async def say(self, text: str, **more: Any) -> Answer:
        """A message that is accepted."""
        self.count += 1
        answer = await self.post(client_msg_id=f"m{self.count}", text=text, **more)
        assert answer.status == 202, answer
        return answer

    async def read(self, after: int = 0, wait: float = 0) -> list[dict[str, Any]]:
        answer = await self.call("GET", f"messages?after={after}&wait={wait}")
        assert answer.status == 200, answer
        messages: list[dict[str, Any]] = answer.body["messages"]
        for message in messages:
            assert_shown(message)
        return messages

    async def until(self, kind: str, after: int = 0, deadline: float = 60) -> dict[str, Any]:
        """The first message of this kind of author above ``after``."""
        async with asyncio.timeout(deadline):
            while True:
                for message in await self.read(after, wait=5):
                    after = message["seq"]
                    if message["author"]["kind"] == kind:
                        return message

    async def ask(self, text: str) -> dict[str, Any]:
        """The agent's answer."""
        return await self.until("agent", (await self.say(text)).body["seq"])

    @asynccontextmanager
    async def tab(self, last_seq: int | None = None, hello: bool = True) -> AsyncIterator[ChatSocket]:
        async with self.outside.http.ws_connect(
            f"{self.outside.base}/v1/chat/{self.tenant}/socket", autoping=True
        ) as socket:
            tab = ChatSocket(socket)
            if hello:
                tab.welcome = await tab.hello(self.token, last_seq)
            yield tab


@dataclass
class ChatSocket:
    """A chat socket. ``frames`` are all that came, in order."""

    socket: aiohttp.ClientWebSocketResponse
    frames: list[dict[str, Any]] = field(default_factory=list)
    welcome: dict[str, Any] = field(default_factory=dict)

    async def send(self, **frame: Any) -> Self:
        await self.socket.send_json(frame)
        return self

    async def hello(self, token: str, last_seq: int | None = None) -> dict[str, Any]:
        await self.send(type="hello", token=token, **({} if last_seq is None else {"last_seq": last_seq}))
        return await self.frame("welcome")

    async def frame(self, kind: str, *, deadline: float = 60, **fields: Any) -> dict[str, Any]:
        """The next frame of this kind with these fields; the ones before are kept in ``frames``."""
        async with asyncio.timeout(deadline):
            while True:
                message = await self.socket.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, (message, self.socket.close_code, self.frames[-3:])
                frame: dict[str, Any] = json.loads(message.data)
                self.frames.append(frame)
                if frame["type"] == "message":
                    assert_shown(frame["message"])
                if frame["type"] == kind and fields.items() <= frame.items():
                    return frame

    async def reply(self, kind: str = "agent") -> dict[str, Any]:
        while True:
            message: dict[str, Any] = (await self.frame("message"))["message"]
            if message["author"]["kind"] == kind:
                return message

    async def closed(self, deadline: float = 60) -> int:
        """The close code the server sends. The client's own code is 1006 if the connection has gone before it could
        answer the close frame."""
        async with asyncio.timeout(deadline):
            while True:
                message = await self.socket.receive()
                if message.type is aiohttp.WSMsgType.CLOSE:
                    return int(message.data)
                if message.type in (aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED):
                    assert self.socket.close_code is not None
                    return self.socket.close_code
                assert message.type is not aiohttp.WSMsgType.ERROR, message
                self.frames.append(json.loads(message.data))
