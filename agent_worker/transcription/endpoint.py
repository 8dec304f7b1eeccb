"""Transcription by an OpenAI-compatible endpoint (``POST …/audio/transcriptions``)."""

from __future__ import annotations

import asyncio

import aiohttp
from pydantic import ValidationError

from schemas.messages import Printable, Speech, WireModel
from schemas.ports import TranscriberOptions

MAX_ANSWER_BYTES = 1024 * 1024
MAX_CONCURRENT = 4
"""Requests at the same time: an endpoint on a machine of the operator's own answers few at once."""
RETRY_DELAY_S = 1.0
_TEMPORARY = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed. It changes nothing there, so that it may be repeated."""


class EndpointError(Exception):
    """The endpoint refused, or answered nonsense. The message holds no text of it, which may repeat what was said."""


class TranscriptionEndpoint:
    """``schemas.ports.Transcriber``. The caller limits the time."""

    def __init__(self, options: TranscriberOptions) -> None:
        self._url = f"{options.base_url.rstrip('/')}/audio/transcriptions"
        self._model = options.model
        self._headers = {"Authorization": f"Bearer {options.api_key}"} if options.api_key else {}
        self._free = asyncio.Semaphore(MAX_CONCURRENT)
        self._session: aiohttp.ClientSession | None = None

    async def transcribe(self, audio: bytes, language: str) -> Speech:
        """Raises EndpointError, and aiohttp's errors. A failure that may pass is tried a second time."""
        async with self._free:
            try:
                return await self._request(audio, language)
            except (aiohttp.ClientConnectionError, _TemporaryFailure):
                await asyncio.sleep(RETRY_DELAY_S)
                return await self._request(audio, language)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _request(self, audio: bytes, language: str) -> Speech:
        form = aiohttp.FormData()
        form.add_field("file", audio, filename="voice.wav", content_type="audio/wav")
        form.add_field("model", self._model)
        form.add_field("response_format", "json")
        if language:
            form.add_field("language", language)
        # A redirect could lead the recording to another host.
        async with self._open_session().post(self._url, data=form, allow_redirects=False) as response:
            if response.status != 200:
                raise (_TemporaryFailure if response.status in _TEMPORARY else EndpointError)(f"HTTP {response.status}")
            return await _read_answer(response)

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Without the session's own limit of five minutes, and without cookies.
            self._session = aiohttp.ClientSession(
                headers=self._headers, timeout=aiohttp.ClientTimeout(), cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


class _TemporaryFailure(EndpointError):
    """The same request may succeed."""


class _Answer(WireModel):
    text: Printable


async def _read_answer(response: aiohttp.ClientResponse) -> Speech:
    data = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        data += chunk
        if len(data) > MAX_ANSWER_BYTES:
            raise EndpointError("the answer is too long")
    try:
        answer = _Answer.model_validate_json(bytes(data))
    except ValidationError:
        raise EndpointError("the answer is no transcription") from None
    text = answer.text.strip()
    return Speech(text=text) if text else Speech(problem="unclear")
