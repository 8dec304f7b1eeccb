"""The files of inbound messages, fetched from the vendor while their address is valid, and stored."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

import structlog

from schemas.conversation import Origin
from schemas.conversation_activity import FilesStored
from schemas.errors import (
    CredentialsRevoked,
    DeliveryError,
    RateLimited,
    RequestError,
    SendRefused,
    StorageFull,
    TooLarge,
    Unavailable,
    UnsupportedMediaType,
)
from schemas.ids import derived_id
from schemas.messages import Attachment, InboundMessage, RemoteFile, TranscriptMessage
from schemas.ports import Clock, FetchFile, Transcribe, Transcript
from schemas.privacy.cards import mask_cards

log = structlog.get_logger("parley.worker")
REASONS: tuple[tuple[type[Exception], str], ...] = (
    (StorageFull, "over_quota"),
    (RateLimited, "over_quota"),
    (TooLarge, "too_large"),
    (UnsupportedMediaType, "unsupported_type"),
    (CredentialsRevoked, "refused"),
    (RequestError, "gone"),
    (SendRefused, "gone"),
    (DeliveryError, "timeout"),
    (TimeoutError, "timeout"),
    (Exception, "failed"),
)
"""The reason for a missing file by error class; the first match counts."""
TRANSCRIBE_WITHIN = 30.0
"""Seconds that the transcription of a voice note may take."""


class AttachmentFetcher:
    """Fetches and stores the files of messages. ``fetch`` None: nothing can be fetched here. ``transcribe`` None: voice
    notes are not transcribed."""

    def __init__(
        self, transcript: Transcript, fetch: FetchFile | None, transcribe: Transcribe | None, clock: Clock
    ) -> None:
        self._transcript = transcript
        self._fetch = fetch
        self._transcribe = transcribe
        self._clock = clock

    async def fetch_all(
        self, origin: Origin, conversation: str, messages: Iterable[InboundMessage]
    ) -> list[FilesStored]:
        """Attach the files of all messages to their lines of the transcript. Files that an earlier attempt attached are
        used again. Raises Unavailable when files cannot be stored now."""
        stored = await asyncio.gather(*(self._fetch_message(origin, conversation, message) for message in messages))
        return [each for each in stored if each is not None]

    async def _fetch_message(self, origin: Origin, conversation: str, message: InboundMessage) -> FilesStored | None:
        line = await self._transcript.find(conversation, message.id)
        if line is None or line.state == "deleted":
            return None
        if len(_without_texts(line.attachments)) <= len(_without_texts(message.attachments)):
            line = await self._attach(origin, conversation, message, line)
        transcribed = "" if message.text.strip() else line.text
        return FilesStored(message_id=message.id, attachments=line.attachments, text=transcribed, at=self._clock())

    async def _attach(
        self, origin: Origin, conversation: str, message: InboundMessage, line: TranscriptMessage
    ) -> TranscriptMessage:
        files = await asyncio.gather(
            *(
                self._fetch_file(conversation, origin, file, derived_id(message.id, "file", n))
                for n, file in enumerate(message.files)
            )
        )
        text = "" if line.text.strip() else await self._transcribe_notes(origin, message.files, files)
        if text:
            # Before the files: a repeat that finds the files transcribes nothing again.
            await self._transcript.edit(conversation, message.id, text)
        attached = await self._transcript.attach(conversation, message.id, [*line.attachments, *files])
        return attached or line

    async def _fetch_file(self, conversation: str, origin: Origin, file: RemoteFile, placeholder: str) -> Attachment:
        """The stored file, or a placeholder with that id which says why there is none."""
        reason = "not_fetched"
        if self._fetch is not None:
            try:
                return await self._fetch(conversation, origin, file)
            except Unavailable:
                raise
            except Exception as error:
                # Any error: the message must be answered whatever happens to its file.
                reason = next(name for kind, name in REASONS if isinstance(error, kind))
                log.warning("file_missing", reason=reason, kind=file.kind, error=type(error).__name__)
        return Attachment(id=placeholder, name=file.name or file.kind, type=file.type, size=file.size, missing=reason)

    async def _transcribe_notes(self, origin: Origin, files: Sequence[RemoteFile], stored: Sequence[Attachment]) -> str:
        """Transcribe the voice notes; empty if there are none, or if transcription fails."""
        if self._transcribe is None:
            return ""
        texts: list[str] = []
        for file, attachment in zip(files, stored, strict=True):
            if file.kind != "voice" or attachment.missing:
                continue
            try:
                async with asyncio.timeout(TRANSCRIBE_WITHIN):
                    texts.append(mask_cards((await self._transcribe(origin.tenant, attachment)).strip()))
            except Exception as error:
                # Code of a plug-in: whatever it does, the note itself is kept and the contact is answered.
                log.warning("voice_note_not_understood", error=type(error).__name__)
        return "\n".join(filter(None, texts))


def _without_texts(files: Sequence[Attachment]) -> list[Attachment]:
    """Leave out files that hold a text too long for its message."""
    return [file for file in files if not file.full_text]
