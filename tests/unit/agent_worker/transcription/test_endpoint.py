"""An OpenAI-compatible endpoint is asked as its API says, and trusted with nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from agent_worker.media.audio import decode
from agent_worker.transcription import endpoint
from agent_worker.transcription.endpoint import EndpointError, TranscriptionEndpoint
from schemas.messages import Speech
from schemas.ports import TranscriberOptions
from tests.simulators.models.transcription_server import KEY, TranscriptionServer
from tests.speech.encoding import read

HEAT = "Do you add a heat pack?"
SOUND = decode(read("heat-pack"), 60)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TranscriptionServer]:
    monkeypatch.setattr(endpoint, "RETRY_DELAY_S", 0)
    async with TranscriptionServer(HEAT).serving() as server:
        yield server


@pytest.fixture
async def transcriber(server: TranscriptionServer) -> AsyncIterator[TranscriptionEndpoint]:
    transcriber = TranscriptionEndpoint(
        TranscriberOptions(model="whisper-1", base_url=f"{server.base_url}/", api_key=KEY)
    )
    yield transcriber
    await transcriber.close()


async def test_the_sound_the_model_and_the_language_are_sent(
    server: TranscriptionServer, transcriber: TranscriptionEndpoint
) -> None:
    """The server refuses any other field, and another format than WAV."""
    assert await transcriber.transcribe(SOUND, "") == Speech(text=HEAT)
    assert await transcriber.transcribe(SOUND, "de") == Speech(text=HEAT)
    assert [(call.model, call.language) for call in server.calls] == [("whisper-1", ""), ("whisper-1", "de")]


async def test_nothing_understood_is_told_as_such(
    server: TranscriptionServer, transcriber: TranscriptionEndpoint
) -> None:
    server.text = "  "
    assert await transcriber.transcribe(SOUND, "") == Speech(problem="unclear")


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_failure_that_may_pass_is_tried_once_more(
    server: TranscriptionServer, transcriber: TranscriptionEndpoint, status: int
) -> None:
    server.statuses = [status]
    assert await transcriber.transcribe(SOUND, "") == Speech(text=HEAT)
    server.statuses = [status, status]
    with pytest.raises(EndpointError):
        await transcriber.transcribe(SOUND, "")
    assert len(server.calls) == 4


@pytest.mark.parametrize("status", [301, 400, 401, 404, 413])
async def test_any_other_refusal_is_final(
    server: TranscriptionServer, transcriber: TranscriptionEndpoint, status: int
) -> None:
    """A redirect too: it could lead the recording to another host."""
    server.statuses = [status]
    with pytest.raises(EndpointError, match=f"HTTP {status}"):
        await transcriber.transcribe(SOUND, "")
    assert len(server.calls) == 1


NONSENSE = {
    "no JSON": b"<html>",
    "no text": b"{}",
    "a list": b'["spoken"]',
    "a number": b'{"text": 7}',
    "NUL characters": b'{"text": "a\\u0000b"}',
    "two megabytes": b'{"text": "' + b"a" * 2_000_000 + b'"}',
}


@pytest.mark.parametrize("case", NONSENSE)
async def test_nonsense_is_refused_without_repeating_it(
    server: TranscriptionServer, transcriber: TranscriptionEndpoint, case: str
) -> None:
    server.body = NONSENSE[case]
    with pytest.raises(EndpointError) as raised:
        await transcriber.transcribe(SOUND, "")
    assert "spoken" not in str(raised.value)


async def test_a_wrong_key_is_no_transcription(server: TranscriptionServer) -> None:
    transcriber = TranscriptionEndpoint(TranscriberOptions(model="whisper-1", base_url=server.base_url, api_key="sk-x"))
    with pytest.raises(EndpointError, match="HTTP 401"):
        await transcriber.transcribe(SOUND, "")
    await transcriber.close()
