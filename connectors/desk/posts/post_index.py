"""Index of the posts that show the lines of a conversation, read from the recorded outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from connectors.desk.posts.posted_state import PostRecords, Root
from connectors.desk.thread_ids import Place
from schemas import ids
from schemas.conversation import DeliveryOutcome
from schemas.messages import TranscriptMessage

SHARED_POST = "with:"
"""Prefix of the reason recorded for a line while the post that it shares is being sent; the marker of the post
follows."""


@dataclass(frozen=True, slots=True)
class LinePost:
    """A line and its post. ``marker``: id of the line's post in the current thread; ``shared_marker``: id of the post
    that it shares with other lines, once decided. ``outcome``: recorded in this thread, or in an earlier one."""

    line: TranscriptMessage
    marker: str
    outcome: DeliveryOutcome | None = None
    shared_marker: str = ""

    @property
    def is_shown(self) -> bool:
        """True also if the line will never be shown: the desk refused it for good, or its outcome cannot be known."""
        return self.outcome is not None and not self.shared_marker

    @property
    def place(self) -> Place | None:
        if self.outcome is None or self.outcome.state != "sent" or not self.outcome.external_id:
            return None
        return Place.of(self.outcome.external_id)


def line_id(line: str, number: int = 0) -> str:
    """Return the id of a line's post in the thread of the ``number``-th card."""
    return ids.derived_id(line, "desk", number)


async def find_posts(records: PostRecords, root: Root, lines: Sequence[TranscriptMessage]) -> list[LinePost]:
    return list(await asyncio.gather(*(_find_post(records, root, line) for line in lines)))


async def _find_post(records: PostRecords, root: Root, line: TranscriptMessage) -> LinePost:
    marker = line_id(line.id, root.number)
    for number in range(root.number, -1, -1):
        outcome = await records.outcome(root.conversation, line_id(line.id, number))
        if outcome is not None and (number == root.number or _is_here(outcome, root)):
            is_decided = outcome.state == "unknown" and outcome.reason.startswith(SHARED_POST)
            leader = outcome.reason.removeprefix(SHARED_POST) if is_decided else ""
            return LinePost(line, marker, outcome, leader)
    return LinePost(line, marker)


def _is_here(outcome: DeliveryOutcome, root: Root) -> bool:
    """Return whether the post is in an earlier thread of the same channel; people here may not read other channels."""
    if outcome.state != "sent" or root.place is None:
        return outcome.state == "sent"
    return Place.of(outcome.external_id).channel == root.place.channel
