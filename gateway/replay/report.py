"""The results of a replay as counts, JSON lines and an HTML page with both answers side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from agent_worker.learning.replay import Answer, ReplayedTurn
from schemas.messages import Citation
from schemas.validation.texts import describe_count

_WORDS = re.compile(r"\s+|\S+")
_MAX_WORDS = 400
"""Words of an answer up to which differences are marked, because marking takes quadratic time."""
_MIN_SIMILARITY = 0.4
Parts = list[tuple[str, bool]]
"""Pieces of a text, each with whether the other text lacks it."""


@dataclass(frozen=True, slots=True)
class Counts:
    turns: int
    same: int
    changed: int
    diverged: int
    missing: int

    @classmethod
    def of(cls, turns: Sequence[ReplayedTurn]) -> Counts:
        same = sum(turn.same for turn in turns)
        missing = sum(bool(turn.missing) for turn in turns)
        diverged = sum(bool(turn.diverged) and not turn.missing for turn in turns)
        return cls(len(turns), same, len(turns) - same - diverged - missing, diverged, missing)

    def __str__(self) -> str:
        text = f"{self.turns} turns: {self.same} the same, {self.changed} changed, {self.diverged} diverged"
        return text if not self.missing else f"{text}, {self.missing} could not be replayed"


def to_json(turn: ReplayedTurn) -> dict[str, Any]:
    """The line of a turn. A turn that could not be replayed counts as diverged, with the reason."""
    return {
        "turn": turn.turn,
        "same": turn.same,
        "before": turn.before.text,
        "after": turn.after.text,
        "diverged": bool(turn.diverged or turn.missing),
        "reason": explain(turn),
        "conversation": turn.conversation,
        "channel": turn.channel,
        "at": turn.at.isoformat(),
        "citations": {"before": _list_citations(turn.before), "after": _list_citations(turn.after)},
    }


def explain(turn: ReplayedTurn) -> str:
    """Why the turn has no comparable answer, empty if it has one."""
    if turn.missing:
        return f"not replayed: {turn.missing}"
    return f"diverged: {turn.diverged}" if turn.diverged else ""


def _list_citations(answer: Answer) -> list[dict[str, Any]]:
    return [citation.model_dump(mode="json") for citation in answer.citations]


def render_page(tenant: str, turns: Sequence[ReplayedTurn], setup: str = "the current setup") -> str:
    """A page of its own, with every turn that is not the same. ``setup``: a name for what was tried."""
    environment = Environment(
        loader=PackageLoader("gateway.replay"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["counted"] = describe_count
    times = sorted(turn.at for turn in turns)
    return environment.get_template("report.html").render(
        tenant=tenant,
        setup=setup,
        counts=Counts.of(turns),
        rows=[_build_row(turn) for turn in turns if not turn.same],
        first=times[0] if times else None,
        last=times[-1] if times else None,
    )


def _build_row(turn: ReplayedTurn) -> dict[str, Any]:
    before, after = mark_differences(turn.before.text, turn.after.text)
    kind = "missing" if turn.missing else "diverged" if turn.diverged else "changed"
    if turn.missing:
        before = [(turn.before.text, False)]
    return {
        "turn": turn,
        "kind": kind,
        "before": before,
        "after": after,
        "sources": _mark_sources(turn),
        "note": explain(turn),
    }


def _mark_sources(turn: ReplayedTurn) -> tuple[Parts, Parts]:
    """The sources of both answers, each with whether the other answer lacks it."""
    before, after = (list(dict.fromkeys(map(_describe, answer.citations))) for answer in (turn.before, turn.after))
    if turn.missing:
        return [(source, False) for source in before], []
    return [(source, source not in after) for source in before], [(source, source not in before) for source in after]


def _describe(citation: Citation) -> str:
    place = " › ".join(filter(None, (citation.title or citation.document, citation.heading)))
    return f"{place}: “{citation.quote}”"


def mark_differences(before: str, after: str) -> tuple[Parts, Parts]:
    """Both texts in pieces, word by word, with the differences marked. Nothing is marked in texts that have little in
    common."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if max(len(old), len(new)) > _MAX_WORDS:
        return [(before, False)], [(after, False)]
    if SequenceMatcher(None, before.split(), after.split(), autojunk=False).ratio() < _MIN_SIMILARITY:
        return [(before, False)], [(after, False)]
    left: Parts = []
    right: Parts = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if a < b:
            left.append(("".join(old[a:b]), tag != "equal"))
        if c < d:
            right.append(("".join(new[c:d]), tag != "equal"))
    return _join(left), _join(right)


def _join(parts: Parts) -> Parts:
    """Join words that are marked one after the other."""
    joined: Parts = []
    for at, (text, is_changed) in enumerate(parts):
        between = text.isspace() and 0 < at < len(parts) - 1 and parts[at - 1][1] and parts[at + 1][1]
        is_marked = is_changed or between
        if joined and joined[-1][1] == is_marked:
            joined[-1] = joined[-1][0] + text, is_marked
        else:
            joined.append((text, is_marked))
    return joined
