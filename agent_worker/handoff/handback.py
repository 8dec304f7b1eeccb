"""Handback: what the agent learns about the time in which people had the conversation, and what it answers afterwards.

Marks stand in the transcript as lines of the system, so that every model reads them with it: they say when people took
over and why, when they gave the conversation back, and what they promised.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from agent_worker.turn.answered_watermark import AnsweredWatermark
from schemas.content import content_fields, describe_message
from schemas.desk import Handoff
from schemas.messages import Author, InboundMessage, TranscriptMessage

MARK = "people-"
"""Prefix of the ids of the marks, which no message has."""
HINT = "hint-"
HOLDS = timedelta(days=30)
"""Marks of an older handoff are left out."""
SEEN = timedelta(seconds=10)
"""Time in which a message reaches the people who have the conversation, and is read."""
GONE = frozenset({"deleted", "failed", "dropped"})


def add_marks(history: Sequence[TranscriptMessage], handoff: Handoff | None, now: datetime) -> list[TranscriptMessage]:
    """The transcript with its marks, while what people did still matters."""
    if handoff is None or (handoff.ended_at is not None and now - handoff.ended_at > HOLDS):
        return list(history)
    before = [line for line in history if line.seq <= handoff.since_seq]
    after = [line for line in history if line.seq > handoff.since_seq]
    lines = [*before, _mark("took-over", _took_over(handoff), handoff.opened_at)]
    if handoff.ended_at is None:
        return [*lines, *after]
    place = _end(after, handoff.ended_at)
    return [*lines, *after[:place], _mark("gave-back", _gave_back(handoff), handoff.ended_at), *after[place:]]


def is_mark(line: TranscriptMessage) -> bool:
    return line.id.startswith(MARK)


def is_note(line: TranscriptMessage) -> bool:
    """True if the line was sent to nobody and is only for the agent."""
    return line.id.startswith((MARK, HINT))


def since_people(history: Sequence[TranscriptMessage]) -> Sequence[TranscriptMessage]:
    """The transcript after the last mark: earlier lines say nothing about how the agent does now."""
    last = max((place for place, line in enumerate(history) if is_mark(line)), default=-1)
    return history[last + 1 :]


def find_unanswered(
    lines: Sequence[TranscriptMessage], handoff: Handoff, answered: AnsweredWatermark, known: Collection[str] = ()
) -> list[TranscriptMessage]:
    """The contact's lines since the handoff that nobody has answered, except those that are ``known`` to wait."""
    return [
        line
        for line in lines
        if line.author.kind == "contact"
        and line.seq > handoff.since_seq
        and line.state not in GONE
        and line.id not in known
        and (line.attachments or describe_message(line).strip())
        and answered.is_unanswered(line)
    ]


def find_unseen(
    lines: Sequence[TranscriptMessage], handoff: Handoff, answered: AnsweredWatermark
) -> list[TranscriptMessage]:
    """Unanswered lines that came too late for people to see before they ended the handoff."""
    if handoff.ended_at is None:
        return []
    since = handoff.ended_at - SEEN
    return [line for line in find_unanswered(lines, handoff, answered) if line.created_at > since]


def restore_message(line: TranscriptMessage, *, place: str, contact: str) -> InboundMessage:
    """The inbound message of a line that is answered late."""
    return InboundMessage(
        id=line.id,
        external_id="",
        place=place,
        contact_id=contact,
        author=line.author,
        text=line.text,
        attachments=line.attachments,
        sent_at=line.created_at,
        **content_fields(line),
    )


def _end(lines: Sequence[TranscriptMessage], at: datetime) -> int:
    """The place behind the last line of the handoff. Lines of people belong to it whenever they were sent."""
    return max(
        (place for place, line in enumerate(lines, 1) if line.author.kind == "person" or line.created_at <= at),
        default=0,
    )


def _mark(name: str, text: str, at: datetime) -> TranscriptMessage:
    return TranscriptMessage(id=f"{MARK}{name}", author=Author(kind="system"), text=text, created_at=at)


def _took_over(handoff: Handoff) -> str:
    why = f" Reason: {handoff.reason}." if handoff.reason else ""
    return f"People took over here at {_time(handoff.opened_at)}.{why}"


def _gave_back(handoff: Handoff) -> str:
    who = handoff.name or "People"
    at = "" if handoff.ended_at is None else f" at {_time(handoff.ended_at)}"
    wrote = f"wrote {handoff.replies} of the messages above" if handoff.replies else "wrote nothing"
    parts = [f"{who} gave the conversation back{at}. They {wrote}. What they dealt with is theirs."]
    if handoff.promised:
        quoted = " ".join(f"“{each}”" for each in handoff.promised)
        parts.append(f"They promised the customer: {quoted} Neither contradict nor repeat it.")
    return " ".join(parts)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
