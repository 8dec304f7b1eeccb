"""The posts in which the lines of a conversation stand, by the record of outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.desk.posts.posted_state import PostRecords, Root
from connectors.desk.thread_ids import Place
from schemas import ids
from schemas.conversation import DeliveryOutcome
from schemas.messages import TranscriptMessage

TOGETHER = "with:"
"""Reason of a line's record while the post that it is part of is on its way; the marker of the post follows."""


@dataclass(frozen=True, slots=True)
class LinePost:
    """A line and its post. ``marker``: under which it is shown in the present thread; ``leader``: that of the post that
    it shares, once that is decided. ``outcome`` is of this thread, or of an earlier one."""

    line: TranscriptMessage
    marker: str
    outcome: DeliveryOutcome | None = None
    leader: str = ""

    @property
    def is_shown(self) -> bool:
        """True also for one that never will be: the desk refused it for good, or will not say whether it did."""
        return self.outcome is not None and not self.leader

    @property
    def place(self) -> Place | None:
        if self.outcome is None or self.outcome.state != "sent" or not self.outcome.external_id:
            return None
        return Place.of(self.outcome.external_id)


def line_id(line: str, number: int = 0) -> str:
    """Name the record of where a line stands in the thread of the ``number``-th card."""
    return ids.derived_id(line, "desk", number)


async def find_posts(records: PostRecords, root: Root, lines: Sequence[TranscriptMessage]) -> list[LinePost]:
    return list(await asyncio.gather(*(_find_post(records, root, line) for line in lines)))


async def _find_post(records: PostRecords, root: Root, line: TranscriptMessage) -> LinePost:
    marker = line_id(line.id, root.number)
    for number in range(root.number, -1, -1):
        outcome = await records.outcome(root.conversation, line_id(line.id, number))
        if outcome is not None and (number == root.number or _is_here(outcome, root)):
            is_decided = outcome.state == "unknown" and outcome.reason.startswith(TOGETHER)
            leader = outcome.reason.removeprefix(TOGETHER) if is_decided else ""
            return LinePost(line, marker, outcome, leader)
    return LinePost(line, marker)


def _is_here(outcome: DeliveryOutcome, root: Root) -> bool:
    """Tell whether it stands in an earlier thread of the same channel; people of this one may not read another's."""
    if outcome.state != "sent" or root.place is None:
        return outcome.state == "sent"
    return Place.of(outcome.external_id).channel == root.place.channel
