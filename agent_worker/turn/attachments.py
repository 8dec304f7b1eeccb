"""A turn's first step: what contacts sent along is fetched while its address still holds, and stored (design §7)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from agent_worker.turn.intake import Intake
from schemas.conversation import Origin
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
from schemas.facts import FilesStored
from schemas.ids import derived_id
from schemas.messages import Attachment, InboundMessage, RemoteFile, TranscriptMessage
from schemas.ports import Clock, FetchFile, Transcribe, Transcript
from schemas.privacy.cards import masked

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
"""Why a file is missing, by what was raised; the first that fits."""
LISTENING = 30.0
"""Seconds that a voice note may take to be written down."""


class Files:
    """``fetch`` None: nothing can be fetched here. ``transcribe`` None: nobody listens to voice notes."""

    def __init__(
        self, transcript: Transcript, fetch: FetchFile | None, transcribe: Transcribe | None, clock: Clock
    ) -> None:
        self._transcript = transcript
        self._fetch = fetch
        self._transcribe = transcribe
        self._clock = clock

    async def take(self, origin: Origin, conversation: str, intake: Intake) -> None:
        """Attach the files of all new messages, and fill in what the intake knows of them. What was attached before, by
        a turn that broke off, is used again. Raises Unavailable when files cannot be stored now."""
        stored = await asyncio.gather(*(self._take(origin, conversation, one) for one in intake.with_files.values()))
        for each in filter(None, stored):
            intake.stored.append(each)
            waiting = intake.waiting.get(each.message_id)
            if waiting is not None:
                said = {"attachments": each.attachments, "text": waiting.text or each.text}
                intake.waiting[each.message_id] = waiting.model_copy(update=said)

    async def _take(self, origin: Origin, conversation: str, message: InboundMessage) -> FilesStored | None:
        line = await self._transcript.find(conversation, message.id)
        if line is None or line.state == "deleted":
            return None
        if len(_sent(line.attachments)) <= len(_sent(message.attachments)):
            line = await self._attached(origin, conversation, message, line)
        spoken = "" if message.text.strip() else line.text
        return FilesStored(message_id=message.id, attachments=line.attachments, text=spoken, at=self._clock())

    async def _attached(
        self, origin: Origin, conversation: str, message: InboundMessage, line: TranscriptMessage
    ) -> TranscriptMessage:
        files = await asyncio.gather(
            *(
                self._one(conversation, origin, file, derived_id(message.id, "file", n))
                for n, file in enumerate(message.files)
            )
        )
        spoken = "" if line.text.strip() else await self._heard(origin, message.files, files)
        if spoken:
            # Before the files: a repeat that finds them asks for nothing any more.
            await self._transcript.edit(conversation, message.id, spoken)
        made = await self._transcript.attach(conversation, message.id, [*line.attachments, *files])
        return made or line

    async def _one(self, conversation: str, origin: Origin, file: RemoteFile, gap: str) -> Attachment:
        """The stored file, or what stands in its place and says why."""
        reason = "not_fetched"
        if self._fetch is not None:
            try:
                return await self._fetch(conversation, origin, file)
            except Unavailable:
                raise
            except Exception as error:
                # Also of a bug: what comes with the file must be answered whatever happens to it.
                reason = next(word for kind, word in REASONS if isinstance(error, kind))
                log.warning("file_missing", reason=reason, kind=file.kind, error=type(error).__name__)
        return Attachment(id=gap, name=file.name or file.kind, type=file.type, size=file.size, missing=reason)

    async def _heard(self, origin: Origin, files: Sequence[RemoteFile], stored: Sequence[Attachment]) -> str:
        """What the voice notes say; empty when nobody can tell."""
        if self._transcribe is None:
            return ""
        said: list[str] = []
        for file, attachment in zip(files, stored, strict=True):
            if file.kind != "voice" or attachment.missing:
                continue
            try:
                async with asyncio.timeout(LISTENING):
                    said.append(masked((await self._transcribe(origin.tenant, attachment)).strip()))
            except Exception as error:
                # Somebody else's code: whatever it does, the note itself is kept and the contact is answered.
                log.warning("voice_note_not_understood", error=type(error).__name__)
        return "\n".join(filter(None, said))


def _sent(files: Sequence[Attachment]) -> list[Attachment]:
    """Without texts that were too long for their message."""
    return [file for file in files if not file.full_text]
