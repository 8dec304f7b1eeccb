"""The way in for what people do at the desk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from schemas.ports.channel import Account, Event


class DeskDoor(Protocol):
    async def accept(self, account: Account, events: Sequence[Event]) -> None:
        """Take what was done, durably; when this returns it is accepted. Each event is a ``parley.desk.acted.v1`` whose
        payload has the fields of ``DeskActed`` without ``id``, ``account``, ``place`` and ``external_id``: the id
        follows from the event's place, external id and revision. What belongs to no conversation of ours is left out.

        Raises BusUnavailable, StateUnavailable, StateLost, Unavailable: the vendor is to tell it again."""
