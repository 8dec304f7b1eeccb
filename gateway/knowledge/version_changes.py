"""The differences between two versions of a document, in words and line by line."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.conversation import Document, DocumentVersion

Version = Document | DocumentVersion
MAX_LINES = 4000
"""Lines of a text that are compared; comparing takes quadratic time in the worst case."""
MAX_CHANGED = 400
"""Changed lines that are shown."""


@dataclass(frozen=True, slots=True)
class ChangedLine:
    """A line of only one of the two versions."""

    kind: Literal["removed", "added"]
    text: str


def describe_changes(before: Version, after: Version) -> list[str]:
    """The attributes that changed, as short phrases."""
    changes = []
    if before.title != after.title:
        changes.append(f"title, from “{before.title}”")
    if before.body != after.body:
        added, removed = len(after.body.split()), len(before.body.split())
        changes.append(f"text, {removed} → {added} words" if added != removed else "text")
    if before.visibility != after.visibility:
        changes.append(f"visibility, {before.visibility} → {after.visibility}")
    if before.expires_at != after.expires_at:
        changes.append(f"expires {_format_day(after.expires_at)}" if after.expires_at else "does not expire")
    if before.url != after.url:
        changes.append("address")
    if before.language != after.language:
        changes.append("language")
    return changes


def list_changed_lines(before: str, after: str) -> list[ChangedLine]:
    """The lines that are only in one of the texts, in their order. Blocking."""
    old, new = before.splitlines()[:MAX_LINES], after.splitlines()[:MAX_LINES]
    changed: list[ChangedLine] = []
    for _, start, end, new_start, new_end in difflib.SequenceMatcher(None, old, new).get_opcodes():
        if old[start:end] != new[new_start:new_end]:
            changed += [ChangedLine("removed", line) for line in old[start:end] if line.strip()]
            changed += [ChangedLine("added", line) for line in new[new_start:new_end] if line.strip()]
    return changed[:MAX_CHANGED]


def _format_day(at: datetime) -> str:
    return f"{at.day} {at:%b %Y}"
