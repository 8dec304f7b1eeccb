"""The source for ``drive://<folder>``: one file after another, and those that have not changed without reading them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import ClassVar

from agent_worker.sources.drive.client import TIMEOUT, DriveClient, DriveForbidden
from agent_worker.sources.drive.contents import ContentReader, is_readable, may_be_several
from agent_worker.sources.drive.files import DriveFile, FileEntry, ReadRecord, SyncMemory
from agent_worker.sources.drive.listing import FolderNotFound, FolderReader
from agent_worker.sources.drive.settings import SCHEME, DriveOptions, Endpoints, parse_location, parse_options
from agent_worker.sources.files import documents_of
from agent_worker.sources.retries import Retries
from schemas.errors import (
    DocumentTooLarge,
    Forbidden,
    InvalidRequest,
    MissingDependency,
    NotFound,
    ParleyError,
    RateLimited,
    TemporaryRefusal,
    Unprocessable,
)
from schemas.ports import IncompleteListing, ReadDocument, SkippedDocument, SyncRequest, UnchangedDocument
from schemas.runtime.address_guard import AddressGuard, open_session
from schemas.runtime.optional_dependencies import install_command

Yielded = ReadDocument | UnchangedDocument | SkippedDocument | IncompleteListing
_MAX_FAILURES = 3
"""So many files in a row that cannot be read now mean that Drive is down."""

_REFUSALS = (Forbidden, InvalidRequest, Unprocessable, DocumentTooLarge, MissingDependency)
"""Errors of one file, after which the others are read."""


class GoogleDrive:
    sync_minutes: ClassVar[float] = 5
    retries: ClassVar[Retries] = Retries("Google Drive", attempts=8)

    def takes(self, location: str) -> bool:
        return location.lower().startswith(SCHEME)

    async def read(self, visit: SyncRequest) -> AsyncIterator[Yielded]:
        folder, options = parse_location(visit.location), parse_options(visit.options)
        async with _open_client(options, self.retries) as (client, account):
            sync = DriveSync(visit, client)
            async for each in sync.run(FolderReader(client, account), folder, time.time(), options.relist_hours):
                yield each


@asynccontextmanager
async def _open_client(options: DriveOptions, retries: Retries) -> AsyncIterator[tuple[DriveClient, str]]:
    """The client, and the account that it reads as."""
    try:
        from agent_worker.sources.drive import credentials
    except ImportError as error:
        raise MissingDependency("drive: google-auth is not installed", fix=install_command("drive")) from error
    guard = AddressGuard(options.private_hosts)
    endpoints = Endpoints.of(options, guard)
    key = credentials.read_credentials(options, endpoints, guard)
    async with open_session(guard, timeout=TIMEOUT) as session:
        tokens = credentials.AccessTokens(key, credentials.TokenTransport(session))
        yield DriveClient(session, tokens, endpoints, retries), credentials.describe_account(key)


class DriveSync:
    """One sync of a folder."""

    def __init__(self, visit: SyncRequest, client: DriveClient) -> None:
        self._visit = visit
        self._memory = SyncMemory(visit.memory)
        self._contents = ContentReader(client, visit.convert)
        self._failures = 0
        self._tries_again = False

    async def run(self, folder: FolderReader, id: str, now: float, relist_hours: float) -> AsyncIterator[Yielded]:
        try:
            listing = await folder.read(id, self._memory, now, relist_hours * 3600)
        except FolderNotFound as error:
            yield SkippedDocument.of(self._visit.location, error, is_gone=True)
            return
        if not listing.is_complete:
            yield IncompleteListing(f"{self._visit.location}: Google did not search all of the drive; try again later")
        self._tries_again = listing.was_relisted
        for found in listing.files:
            if is_readable(found.file):
                async for each in self._file(found):
                    yield each
        if listing.is_complete:
            self._memory.forget_others({found.file.id for found in listing.files})

    async def _file(self, found: FileEntry) -> AsyncIterator[Yielded]:
        file, record = found.file, self._memory.record_of(found.file.id)
        if record is not None and record.mark == file.mark and (known := self._recall(found, record)) is not None:
            for item in known:
                yield item
            return
        try:
            documents = await self._read(found)
        except NotFound:
            return  # deleted or no longer shared since it was listed
        except (*_REFUSALS, TemporaryRefusal) as error:
            for skipped in self._explain(found, record, error):
                yield skipped
            return
        self._failures = 0
        for document in documents:
            yield document
        self._memory.set_record(file.id, ReadRecord(mark=file.mark, ids=tuple(each.id for each in documents)))

    def _recall(self, found: FileEntry, record: ReadRecord) -> list[Yielded] | None:
        """The documents of a file that has not changed; None if it has to be read again, because one of them was edited
        or removed elsewhere, or because it could not be read long ago."""
        if record.why:
            return None if self._tries_again else _skip(found, record.ids, record.why)
        if all(id in self._visit.unchanged for id in record.ids):
            return [UnchangedDocument(id) for id in record.ids]
        return None

    async def _read(self, found: FileEntry) -> list[ReadDocument]:
        if not found.file.can_download:
            raise DriveForbidden("cannotDownloadFile")
        contents = await self._contents.read(found.file)
        return documents_of(document_id(found.file), found.path, contents)

    def _explain(self, found: FileEntry, record: ReadRecord | None, error: ParleyError) -> list[Yielded]:
        """What is published of the file stays, unless its content is closed to the account now."""
        file, why = found.file, SkippedDocument.of(found.path, error).why
        ids = record.ids if record is not None else ()
        if isinstance(error, DriveForbidden) and error.closes_content:
            return [SkippedDocument.of(found.path, error, document_id(file), is_gone=True)]
        if isinstance(error, TemporaryRefusal):
            self._failures += 1
            if isinstance(error, RateLimited) or self._failures >= _MAX_FAILURES:
                raise error
            if not ids and may_be_several(file):
                return [SkippedDocument(found.path, why)]  # documents whose ids are not known must stay, too
        if isinstance(error, Unprocessable | DocumentTooLarge):
            self._memory.set_record(file.id, ReadRecord(mark=file.mark, ids=ids, why=why))
        return _skip(found, ids, why)


def document_id(file: DriveFile) -> str:
    """It stays the same when the file is renamed or moved."""
    return f"drive-{file.id}"


def _skip(found: FileEntry, ids: Iterable[str], why: str) -> list[Yielded]:
    return [SkippedDocument(found.path, why, id) for id in ids or (document_id(found.file),)]
