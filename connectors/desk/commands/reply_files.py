"""Files that people send along with a reply: from the desk into the attachments."""

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
    """``store`` fetches a file from the vendor of an origin and keeps it. ``desk``: its name, for people."""

    def __init__(self, store: FetchFile, desk: str) -> None:
        self._store = store
        self._desk = desk

    async def fetch(self, found: Conversation, reply: DeskCommand) -> tuple[list[Attachment], list[str]]:
        """Return what could be had, in order, and what its author has to be told about the rest. Raises Unavailable
        when it cannot be stored now."""
        where = found.origin.model_copy(update={"channel": reply.desk, "account": reply.account, "place": reply.place})
        got = await asyncio.gather(*(self._fetch(found.id, where, file) for file in reply.files))
        stored = [each for each in got if isinstance(each, Attachment)]
        problems = [each for each in got if isinstance(each, str)]
        if reply.fields.get("missing"):
            problems.append(
                f"A file of this message is not with {self._desk}, so it could not be sent to the customer."
            )
        return stored, problems

    async def _fetch(self, conversation: str, where: Origin, file: RemoteFile) -> Attachment | str:
        try:
            return await self._store(conversation, where, file)
        except (RequestError, DeliveryError, TimeoutError) as error:
            log.warning("desk_file_failed", tenant=where.tenant, error=type(error).__name__)
            return f"“{file.name or file.kind}” was not sent to the customer: {self._explain(error)}."

    def _explain(self, error: Exception) -> str:
        if isinstance(error, StorageFull):
            return "there is no room for more files; tell whoever runs this installation"
        if isinstance(error, TooLarge):
            return "it is too large"
        if isinstance(error, UnsupportedMediaType):
            return "files of this type are not allowed"
        if isinstance(error, NotFound):
            return "it is not there any more"
        if isinstance(error, CredentialsRevoked):
            return f"{self._desk} does not let us read it"
        return f"{self._desk} did not give it to us; please send it again"
