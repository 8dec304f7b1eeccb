"""Files of a reply: fetched from the desk and stored as attachments."""

from __future__ import annotations

import asyncio

import structlog

from schemas.conversation import Conversation, Origin
from schemas.desk import DeskCommand
from schemas.errors import (
    CredentialsRevoked,
    DeliveryError,
    NotFound,
    RequestError,
    StorageFull,
    TooLarge,
    UnsupportedMediaType,
)
from schemas.messages import Attachment, RemoteFile
from schemas.ports import FetchFile

log = structlog.get_logger("parley.desk")


class ReplyFiles:
    """Fetches the files of replies. ``store`` fetches a file from the vendor of an origin and stores it. ``desk``:
    display name of the desk."""

    def __init__(self, store: FetchFile, desk: str) -> None:
        self._store = store
        self._desk = desk

    async def fetch(self, conversation: Conversation, reply: DeskCommand) -> tuple[list[Attachment], list[str]]:
        """Return the stored files in order, and the error texts for the author about the others. Raises Unavailable if
        files cannot be stored now."""
        origin = conversation.origin.model_copy(
            update={"channel": reply.desk, "account": reply.account, "place": reply.place}
        )
        results = await asyncio.gather(*(self._fetch(conversation.id, origin, file) for file in reply.files))
        stored = [each for each in results if isinstance(each, Attachment)]
        problems = [each for each in results if isinstance(each, str)]
        if reply.fields.get("missing"):
            problems.append(
                f"A file of this message is not stored at {self._desk}, so it could not be sent to the customer."
            )
        return stored, problems

    async def _fetch(self, conversation: str, origin: Origin, file: RemoteFile) -> Attachment | str:
        try:
            return await self._store(conversation, origin, file)
        except (RequestError, DeliveryError, TimeoutError) as error:
            log.warning("desk_file_failed", tenant=origin.tenant, error=type(error).__name__)
            return f"“{file.name or file.kind}” was not sent to the customer: {self._explain(error)}."

    def _explain(self, error: Exception) -> str:
        if isinstance(error, StorageFull):
            return "there is no space for more files; please tell the operator of this installation"
        if isinstance(error, TooLarge):
            return "it is too large"
        if isinstance(error, UnsupportedMediaType):
            return "files of this type are not allowed"
        if isinstance(error, NotFound):
            return "it no longer exists"
        if isinstance(error, CredentialsRevoked):
            return f"{self._desk} does not allow us to read it"
        return f"{self._desk} could not deliver it; please send it again"
