"""Media by id: looked up with a token, fetched from an address that lives five minutes, checked by hash."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from tests.simulators.meta.errors import GraphError
from tests.simulators.meta.ids import MetaIds
from tests.simulators.vendor import File
from tests.simulators.vendor_clock import VendorClock

ADDRESS_LIVES = 300
MEGABYTE = 1024 * 1024


@dataclass(slots=True)
class StoredMedia:
    id: str
    file: File
    owner: str
    """The account that may see it."""
    expires_at: float
    tampered: bool = False
    """The bytes that come are not those of the hash."""
    addresses: dict[str, float] = field(default_factory=dict)
    """Key in the address → when it ends."""

    @property
    def base64_hash(self) -> str:
        """As in webhooks."""
        return base64.b64encode(hashlib.sha256(self.file.data).digest()).decode()


class MediaStore:
    def __init__(self, pace: VendorClock, ids: MetaIds) -> None:
        self._pace = pace
        self._ids = ids
        self._media: dict[str, StoredMedia] = {}

    def add(self, file: File, owner: str, *, days: float) -> StoredMedia:
        medium = StoredMedia(self._ids.digits(16, "1"), file, owner, self._pace.now() + days * 86_400)
        self._media[medium.id] = medium
        return medium

    def get(self, id: str) -> StoredMedia | None:
        medium = self._media.get(id)
        return medium if medium is not None and medium.expires_at > self._pace.now() else None

    def remove(self, id: str) -> None:
        self._media.pop(id, None)

    def address(
        self,
        medium: StoredMedia,
        host: str,
        *,
        path: str = "whatsapp_business/attachments",
        lives: float = ADDRESS_LIVES,
    ) -> str:
        """``lives``: seconds until nothing is there any more."""
        key = self._ids.letters(40, "ATv")
        ends = self._pace.now() + lives
        medium.addresses[key] = ends
        return str(URL(f"{host}/lookaside/{path}/") % {"mid": medium.id, "ext": str(int(ends)), "hash": key})

    def described(self, medium: StoredMedia, host: str) -> dict[str, Any]:
        """The answer to a look-up by id. Sizes are strings here, and the hash is hexadecimal."""
        return {
            "messaging_product": "whatsapp",
            "url": self.address(medium, host),
            "mime_type": medium.file.type,
            "sha256": hashlib.sha256(medium.file.data).hexdigest(),
            "file_size": str(len(medium.file.data)),
            "id": medium.id,
        }

    def fetched(self, id: str, key: str) -> StoredMedia | None:
        """What is at an address; None when it is over or never was."""
        medium = self.get(id)
        return medium if medium is not None and medium.addresses.get(key, 0) > self._pace.now() else None


async def fetch_link(url: str, *, types: dict[str, int]) -> File:
    """What a sender points at, fetched as Meta does. ``types``: allowed media type → largest size in bytes. Raises
    GraphError."""
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
            session.get(url) as response,
        ):
            if response.status != 200:
                raise GraphError(131053, details=f"Downloading media from weblink failed with status {response.status}")
            data, type_ = await response.read(), response.content_type
    except (aiohttp.ClientError, TimeoutError, ValueError):
        raise GraphError(131053, details="Downloading media from weblink failed") from None
    check_file(type_, len(data), types)
    return File(URL(url).name, type_, data)


def check_file(type_: str, size: int, types: dict[str, int]) -> None:
    if type_ not in types:
        raise GraphError(131053, details=f"Unsupported media type {type_}; allowed are {', '.join(sorted(types))}")
    if size > types[type_]:
        raise GraphError(131053, details=f"Media file size too big. Max file size: {types[type_]}, got {size}")
