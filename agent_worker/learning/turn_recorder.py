"""The recorder of a turn: notes what the turn reads from outside, where it reads it.

It follows the turn as a context variable, so that what a turn calls need not pass it on. Outside a turn nothing is
kept."""

from __future__ import annotations

import hashlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from agent_worker.actions.arguments import canonical_json, mask_arguments
from agent_worker.actions.context import LEVELS, resolve_identity
from agent_worker.actions.execution.call import CallOutcome
from agent_worker.actions.spec import Action
from agent_worker.handoff.promises import DOCUMENT as PROMISE
from schemas.actions import ActionMemory, Arguments, JournalEntry
from schemas.conversation import Contact, Origin
from schemas.messages import Assurance, InboundMessage, TranscriptMessage
from schemas.ports import Passage
from schemas.turn_recording import (
    CallKind,
    PassageRecord,
    RecordedCall,
    RecordedLimit,
    RecordedRequest,
    TurnRecording,
)

if TYPE_CHECKING:
    from agent_worker.turn.values import Response, TurnInput

ID_BYTES = 4
"""Bytes of a line's id that a recording keeps."""
_KEY_BYTES = 8
"""Bytes of a digest. They tell a tenant's passages apart."""

_NO_MEMORY = ActionMemory()


@dataclass(slots=True)
class TurnRecorder:
    """What one attempt at a turn has read. See ``TurnRecording`` for the fields."""

    calls: list[RecordedCall] = field(default_factory=list)
    exchanges: list[RecordedRequest] = field(default_factory=list)
    entries: list[JournalEntry] = field(default_factory=list)
    levels: dict[str, Assurance] | None = None
    assurance: Assurance = "anonymous"
    limit: RecordedLimit = ""
    budget: float | None = None
    wait: float | None = None

    def note_call(
        self,
        kind: CallKind,
        action: Action,
        given: Arguments,
        outcome: CallOutcome,
        before: ActionMemory = _NO_MEMORY,
        after: ActionMemory = _NO_MEMORY,
    ) -> None:
        """Note a call and its outcome. ``before`` and ``after``: the conversation's memory, which the call may have
        changed."""
        changes_code = before.code != after.code
        self.calls.append(
            RecordedCall(
                kind=kind,
                action=action.name,
                digest=digest_arguments(action, given),
                outcome=outcome.outcome,
                result=outcome.facts,
                reason=outcome.reason,
                refused=outcome.refused,
                say=outcome.say,
                proofs=after.proofs if before.proofs != after.proofs else None,
                code=after.code if changes_code else None,
                ends_code=changes_code and after.code is None,
            )
        )

    def note_entries(self, entries: Iterable[JournalEntry]) -> None:
        self.entries.extend(entry for entry in entries if entry not in self.entries)

    def build(self, turn: TurnInput, response: Response) -> TurnRecording:
        """The recording of the turn that this attempt has become."""
        intake, conversation = turn.intake, turn.conversation
        handled, waiting, handoff = list(intake.handled), list(intake.waiting), turn.handoff
        # Only an answer to an action's question depends on the turn before.
        changes = _NOT_RECORDED if conversation.facts.actions is not None else _NOT_RECORDED_WITHOUT_ACTIONS
        facts = conversation.facts.model_copy(update=changes)
        return TurnRecording(
            turn_id=turn.id,
            clock=turn.loaded_at,
            owner=conversation.owner,
            epoch=conversation.epoch,
            facts=facts,
            events=[] if handled == waiting else handled,
            latest="" if not handled or intake.latest == handled[-1] else intake.latest,
            history=pack_history(turn.history),
            check=digest_texts(turn.history, intake.waiting),
            passages=[passage_key(passage) for passage in response.reply.search_result.related_passages],
            ending="" if handoff is None else handoff.period.ending,
            resumes=handoff is not None and handoff.resumes,
            levels=self.levels,
            assurance=self.assurance,
            limit=self.limit,
            budget=self.budget,
            wait=self.wait,
            entries=self.entries,
            calls=self.calls,
            exchanges=self.exchanges,
        )


_NOT_RECORDED: dict[str, object] = {"heard_at": None, "answered_at": None, "unanswered": ()}
"""Facts that decide which messages wait. A recording names those."""
_NOT_RECORDED_WITHOUT_ACTIONS = {**_NOT_RECORDED, "last_turn_id": ""}
_recorder: ContextVar[TurnRecorder | None] = ContextVar("turn_recorder", default=None)


@contextmanager
def record_turn() -> Iterator[TurnRecorder]:
    """Record what the block reads."""
    recorder = TurnRecorder()
    token = _recorder.set(recorder)
    try:
        yield recorder
    finally:
        _recorder.reset(token)


def current_recorder() -> TurnRecorder:
    """The recorder of the running turn; outside a turn, one that nobody reads."""
    return _recorder.get() or TurnRecorder()


def note_contact(contact: Contact | None, origin: Origin) -> None:
    """Note how sure we are of the contact's addresses."""
    recorder = _recorder.get()
    if recorder is None:
        return
    levels: dict[str, Assurance] = {}
    for address in () if contact is None else contact.addresses:
        known = levels.get(address.channel, address.assurance)
        levels[address.channel] = max(known, address.assurance, key=LEVELS.__getitem__)
    recorder.levels = levels
    identity = resolve_identity(contact, origin.contact_id, origin, (), datetime.now(UTC))
    recorder.assurance = identity.assurance


# ── digests ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _digest(*parts: str) -> str:
    encoded = [part.encode() for part in parts]
    hashed = hashlib.sha256(b"".join([b"%d:%b" % (len(part), part) for part in encoded]))
    return urlsafe_b64encode(hashed.digest()[:_KEY_BYTES]).decode().rstrip("=")


def digest_arguments(action: Action, given: Arguments) -> str:
    """A digest of the arguments as records show them, so that nothing secret can be guessed from it."""
    return _digest(action.name, canonical_json(dict(mask_arguments(action, given))))


def digest_texts(history: Sequence[TranscriptMessage], waiting: Mapping[str, InboundMessage]) -> str:
    """A digest of everything that was said, to tell whether it was found again exactly."""
    parts = [part for line in history for part in (line.id, line.text)]
    for id, message in waiting.items():
        parts += (id, message.text)
    return _digest(*parts)


def digest_prompt(parts: Iterable[str]) -> str:
    return _digest(*parts)


def pack_history(history: Iterable[TranscriptMessage]) -> str:
    return b64encode(b"".join([pack_id(line.id) for line in history])).decode()


def pack_id(id: str) -> bytes:
    """The beginning of a message's id. Marks have other ids and are hashed."""
    try:
        return bytes.fromhex(id[: 2 * ID_BYTES])
    except ValueError:
        return hashlib.sha256(id.encode()).digest()[:ID_BYTES]


def passage_key(passage: Passage) -> str:
    """A digest of the passage with its place. Promises of people are facts of the conversation, and have none."""
    if passage.document.startswith(PROMISE):
        return ""
    place = (passage.document, str(passage.version), passage.title, passage.heading, passage.url)
    return _digest(*place, passage.text)


def build_passage(passage: Passage) -> PassageRecord:
    return PassageRecord(
        key=passage_key(passage),
        document=passage.document,
        version=passage.version,
        title=passage.title,
        heading=passage.heading,
        url=passage.url,
        text=passage.text,
    )
