"""An endpoint with OpenAI's transcription API. It is strict about requests, and says what a test wants, or what a real
model understands."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import BodyPartReader, web

from schemas.ports import Transcriber

KEY = "sk-hearing"


@dataclass(frozen=True)
class TranscriptionCall:
    """One request that was well-formed."""

    model: str
    language: str
    seconds: float


class TranscriptionServer:
    """``text`` is what it understands, unless it has a ``listener``. ``statuses``: answered to the next requests,
    without a transcription; ``body``: sent instead of JSON. ``gate``: awaited before each answer."""

    def __init__(self, text: str = "", listener: Transcriber | None = None) -> None:
        self.text = text
        self.listener = listener
        self.statuses: list[int] = []
        self.body: bytes | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls: list[TranscriptionCall] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[TranscriptionServer]:
        app = web.Application(client_max_size=25 * 1024**2)  # OpenAI's limit
        app.router.add_post("/v1/audio/transcriptions", self._transcribe)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = int(runner.addresses[0][1])
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _transcribe(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {KEY}":
            return web.json_response({"error": {"message": "Incorrect API key provided"}}, status=401)
        fields, audio = await _read_form(request)
        if fields.keys() - {"model", "language", "response_format"} or "model" not in fields:
            return web.json_response({"error": {"message": f"unexpected fields: {sorted(fields)}"}}, status=400)
        if fields.get("response_format") != "json":
            return web.json_response({"error": {"message": "this model answers json only"}}, status=400)
        with wave.open(io.BytesIO(audio)) as sound:
            seconds = sound.getnframes() / sound.getframerate()
        self.calls.append(TranscriptionCall(fields["model"], fields.get("language", ""), round(seconds, 1)))
        await self.gate.wait()
        if self.statuses:
            return web.json_response({"error": {"message": "not now"}}, status=self.statuses.pop(0))
        if self.body is not None:
            return web.Response(body=self.body, content_type="application/json")
        text = self.text
        if self.listener is not None:
            text = (await self.listener.transcribe(audio, fields.get("language", ""))).text
        return web.json_response({"text": text, "usage": {"type": "duration", "seconds": seconds}})


async def _read_form(request: web.Request) -> tuple[dict[str, str], bytes]:
    fields, audio = {}, b""
    async for part in await request.multipart():
        assert isinstance(part, BodyPartReader)
        if part.name == "file":
            assert part.filename == "voice.wav", part.filename
            audio = bytes(await part.read())
        else:
            fields[str(part.name)] = await part.text()
    return fields, audio
