"""Handback: the marks that inform the agent about the handoff period, and the messages that it answers afterwards.

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
MARKS_LIFETIME = timedelta(days=30)
"""Marks of an older handoff are left out."""
READING_TIME = timedelta(seconds=10)
"""Time until people have received and read a message."""
NOT_SHOWN = frozenset({"deleted", "failed", "dropped"})


def add_marks(history: Sequence[TranscriptMessage], handoff: Handoff | None, now: datetime) -> list[TranscriptMessage]:
    """Add the marks to the transcript, unless the handoff ended long ago."""
    if handoff is None or (handoff.ended_at is not None and now - handoff.ended_at > MARKS_LIFETIME):
        return list(history)
    before = [line for line in history if line.seq <= handoff.since_seq]
    after = [line for line in history if line.seq > handoff.since_seq]
    took_over, *gave_back = build_marks(handoff)
    end = len(after) if handoff.ended_at is None else _find_end(after, handoff.ended_at)
    return [*before, took_over, *after[:end], *gave_back, *after[end:]]


def build_marks(handoff: Handoff) -> list[TranscriptMessage]:
    """The marks of the handoff: the second one only if it has ended."""
    marks = [_build_mark("took-over", _describe_takeover(handoff), handoff.opened_at)]
    if handoff.ended_at is not None:
        marks.append(_build_mark("gave-back", _describe_handback(handoff), handoff.ended_at))
    return marks


def is_mark(line: TranscriptMessage) -> bool:
    return line.id.startswith(MARK)


def is_note(line: TranscriptMessage) -> bool:
    """True if the line was sent to nobody and is only for the agent."""
    return line.id.startswith((MARK, HINT))


def lines_after_handback(history: Sequence[TranscriptMessage]) -> Sequence[TranscriptMessage]:
    """Return the transcript after the last mark: earlier lines say nothing about the agent's current performance."""
    last = max((index for index, line in enumerate(history) if is_mark(line)), default=-1)
    return history[last + 1 :]


def find_unanswered(
    lines: Sequence[TranscriptMessage], handoff: Handoff, answered: AnsweredWatermark, waiting: Collection[str] = ()
) -> list[TranscriptMessage]:
    """The contact's lines since the handoff that nobody has answered, except those that are ``waiting`` to wait."""
    return [
        line
        for line in lines
        if line.author.kind == "contact"
        and line.seq > handoff.since_seq
        and line.state not in NOT_SHOWN
        and line.id not in waiting
        and (line.attachments or describe_message(line).strip())
        and answered.is_unanswered(line)
    ]


def find_unseen(
    lines: Sequence[TranscriptMessage], handoff: Handoff, answered: AnsweredWatermark
) -> list[TranscriptMessage]:
    """Unanswered lines that came too late for people to see before they ended the handoff."""
    if handoff.ended_at is None:
        return []
    since = handoff.ended_at - READING_TIME
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


def _find_end(lines: Sequence[TranscriptMessage], at: datetime) -> int:
    """Return the index after the last line of the handoff. Lines of people belong to it whenever they were sent."""
    return max(
        (index for index, line in enumerate(lines, 1) if line.author.kind == "person" or line.created_at <= at),
        default=0,
    )


def _build_mark(name: str, text: str, at: datetime) -> TranscriptMessage:
    return TranscriptMessage(id=f"{MARK}{name}", author=Author(kind="system"), text=text, created_at=at)


def _describe_takeover(handoff: Handoff) -> str:
    reason = f" Reason: {handoff.reason}." if handoff.reason else ""
    return f"People took over here at {_format_time(handoff.opened_at)}.{reason}"


def _describe_handback(handoff: Handoff) -> str:
    name = handoff.name or "People"
    at = "" if handoff.ended_at is None else f" at {_format_time(handoff.ended_at)}"
    wrote = f"wrote {handoff.replies} of the messages above" if handoff.replies else "wrote nothing"
    parts = [f"{name} gave the conversation back{at}. They {wrote}. What they dealt with is theirs."]
    if handoff.promised:
        quoted = " ".join(f"“{each}”" for each in handoff.promised)
        parts.append(f"They promised the customer: {quoted} Neither contradict nor repeat it.")
    return " ".join(parts)


def _format_time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
