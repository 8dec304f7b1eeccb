"""Files that people send along with a reply: from Slack into the attachments."""

from __future__ import annotations

import asyncio

import structlog

from schemas.conversation import Conversation, Origin
from schemas.desk import DeskActed
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
from schemas.topics import DESK

log = structlog.get_logger("parley.desk")


class Enclosures:
    """``store`` fetches a file from the vendor of an origin and keeps it."""

    def __init__(self, store: FetchFile) -> None:
        self._store = store

    async def of(self, found: Conversation, reply: DeskActed) -> tuple[list[Attachment], list[str]]:
        """What could be had, in order, and what has to be said about the rest. Raises Unavailable when it cannot be
        stored now."""
        where = found.origin.model_copy(update={"channel": DESK, "account": reply.account, "place": reply.place})
        got = await asyncio.gather(*(self._one(found.id, where, file) for file in reply.files))
        stored = [each for each in got if isinstance(each, Attachment)]
        problems = [each for each in got if isinstance(each, str)]
        if reply.fields.get("missing"):
            problems.append("A file of this message is not with Slack, so it could not be sent to the customer.")
        return stored, problems

    async def _one(self, conversation: str, where: Origin, file: RemoteFile) -> Attachment | str:
        try:
            return await self._store(conversation, where, file)
        except (RequestError, DeliveryError, TimeoutError) as error:
            log.warning("desk_file_failed", tenant=where.tenant, error=type(error).__name__)
            return f"“{file.name or file.kind}” was not sent to the customer: {_why(error)}."


def _why(error: Exception) -> str:
    if isinstance(error, StorageFull):
        return "there is no room for more files; tell whoever runs this installation"
    if isinstance(error, TooLarge):
        return "it is too large"
    if isinstance(error, UnsupportedMediaType):
        return "files of this type are not allowed"
    if isinstance(error, NotFound):
        return "it is not there any more"
    if isinstance(error, CredentialsRevoked):
        return "Slack does not let us read it"
    return "Slack did not give it to us; please send it again"
