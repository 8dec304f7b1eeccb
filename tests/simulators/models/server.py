"""The server and its script. A test holds it by conditions: it sees each call begin, be held, end or be dropped."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from aiohttp import web

from tests.simulators.models.provider_formats import Anthropic, Dialect, Google, OpenAI, ToolCall
from tests.simulators.models.request_reading import answer_to, data_of, lines_of, sentences_of

Behaviour = Literal["answer", "hang", "cut", "garbage", "flood"]
Outcome = Literal["running", "answered", "refused", "dropped", "cut"]
FLOOD = "word " * 200_000
"""One megabyte."""
GARBAGE = b"event: content_block_delta\ndata: {not json\n\n"


@dataclass(frozen=True)
class Script:
    """What is done with a request.

    ``hang``: nothing comes, not even headers. ``cut``: the connection is reset after ``sentences`` sentences; what was
    under way is lost with it, so hold it first to be sure that they were read. ``garbage``: a chunk that is no JSON.
    ``flood``: a megabyte without a full stop. After ``hold_after`` sentences (and the first word of the next one, by
    which a reader knows that the sentence is whole) the call's gate is awaited; 0: before the first token. ``pace``:
    seconds between two words. ``text``: said instead of what the passages hold. ``calls``: functions that are called,
    after the text if there is one. ``retry_after``: seconds, said with a ``status`` that refuses."""

    behaviour: Behaviour = "answer"
    status: int = 200
    hold_after: int | None = None
    sentences: int = 0
    pace: float = 0.0
    text: str | None = None
    calls: tuple[ToolCall, ...] = ()
    retry_after: int = 0


@dataclass
class Call:
    """One request: what was asked, and how far it came."""

    body: dict[str, Any]
    key: str
    script: Script
    outcome: Outcome = "running"
    held: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def message(self) -> str:
        """What the contact is said to have written."""
        return str(data_of(self.body).get("message", ""))

    @property
    def is_repair(self) -> bool:
        lines = lines_of(self.body)
        return any(line.side == "assistant" and not line.calls for line in lines)

    @property
    def system(self) -> str:
        return "\n".join(line.text for line in lines_of(self.body) if line.side == "system")

    def end(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.ended.set()


class ModelServer:
    """``script`` is what every request meets, ``next_scripts`` what the next ones meet instead, and ``script_for`` may
    choose by the call. ``models`` are those that it lists; ``listings``: the headers of the requests for the list."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.models: list[str] = ["adapter-7"]
        self.listings: list[Mapping[str, str]] = []
        self.script = Script()
        self.next_scripts: list[Script] = []
        self.script_for: Callable[[Call], Script] | None = None
        self._news = asyncio.Condition()

    @property
    def base_url(self) -> str:
        """Of chat completions."""
        return f"{self.origin}/v1"

    @property
    def origin(self) -> str:
        """Of the two other providers' interfaces."""
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[ModelServer]:
        app = web.Application(client_max_size=8 * 1024**2)
        app.router.add_get("/v1/models", self._list)
        app.router.add_post("/v1/chat/completions", self._openai)
        app.router.add_post("/v1/messages", self._anthropic)
        app.router.add_post("/{version}/models/{model}:streamGenerateContent", self._google)
        # The handler is told when its client is gone; that is how a cancelled turn is seen here.
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = int(self._runner.addresses[0][1])
        try:
            yield self
        finally:
            await self.close()

    async def close(self) -> None:
        """Nobody answers at the address any more. Calls that are held are dropped."""
        await self._runner.cleanup()

    async def called(
        self, look: Callable[[Call], bool] = lambda _: True, *, nth: int = 1, deadline: float = 60
    ) -> Call:
        """The ``nth`` call of which ``look`` is true, as soon as it is there."""

        def found() -> list[Call]:
            return [call for call in self.calls if look(call)]

        async with asyncio.timeout(deadline), self._news:
            await self._news.wait_for(lambda: len(found()) >= nth)
        return found()[nth - 1]

    async def _list(self, request: web.Request) -> web.Response:
        self.listings.append(dict(request.headers))
        return web.json_response({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})

    async def _openai(self, request: web.Request) -> web.StreamResponse:
        return await self._complete(request, OpenAI(), request.headers.get("Authorization", ""))

    async def _anthropic(self, request: web.Request) -> web.StreamResponse:
        key = request.headers.get("X-Api-Key", request.headers.get("Authorization", ""))
        return await self._complete(request, Anthropic(), key)

    async def _google(self, request: web.Request) -> web.StreamResponse:
        return await self._complete(request, Google(), request.headers.get("X-Goog-Api-Key", ""))

    async def _complete(self, request: web.Request, dialect: Dialect, key: str) -> web.StreamResponse:
        call = Call(await request.json(), key, self.script)
        call.body.setdefault("model", request.match_info.get("model"))
        if self.next_scripts:
            call.script = self.next_scripts.pop(0)
        elif self.script_for is not None:
            call.script = self.script_for(call)
        async with self._news:
            self.calls.append(call)
            self._news.notify_all()
        try:
            return await Reply(request, call, dialect).send()
        except (asyncio.CancelledError, ConnectionError):
            call.end("dropped")
            raise
        finally:
            if not call.ended.is_set():
                call.end("answered")


