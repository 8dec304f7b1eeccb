"""The time at which an installation was restored from a backup.

What was waiting in the backup has probably been answered or sent by the installation that was lost. So messages that
were written before this time are recorded, but not answered, and replies from before it are not sent again."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from schemas.errors import Unavailable
from schemas.ports import Leases

_NAME = "restore"
_LEASE_SECONDS = 10.0


class RestoreTime:
    """Reads the time once. A restore happens while no process runs."""

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._is_loaded = False
        self._at: datetime | None = None

    async def load(self) -> datetime | None:
        """The time of the last restore; None if there was none. Raises StateUnavailable, StateLost."""
        if not self._is_loaded:
            note = await self._leases.read_note(_NAME)
            self._at = datetime.fromisoformat(note) if note else None
            self._is_loaded = True
        return self._at


async def save_restore_time(leases: Leases, at: datetime) -> None:
    """Raises StateUnavailable, StateLost."""
    holder = uuid4().hex
    token = await leases.acquire(_NAME, holder, ttl=_LEASE_SECONDS, now=at)
    if token is None or not await leases.save_note(_NAME, token, at.isoformat()):
        raise Unavailable("another restore is under way", fix="wait until it is done")
    await leases.release(_NAME, holder)
