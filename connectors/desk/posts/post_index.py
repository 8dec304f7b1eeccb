"""Where in its thread each line of a conversation stands, as the record of outcomes tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.desk.posts.posted_state import Records
from connectors.desk.posts.posts import Place
from connectors.desk.posts.roots import Root
from schemas import ids
from schemas.conversation import Delivered
from schemas.messages import TranscriptMessage

TOGETHER = "with:"
"""Reason of a line's record while the post that it is part of is on its way; the marker of the post follows."""


@dataclass(frozen=True, slots=True)
class Standing:
    """``marker``: under which it is shown in the present thread; ``leader``: that of the post that it goes with, once
    that is decided. ``told`` is its outcome, in this thread or in an earlier one."""

    line: TranscriptMessage
    marker: str
    told: Delivered | None = None
    leader: str = ""

    @property
    def is_shown(self) -> bool:
        """Or will never be: Slack refused it for good, or will not say whether it did."""
        return self.told is not None and not self.leader

    @property
    def place(self) -> Place | None:
        if self.told is None or self.told.state != "sent" or not self.told.external_id:
            return None
        return Place.of(self.told.external_id)


def line_id(line: str, number: int = 0) -> str:
    """The record of where a line stands: in the thread of the ``number``-th card."""
    return ids.derived_id(line, "desk", number)


async def standings(records: Records, root: Root, lines: Sequence[TranscriptMessage]) -> list[Standing]:
    return list(await asyncio.gather(*(_standing(records, root, line) for line in lines)))


async def _standing(records: Records, root: Root, line: TranscriptMessage) -> Standing:
    marker = line_id(line.id, root.number)
    for number in range(root.number, -1, -1):
        told = await records.outcome(root.conversation, line_id(line.id, number))
        if told is not None and (number == root.number or _is_here(told, root)):
            is_decided = told.state == "unknown" and told.reason.startswith(TOGETHER)
            leader = told.reason.removeprefix(TOGETHER) if is_decided else ""
            return Standing(line, marker, told, leader)
    return Standing(line, marker)


def _is_here(told: Delivered, root: Root) -> bool:
    """In an earlier thread of the same channel; those of another channel's may not be able to read there."""
    if told.state != "sent" or root.place is None:
        return told.state == "sent"
    return Place.of(told.external_id).channel == root.place.channel
