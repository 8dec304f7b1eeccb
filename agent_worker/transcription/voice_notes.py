"""Transcription of stored voice notes, within limits. A failure is a result: the contact is asked to write."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from agent_worker.media.decoder import TOO_LONG, MediaDecoder
from schemas.errors import NotFound, ParleyError, Unprocessable
from schemas.messages import MAX_TEXT, Attachment, Speech
from schemas.ports import Metrics, Transcriber
from schemas.privacy.cards import mask_cards

log = structlog.get_logger("parley.worker")

ReadFile = Callable[[str, str], Awaitable[tuple[Attachment, bytes]]]
"""``(tenant, attachment)`` → the stored file. Raises NotFound, Unavailable."""


@dataclass(frozen=True, slots=True)
class VoiceRules:
    """The transcriber of a tenant, and its limits. ``timeout``: seconds for one note; ``max_seconds``: longer notes are
    not transcribed; ``language``: the one that is expected, empty if any."""

    transcriber: Transcriber
    timeout: float = 60.0
    max_seconds: float = 180.0
    max_bytes: int = 10 * 1024 * 1024
    language: str = ""


class VoiceNotes:
    """``rules``: by tenant; a tenant without any has no transcriber."""

    def __init__(
        self, rules: Mapping[str, VoiceRules], read_file: ReadFile, media: MediaDecoder, metrics: Metrics
    ) -> None:
        self._rules = rules
        self._read_file = read_file
        self._media = media
        self._metrics = metrics

    async def transcribe(self, tenant: str, attachment: Attachment) -> Speech | None:
        """See schemas.ports.Transcribe."""
        rules = self._rules.get(tenant)
        if rules is None:
            return None
        speech = await self._transcribe(rules, tenant, attachment)
        self._metrics.count("parley_voice_notes_total", tenant=tenant, result=speech.problem or "transcribed")
        return speech

    async def _transcribe(self, rules: VoiceRules, tenant: str, attachment: Attachment) -> Speech:
        if attachment.size > rules.max_bytes:
            return Speech(problem="too_long")
        try:
            _, data = await self._read_file(tenant, attachment.id)
        except NotFound:
            return _report_failure(NotFound.__name__)
        try:
            audio = await self._media.decode_audio(data, rules.max_seconds)
        except Unprocessable as error:
            return Speech(problem="too_long" if error.message == TOO_LONG else "not_audio")
        return await _ask(rules, audio)

    async def close(self) -> None:
        for rules in {id(each.transcriber): each for each in self._rules.values()}.values():
            await rules.transcriber.close()


async def _ask(rules: VoiceRules, audio: bytes) -> Speech:
    try:
        async with asyncio.timeout(rules.timeout):
            speech = await rules.transcriber.transcribe(audio, rules.language)
    except TimeoutError:
        log.warning("voice_note_not_transcribed", reason="timeout")
        return Speech(problem="timeout")
    except Exception as error:
        # Code of a plug-in: whatever it does, the note itself is kept and the contact is answered.
        return _report_failure(error.code if isinstance(error, ParleyError) else type(error).__name__)
    text = mask_cards(speech.text.replace("\x00", "").strip())[:MAX_TEXT]
    if not text:
        return Speech(problem=speech.problem or "unclear")
    return Speech(text=text, language=speech.language)


def _report_failure(error: str) -> Speech:
    log.warning("voice_note_not_transcribed", reason="failed", error=error)
    return Speech(problem="failed")
