"""The talk before: what a turn's new messages are read against."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import datetime
from functools import partial

from agent_worker.handoff.handback import marked
from agent_worker.turn.turn_state import Work
from schemas.messages import TranscriptMessage
from schemas.ports import Transcript
from schemas.transcript import Lines, in_place

# Lines of people and the agent count only once the channel has taken them; what never arrived was never said.
UNSAID = frozenset({"pending", "failed", "dropped", "deleted"})
EARLIER = 20
"""Lines of the talk before that a model is shown."""


async def history(transcript: Transcript, work: Work, joined: int, now: datetime) -> Sequence[TranscriptMessage]:
    """Oldest first, without the messages that wait. ``joined``: how many of these ``begin`` has added; then it has read
    the talk before, too. Where people had the conversation, it says so."""
    handoff = work.conversation.facts.handoff
    limit = EARLIER + len(work.intake.waiting)
    if joined:
        work.intake.drop(work.begun.deleted)
        said = Lines(partial(_said, work.begun.recent, limit, frozenset(work.intake.waiting)))
        return said if handoff is None else Lines(partial(marked, said, handoff, now))
    lines = await transcript.recent(work.conversation.id, limit=limit)
    work.intake.drop(line.id for line in lines if line.state == "deleted")
    return marked(_said(lines, limit, work.intake.waiting), handoff, now)


def _said(lines: Sequence[TranscriptMessage], limit: int, waiting: Container[str]) -> list[TranscriptMessage]:
    return in_place([line for line in lines[-limit:] if line.state not in UNSAID and line.id not in waiting])
