"""The rules for a reply while it is held: what its author and others do meanwhile decides it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from schemas import topics
from schemas.conversation import Conversation
from schemas.desk import DeskCommand
from schemas.envelope import Envelope
from schemas.errors import RecordError
from schemas.handoff.rules import is_held_by
from schemas.ports import Record

Withheld = Literal["", "undone", "deleted", "note"]
NOTES = ("//", "🔒", ":lock:")
"""Begin a reply that is for colleagues."""
ENDS = frozenset({"release", "return", "resolve", "transfer", "escalate"})
"""After these the conversation is somebody else's: what was held goes out first."""


@dataclass(frozen=True, slots=True)
class PendingReply:
    """``withheld``: why it stays inside, empty where it does not. ``text`` and ``revision`` are of its last change;
    ``is_due``: nothing more is waited for."""

    text: str
    revision: int = 0
    withheld: Withheld = ""
    is_due: bool = False


def is_note(text: str) -> bool:
    return text.lstrip().startswith(NOTES)


def is_public(found: Conversation, reply: DeskCommand) -> bool:
    """Tell whether a reply is the contact's: its author holds the conversation since before it was written. Both times
    are the desk's, so its own clock says which was first."""
    return not is_note(reply.text) and is_held_by(found, reply.by, before=reply.at)


def judge_reply(reply: DeskCommand, later: Iterable[DeskCommand]) -> PendingReply:
    """Decide a reply by all that was done ``later``. Whoever keeps it inside need not be its author: no harm comes of
    it."""
    held = PendingReply(reply.text, reply.revision, "note" if is_note(reply.text) else "")
    for act in later:
        if act.kind == "undo" and act.value == reply.id and act.by == reply.by:
            held = replace(held, withheld=held.withheld or "undone")
        elif act.kind in ENDS:
            held = replace(held, is_due=True)
        elif act.external_id == reply.external_id:
            held = _apply_change(held, act)
    return held


def _apply_change(held: PendingReply, act: DeskCommand) -> PendingReply:
    if act.kind == "delete":
        return replace(held, withheld=held.withheld or "deleted")
    if act.kind == "note":
        return replace(held, withheld=held.withheld or "note")
    if act.kind == "edit" and act.revision > held.revision:
        withheld = held.withheld or ("note" if is_note(act.text) else "")
        return replace(held, text=act.text, revision=act.revision, withheld=withheld)
    return held


def list_acts_after(act_id: str, records: Sequence[Record]) -> list[DeskCommand]:
    """List what people did after an act, of the records that wait with it."""
    acts, is_after = [], False
    for record in records:
        if record.headers.get("ce_type") != topics.DESK_ACTED:
            continue
        if record.headers.get("ce_id") == act_id:
            is_after = True
        elif is_after:
            try:
                acts.append(Envelope.from_wire(record.headers, record.value).payload(DeskCommand))
            except RecordError:
                continue  # whoever handles it says so
    return acts
