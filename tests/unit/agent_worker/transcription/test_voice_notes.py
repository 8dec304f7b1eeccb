"""Stored voice notes become text within limits, and whatever goes wrong is a result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from agent_worker.media.decoder import MediaDecoder
from agent_worker.transcription.voice_notes import VoiceNotes, VoiceRules
from infra.metrics import PrometheusMetrics
from schemas.errors import NotFound, Unavailable
from schemas.messages import MAX_TEXT, Attachment, Speech
from tests.speech.encoding import read

NOTE = read("heat-pack")
HEAT = "Do you add a heat pack?"


class Listener:
    """A transcriber of a package: says this, or raises it."""

    def __init__(self, outcome: Speech | BaseException) -> None:
        self.outcome = outcome
        self.heard: list[tuple[int, str]] = []
        self.closed = 0

    async def transcribe(self, audio: bytes, language: str) -> Speech:
        self.heard.append((len(audio), language))
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    async def close(self) -> None:
        self.closed += 1


class Store:
    """Files by tenant and id."""

    def __init__(self, data: bytes = NOTE) -> None:
        self.files = {("shop", "a"): data, ("clinic", "b"): data}

    async def get(self, tenant: str, attachment: str) -> tuple[Attachment, bytes]:
        if (tenant, attachment) not in self.files:
            raise NotFound("there is no such attachment")
        data = self.files[tenant, attachment]
        return described(attachment, len(data)), data


def described(id_: str = "a", size: int = len(NOTE)) -> Attachment:
    return Attachment(id=id_, name="voice.ogg", type="audio/ogg", size=size)


@pytest.fixture(scope="module")
async def media() -> AsyncIterator[MediaDecoder]:
    media = MediaDecoder()
    yield media
    await media.close()


def notes(media: MediaDecoder, listener: Listener, store: Store | None = None, **rules: Any) -> VoiceNotes:
    return VoiceNotes({"shop": VoiceRules(listener, **rules)}, (store or Store()).get, media, PrometheusMetrics())


async def test_a_note_is_decoded_and_its_words_are_cleaned(media: MediaDecoder) -> None:
    """A card number that was spoken is masked, as everywhere."""
    listener = Listener(Speech(text=f"  {HEAT} My card is 4111 1111 1111 1111. ", language="en"))
    speech = await notes(media, listener, language="en").transcribe("shop", described())
    assert speech is not None
    assert speech.text.startswith(HEAT)
    assert "4111 1111" not in speech.text
    assert (speech.language, speech.problem) == ("en", "")
    ((size, language),) = listener.heard
    assert (80_000 < size < 110_000, language) == (True, "en")


async def test_only_a_tenant_with_a_transcriber_has_its_notes_transcribed(media: MediaDecoder) -> None:
    listener = Listener(Speech(text=HEAT))
    assert await notes(media, listener).transcribe("clinic", described("b")) is None
    assert await notes(media, listener).transcribe("shop", described("b")) == Speech(problem="failed"), "not its file"
    assert listener.heard == []


OUTCOMES: dict[str, tuple[Speech | BaseException, Speech]] = {
    "nothing was understood": (Speech(text=" \n"), Speech(problem="unclear")),
    "it says why": (Speech(problem="unclear"), Speech(problem="unclear")),
    "it breaks": (RuntimeError(f"cannot hear {HEAT}"), Speech(problem="failed")),
    "it answers too late": (TimeoutError(), Speech(problem="timeout")),
    "it says far too much": (Speech(text="word " * 5_000), Speech(text="word " * (MAX_TEXT // 5))),
}


@pytest.mark.parametrize("case", OUTCOMES)
async def test_whatever_a_transcriber_does_is_a_result_and_logs_hold_no_words(media: MediaDecoder, case: str) -> None:
    outcome, expected = OUTCOMES[case]
    with capture_logs() as logs:
        assert await notes(media, Listener(outcome)).transcribe("shop", described()) == expected
    assert HEAT not in str(logs)


async def test_a_note_that_takes_too_long_is_given_up(media: MediaDecoder) -> None:
    class Slow(Listener):
        async def transcribe(self, audio: bytes, language: str) -> Speech:
            await asyncio.Event().wait()
            raise AssertionError

    slow = Slow(Speech())
    assert await notes(media, slow, timeout=0.01).transcribe("shop", described()) == Speech(problem="timeout")


async def test_limits_hold_before_the_transcriber_is_asked(media: MediaDecoder) -> None:
    listener = Listener(Speech(text=HEAT))
    too_long = Speech(problem="too_long")
    assert await notes(media, listener, max_seconds=1).transcribe("shop", described()) == too_long
    assert await notes(media, listener, max_bytes=100).transcribe("shop", described()) == too_long
    broken = notes(media, listener, Store(b"OggS" + bytes(500)))
    assert await broken.transcribe("shop", described()) == Speech(problem="not_audio")
    assert listener.heard == []


async def test_a_file_that_cannot_be_read_now_is_tried_again_by_the_turn(media: MediaDecoder) -> None:
    async def unreadable(tenant: str, attachment: str) -> tuple[Attachment, bytes]:
        raise Unavailable("the bucket is away")

    voice_notes = VoiceNotes({"shop": VoiceRules(Listener(Speech(text=HEAT)))}, unreadable, media, PrometheusMetrics())
    with pytest.raises(Unavailable):
        await voice_notes.transcribe("shop", described())


async def test_a_transcriber_that_tenants_share_is_closed_once(media: MediaDecoder) -> None:
    listener = Listener(Speech(text=HEAT))
    rules = {"shop": VoiceRules(listener), "clinic": VoiceRules(listener, language="de")}
    voice_notes = VoiceNotes(rules, Store().get, media, PrometheusMetrics())
    await voice_notes.transcribe("clinic", described("b"))
    await voice_notes.close()
    assert (listener.heard[0][1], listener.closed) == ("de", 1)
