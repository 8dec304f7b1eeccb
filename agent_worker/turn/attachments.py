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
from schemas.transcript import is_audio, join_speech

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
VOICE_KINDS = frozenset({"voice", "audio"})


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
        """Attach the files of all messages, and what voice notes say, to their lines of the transcript. What an earlier
        attempt attached is used again. Raises Unavailable when files cannot be stored or read now."""
        stored = await asyncio.gather(*(self._fetch_message(origin, conversation, message) for message in messages))
        return [each for each in stored if each is not None]

    async def _fetch_message(self, origin: Origin, conversation: str, message: InboundMessage) -> FilesStored | None:
        line = await self._transcript.find(conversation, message.id)
        if line is None or line.state == "deleted":
            return None
        if message.files and len(_without_texts(line.attachments)) <= len(_without_texts(message.attachments)):
            line = await self._attach(origin, conversation, message, line)
        line = await self._add_speech(origin, conversation, message, line)
        if not message.files and line.attachments == message.attachments:
            return None
        return FilesStored(message_id=message.id, attachments=line.attachments, at=self._clock())

    async def _attach(
        self, origin: Origin, conversation: str, message: InboundMessage, line: TranscriptMessage
    ) -> TranscriptMessage:
        files = await asyncio.gather(
            *(
                self._fetch_file(conversation, origin, file, derived_id(message.id, "file", n))
                for n, file in enumerate(message.files)
            )
        )
        attached = await self._transcript.attach(conversation, message.id, [*line.attachments, *files])
        return attached or line

    async def _fetch_file(self, conversation: str, origin: Origin, file: RemoteFile, placeholder: str) -> Attachment:
        """The stored file, or a placeholder with that id which says why there is none."""
        reason = "not_fetched"
        if self._fetch is not None:
            try:
                return _name_audio(file, await self._fetch(conversation, origin, file))
            except Unavailable:
                raise
            except Exception as error:
                # Any error: the message must be answered whatever happens to its file.
                reason = next(name for kind, name in REASONS if isinstance(error, kind))
                log.warning("file_missing", reason=reason, kind=file.kind, error=type(error).__name__)
        return Attachment(id=placeholder, name=file.name or file.kind, type=file.type, size=file.size, missing=reason)

    async def _add_speech(
        self, origin: Origin, conversation: str, message: InboundMessage, line: TranscriptMessage
    ) -> TranscriptMessage:
        """Transcribe the voice notes that nobody has transcribed yet. Their text joins that of the message, unless the
        contact has edited it meanwhile: the edit does that then."""
        files = await asyncio.gather(*(self._transcribe_file(origin.tenant, file) for file in line.attachments))
        if files != line.attachments:
            line = await self._transcript.attach(conversation, message.id, files) or line
        text = join_speech(message.text, line.attachments)
        if line.text == message.text != text and await self._transcript.edit(conversation, message.id, text):
            return line.model_copy(update={"text": text})
        return line

    async def _transcribe_file(self, tenant: str, file: Attachment) -> Attachment:
        if self._transcribe is None or file.missing or file.speech is not None or not is_audio(file):
            return file
        speech = await self._transcribe(tenant, file)
        return file if speech is None else file.model_copy(update={"speech": speech})


def _name_audio(file: RemoteFile, stored: Attachment) -> Attachment:
    """A container for films may hold sound alone, which only the vendor's kind tells."""
    kind, _, container = stored.type.partition("/")
    is_named = file.kind in VOICE_KINDS and kind == "video"
    return stored.model_copy(update={"type": f"audio/{container}"}) if is_named else stored


def _without_texts(files: Sequence[Attachment]) -> list[Attachment]:
    """Leave out files that hold a text too long for its message."""
    return [file for file in files if not file.full_text]
