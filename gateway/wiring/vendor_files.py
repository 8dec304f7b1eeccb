"""Download of files that contacts sent, from the vendor into the attachment store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from connectors.outbound.connections import AccountConnections
from gateway.wiring.process_services import AccountLookup, ProcessServices
from schemas.conversation import Origin
from schemas.errors import NotFound, RetryLater
from schemas.messages import Attachment, RemoteFile
from schemas.ports import Blobs, Channel, Clock, FileFetcher

FETCH_TIMEOUT = 10.0
"""Seconds for one file, including retries."""
QUEUE_TIMEOUT = 30.0
"""Seconds that a file may wait for others to finish. Vendors' addresses are valid for minutes."""
MAX_CONCURRENT = 8
"""Files in memory at the same time, of at most 10 MiB each."""
RETRY_DELAY = 0.5


class VendorFiles:
    """Downloads the files of one process. ``max_bytes`` returns the size limit of a tenant's files."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        *,
        accounts: AccountLookup,
        blobs: Blobs,
        max_bytes: Callable[[str], int],
        clock: Clock,
    ) -> None:
        self._connections = {name: AccountConnections(channel, clock) for name, channel in channels.items()}
        self._account = accounts
        self._blobs = blobs
        self._max_bytes = max_bytes
        self._free = asyncio.Semaphore(MAX_CONCURRENT)

    @classmethod
    def from_services(cls, services: ProcessServices) -> VendorFiles:
        tenants = services.config.tenants
        return cls(
            services.channels,
            accounts=services.accounts,
            blobs=services.blobs,
            max_bytes=lambda tenant: tenants[tenant].limits.file_bytes,
            clock=services.clock,
        )

    async def fetch(self, conversation: str, origin: Origin, file: RemoteFile) -> Attachment:
        """See schemas.ports.FetchFile."""
        return await self._store(conversation, origin, file, uploader=origin.contact_id)

    async def fetch_of_colleague(self, conversation: str, origin: Origin, file: RemoteFile) -> Attachment:
        """Fetch a file that a colleague sent, which counts towards no contact's quota."""
        return await self._store(conversation, origin, file, uploader="")

    async def _store(self, conversation: str, origin: Origin, file: RemoteFile, *, uploader: str) -> Attachment:
        async with asyncio.timeout(QUEUE_TIMEOUT):
            await self._free.acquire()
        try:
            async with asyncio.timeout(FETCH_TIMEOUT):
                data, kind, name = await self._download(origin, file)
            file_name = name or file.name or file.kind
            return await self._blobs.put(
                origin.tenant, file_name, kind or file.type, data, conversation=conversation, uploader=uploader
            )
        finally:
            self._free.release()

    async def _download(self, origin: Origin, file: RemoteFile) -> tuple[bytes, str, str]:
        account = self._account(origin.tenant, origin.channel, origin.account)
        if account is None or origin.channel not in self._connections:
            raise NotFound("the account is no longer configured")
        connection = self._connections[origin.channel].get_connection(account)
        if not isinstance(connection, FileFetcher):
            raise NotFound("this channel has no files")
        max_bytes = self._max_bytes(origin.tenant)
        pause = RETRY_DELAY
        while True:
            try:
                return await connection.fetch(file, max_bytes)
            except RetryLater:
                await asyncio.sleep(pause)
                pause *= 2

    async def close(self) -> None:
        for accounts in self._connections.values():
            await accounts.close()