class Reply:
    """One answer on its way."""

    def __init__(self, request: web.Request, call: Call, dialect: Dialect) -> None:
        self._request = request
        self._dialect = dialect
        self._call = call
        self._script = call.script

    async def send(self) -> web.StreamResponse:
        if self._script.status != 200:
            self._call.end("refused")
            status, wait = self._script.status, self._script.retry_after
            error = {"error": {"message": "scripted", "type": "scripted", "code": status, "status": "SCRIPTED"}}
            return web.json_response(error, status=status, headers={"Retry-After": str(wait)} if wait else {})
        if self._script.behaviour == "hang":
            await self._call.gate.wait()
        self._out = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await self._out.prepare(self._request)
        await self._write()
        return self._out

    async def _write(self) -> None:
        await self._send(self._dialect.begin(self._call.body))
        if self._script.behaviour == "flood":
            return await self._say(FLOOD)
        if self._script.behaviour == "garbage":
            return await self._out.write(GARBAGE)
        text = self._script.text
        if text is None:
            text = "" if self._script.calls else answer_to(self._call.body)
        pieces = sentences_of(text)
        for number, piece in enumerate([*pieces, ""]):
            rest = await self._hold(piece, number) if number == self._script.hold_after else piece
            if self._script.behaviour == "cut" and number == self._script.sentences:
                return self._cut()
            await self._say(rest)
        await self._send(self._dialect.end(text, self._script.calls))

    async def _hold(self, piece: str, number: int) -> str:
        """Wait for the gate; what is left of the piece after it. Before the first token the reader sees nothing."""
        first, rest = _first_word(piece) if number else ("", piece)
        await self._say(first)
        self._call.held.set()
        await self._call.gate.wait()
        return rest

    def _cut(self) -> None:
        self._call.end("cut")
        assert self._request.transport is not None
        self._request.transport.abort()

    async def _say(self, text: str) -> None:
        pieces = re.findall(r"\s*\S+|\s+$", text) if self._script.pace else [text] if text else []
        for piece in pieces:
            await self._send(self._dialect.text(piece))
            await asyncio.sleep(self._script.pace)

    async def _send(self, events: Iterable[bytes]) -> None:
        for event in events:
            await self._out.write(event)


def _first_word(piece: str) -> tuple[str, str]:
    """A piece with its leading space and one word, and the rest."""
    begin = len(piece) - len(piece.lstrip())
    end = piece.find(" ", begin)
    return (piece, "") if end < 0 else (piece[:end], piece[end:])


def make_held_script(sentences: int, script: Script | None = None) -> Script:
    """A script that waits for the test after so many sentences."""
    return replace(script or Script(), hold_after=sentences)
