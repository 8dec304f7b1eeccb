"""Rules for a reply while it is held: later commands may change, withhold or release it. Pure."""

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
NOTE_PREFIXES = ("//", "🔒", ":lock:")
"""Prefixes of a note, a reply that is for colleagues."""
ENDING_KINDS = frozenset({"release", "return", "resolve", "transfer", "escalate"})
"""Commands that end the claim. Held replies are sent before them."""


@dataclass(frozen=True, slots=True)
class PendingReply:
    """The state of a held reply. ``withheld_reason``: the reason why the contact does not get it, empty if it is to be
    sent. ``text`` and ``revision``: of its last change. ``is_due``: send it without further waiting."""

    text: str
    revision: int = 0
    withheld_reason: Withheld = ""
    is_due: bool = False


def is_note(text: str) -> bool:
    return text.lstrip().startswith(NOTE_PREFIXES)


def is_public(conversation: Conversation, reply: DeskCommand) -> bool:
    """Return whether a reply goes to the contact: its author held the conversation when it was written. Both times are
    from the desk's clock."""
    return not is_note(reply.text) and is_held_by(conversation, reply.by, before=reply.at)


def judge_reply(reply: DeskCommand, later: Iterable[DeskCommand]) -> PendingReply:
    """Apply ``later`` commands to a reply. Anybody may withhold it, not only its author: that does no harm."""
    pending = PendingReply(reply.text, reply.revision, "note" if is_note(reply.text) else "")
    for command in later:
        if command.kind == "undo" and command.value == reply.id and command.by == reply.by:
            pending = replace(pending, withheld_reason=pending.withheld_reason or "undone")
        elif command.kind in ENDING_KINDS:
            pending = replace(pending, is_due=True)
        elif command.external_id == reply.external_id:
            pending = _apply_change(pending, command)
    return pending


def _apply_change(pending: PendingReply, command: DeskCommand) -> PendingReply:
    if command.kind == "delete":
        return replace(pending, withheld_reason=pending.withheld_reason or "deleted")
    if command.kind == "note":
        return replace(pending, withheld_reason=pending.withheld_reason or "note")
    if command.kind == "edit" and command.revision > pending.revision:
        withheld = pending.withheld_reason or ("note" if is_note(command.text) else "")
        return replace(pending, text=command.text, revision=command.revision, withheld_reason=withheld)
    return pending


def list_later_commands(command_id: str, records: Sequence[Record]) -> list[DeskCommand]:
    """List the commands that come after a command in the same batch."""
    commands, is_after = [], False
    for record in records:
        if record.headers.get("ce_type") != topics.DESK_COMMAND:
            continue
        if record.headers.get("ce_id") == command_id:
            is_after = True
        elif is_after:
            try:
                commands.append(Envelope.from_wire(record.headers, record.value).payload(DeskCommand))
            except RecordError:
                continue  # reported when the record itself is handled
    return commands
