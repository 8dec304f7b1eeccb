"""faster-whisper with the model that `make speech-model` fetches."""

from __future__ import annotations

import asyncio
import io
import random
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_worker.media.audio import RATE, decode
from agent_worker.transcription.whisper import WhisperTranscriber, open_whisper
from infra.deploy.speech_model import fetch
from schemas.errors import ConfigInvalid
from schemas.ports import TranscriberOptions
from tests.measure.speech import count_errors, split_words
from tests.speech.encoding import read

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
async def whisper() -> AsyncIterator[WhisperTranscriber]:
    whisper = open_whisper(TranscriberOptions(model=str(fetch())))
    yield whisper
    await whisper.close()


SPOKEN = {
    "person": ("en", "I want to talk to a real person about my complaint.", 1),
    "austen-0880": ("en", "He was not an ill-disposed young man.", 1),
    "rueckgabe": ("de", "Kann ich die Töpfe innerhalb von dreißig Tagen zurückgeben?", 5),
}
"""Recording → its language, what is said, and the words that may be misunderstood. The languages are recognized with a
probability of over 0.9: processors round differently, and what one takes for German with 0.49 (bestellung.ogg), another
takes for English."""


@pytest.mark.parametrize("name", SPOKEN)
async def test_speech_is_understood_and_its_language_recognized(whisper: WhisperTranscriber, name: str) -> None:
    language, said, errors = SPOKEN[name]
    speech = await whisper.transcribe(decode(read(name), 60), "")
    assert speech.language == language
    assert count_errors(split_words(said), split_words(speech.text)) <= errors, speech.text


def sound_of(samples: bytes) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples)
    return out.getvalue()


@pytest.mark.parametrize("samples", [bytes(RATE * 10), random.Random(5).randbytes(RATE * 10)], ids=["silence", "noise"])
async def test_no_words_are_invented_where_nobody_speaks(whisper: WhisperTranscriber, samples: bytes) -> None:
    speech = await whisper.transcribe(sound_of(samples), "")
    assert (speech.text, speech.problem) == ("", "unclear")


async def test_a_note_that_was_given_up_does_not_hold_up_the_next(whisper: WhisperTranscriber) -> None:
    """Its process is ended, and another one loads the model."""
    sound = decode(read("person"), 60)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await whisper.transcribe(sound, "")
    assert "complaint" in (await whisper.transcribe(sound, "")).text


def test_a_model_that_is_not_there_is_named_and_never_downloaded(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"lacks model\.bin") as raised:
        open_whisper(TranscriberOptions(model=str(tmp_path)))
    assert "make speech-model" in raised.value.fix
