"""The talk before: what a turn's new messages are read against."""

from __future__ import annotations

from datetime import datetime

from agent_worker.handoff.handback import marked
from agent_worker.work import Work
from schemas.messages import TranscriptMessage
from schemas.ports import Transcript
from schemas.transcript import in_place

# Lines of people and the agent count only once the channel has taken them; what never arrived was never said.
UNSAID = frozenset({"pending", "failed", "dropped", "deleted"})
EARLIER = 20
"""Lines of the talk before that a model is shown."""


async def history(transcript: Transcript, work: Work, joined: int, now: datetime) -> list[TranscriptMessage]:
    """Oldest first, without the messages that wait. ``joined``: how many of these ``begin`` has added; then it has read
    the talk before, too. Where people had the conversation, it says so."""
    limit = EARLIER + len(work.intake.waiting)
    lines = work.begun.recent[-limit:]
    if not joined:
        lines = await transcript.recent(work.conversation.id, limit=limit)
    work.intake.drop_deleted(lines)
    said = in_place([line for line in lines if line.state not in UNSAID and line.id not in work.intake.waiting])
    handoff = work.conversation.facts.handoff
    return said if handoff is None else marked(said, handoff, now)
