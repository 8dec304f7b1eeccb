"""What people should know before they answer, in three lines: what is asked, what was found or done, what is open.

Made of what the turn knows, without any model: it is there when models fail, which is one of the reasons for a handoff.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent_worker.knowledge.text.query_splitting import is_question, strip_courtesies
from schemas.actions import ActionMemory
from schemas.content import content_words
from schemas.conversation import ActionRecord
from schemas.messages import TranscriptMessage
from schemas.ports import Found
from schemas.privacy.one_time_codes import HIDDEN

LONGEST = 280
"""Characters of a line."""
_SHOWN = 160
"""Characters of what a document says."""
_EMPHASIS = re.compile(r"(?<![\w*])[*_]++(?=\w)|(?<=[^\s*_])[*_]++(?!\w)")
_MOST = 2
"""Messages of which the question is made."""


def summary(
    lines: Sequence[TranscriptMessage],
    *,
    reason: str,
    found: Found | None = None,
    actions: Sequence[ActionRecord] = (),
    memory: ActionMemory | None = None,
) -> list[str]:
    """``lines``: the talk, with the messages that wait. ``found``: for them; ``actions``: of this turn."""
    open_ = _open(reason, memory)
    return [line for line in (_asked(lines), _tried(lines, found, actions), open_) if line]


def _asked(lines: Sequence[TranscriptMessage]) -> str:
    """Their last questions; what is no question, where they asked none."""
    spoken = (_said(line) for line in lines if line.author.kind == "contact")
    said = [text for text in spoken if text not in ("", HIDDEN)]
    files = [file.name for line in lines if line.author.kind == "contact" for file in line.attachments]
    questions = [text for text in said if is_question(strip_courtesies(text))]
    asked = " / ".join(_line(strip_courtesies(text)) for text in (questions or said)[-_MOST:])
    sent = f" (sent: {', '.join(files[-3:])})" if files else ""
    return _cut(f"Asked: {asked or 'nothing in words'}{sent}")


def _said(line: TranscriptMessage) -> str:
    """Their words; what came without any, in ours."""
    return line.text.strip() or "; ".join(content_words(line))


def _tried(lines: Sequence[TranscriptMessage], found: Found | None, actions: Sequence[ActionRecord]) -> str:
    if actions:
        return _cut(f"Tried: {'; '.join(_done(record) for record in actions)}")
    answers = [line for line in lines if line.author.kind == "agent"]
    cited = [citation for line in reversed(answers) for citation in line.citations]
    if found is not None and found.answerable and found.passages:
        best = found.passages[0]
        return _cut(f"Found: “{_quoted(best.text)}” ({best.title})")
    if cited:
        return _cut(f"Answered: “{_quoted(cited[0].quote)}” ({cited[0].title})")
    if answers:
        return _cut(f"Answered {len(answers)} times, without a source")
    return "Tried: nothing yet" if found is None else "Found: nothing in the documents"


def _done(record: ActionRecord) -> str:
    return f"{record.called}, {record.outcome}" + (f" ({record.reason})" if record.reason else "")


def _open(reason: str, memory: ActionMemory | None) -> str:
    """What the reason says already is not said twice."""
    asked = [] if memory is None else [approval.called for approval in memory.approvals]
    waiting = [f"approve {title}" for title in dict.fromkeys(asked) if title not in reason]
    parts = [part for part in (reason, *waiting) if part]
    return _cut(f"Open: {'; '.join(parts)}") if parts else ""


def _line(text: str) -> str:
    return " ".join(text.split())


def _quoted(text: str) -> str:
    """Whole words without marks of emphasis: a cut could leave one without its other half."""
    flat = _EMPHASIS.sub("", _line(text))
    return flat if len(flat) <= _SHOWN else f"{flat[:_SHOWN].rpartition(' ')[0] or flat[:_SHOWN]} …"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1].rstrip()}…"
