"""What becomes of a reply while it is held: what its author and others do meanwhile decides it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from connectors.desk.thread_ids import stamp_of
from connectors.slack.places import moment
from schemas import topics
from schemas.conversation import Conversation
from schemas.desk import DeskActed
from schemas.envelope import Envelope
from schemas.errors import RecordError
from schemas.handoff.rules import is_held_by
from schemas.ports import Record

Kept = Literal["", "undone", "deleted", "note"]
NOTES = ("//", "🔒", ":lock:")
"""What a reply begins with that is for colleagues."""
ENDS = frozenset({"release", "return", "resolve", "transfer", "escalate"})
"""After these the conversation is somebody else's: what was held goes out first."""


@dataclass(frozen=True, slots=True)
class Fate:
    """``kept``: why it stays inside, empty where it does not. ``text`` and ``revision`` are of its last change;
    ``is_due``: nothing more is waited for."""

    text: str
    revision: int = 0
    kept: Kept = ""
    is_due: bool = False


def is_note(text: str) -> bool:
    return text.lstrip().startswith(NOTES)


def is_public(found: Conversation, reply: DeskActed) -> bool:
    """Whether a reply is the contact's: its author holds the conversation since before it was written. Both times are
    Slack's, so its own clock says which was first."""
    return not is_note(reply.text) and is_held_by(found, reply.by, before=written_at(reply))


def written_at(reply: DeskActed) -> datetime:
    return moment(stamp_of(reply.external_id))


def fate(reply: DeskActed, later: Iterable[DeskActed]) -> Fate:
    """After all that was done ``later``. Who keeps a reply inside need not be its author: no harm comes of it."""
    found = Fate(reply.text, reply.revision, "note" if is_note(reply.text) else "")
    for act in later:
        if act.kind == "undo" and act.value == reply.id and act.by == reply.by:
            found = replace(found, kept=found.kept or "undone")
        elif act.kind in ENDS:
            found = replace(found, is_due=True)
        elif act.external_id == reply.external_id:
            found = _after(found, act)
    return found


def _after(found: Fate, act: DeskActed) -> Fate:
    if act.kind == "delete":
        return replace(found, kept=found.kept or "deleted")
    if act.kind == "note":
        return replace(found, kept=found.kept or "note")
    if act.kind == "edit" and act.revision > found.revision:
        kept = found.kept or ("note" if is_note(act.text) else "")
        return replace(found, text=act.text, revision=act.revision, kept=kept)
    return found


def following(act_id: str, records: Sequence[Record]) -> list[DeskActed]:
    """What people did after an act, of the records that wait with it."""
    acts, is_after = [], False
    for record in records:
        if record.headers.get("ce_type") != topics.DESK_ACTED:
            continue
        if record.headers.get("ce_id") == act_id:
            is_after = True
        elif is_after:
            try:
                acts.append(Envelope.from_wire(record.headers, record.value).payload(DeskActed))
            except RecordError:
                continue  # whoever handles it says so
    return acts
