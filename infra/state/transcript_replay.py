"""Reconstruct the transcript of one conversation from the log, and assign a number to each message. Pure.

Only ids, times and states are kept (about 300 bytes a message); the bodies are read a second time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from pydantic import BaseModel, ValidationError

from infra.state import rules
from schemas import topics
from schemas.conversation import DeliveryOutcome, Snapshot, Turn
from schemas.conversation_activity import FilesStored, MessageDeleted, MessageEdited
from schemas.messages import Attachment, InboundMessage, MessageState, OutboundMessage, Receipt, TranscriptMessage
from schemas.transcript import find_written_text, join_speech

GAP = 1_000
"""Messages that no snapshot names are numbered this far above it: a client may have seen higher numbers since."""

_LAST = 2**63 - 1

_OF_DELIVERY: dict[str, MessageState] = {
    "sent": "sent",
    "failed": "failed",
    "unknown": "unknown",
    "expired": "dropped",
    "stale_owner": "dropped",
}


class TranscriptReplay:
    __slots__ = (
        "_added",
        "_applied",
        "_by_external_id",
        "_earlier",
        "_files",
        "_head",
        "_named",
        "_named_since",
        "_numbers",
        "_order",
        "_proposed",
        "_receipts",
        "_revisions",
        "_seen_count",
        "_sent_as",
        "_states",
        "_texts",
        "_unpublished",
        "_up_to",
        "_version",
    )

    def __init__(self) -> None:
        self._named: dict[str, int] = {}
        self._earlier: dict[str, int] = {}  # of messages that only older snapshots name
        self._sent_as: dict[str, int] = {}
        self._head = 0
        self._version = (0, 0)  # of the snapshot that counts, and its epoch
        self._unpublished: list[OutboundMessage] = []
        self._named_since = _LAST
        self._seen_count = 0
        self._order: dict[str, int] = {}  # messages without a number yet → their place in time
        self._states: dict[str, MessageState] = {}
        self._texts: dict[str, str] = {}
        self._revisions: dict[str, int] = {}
        self._proposed: dict[str, MessageEdited | MessageDeleted] = {}  # by the id of its event
        self._applied: set[str] = set()
        self._files: dict[str, list[Attachment]] = {}
        self._added: dict[str, list[Attachment]] = {}  # by changes
        self._by_external_id: dict[str, str] = {}
        self._receipts: dict[str, MessageState] = {}  # by the vendor's id
        self._up_to: dict[MessageState, int] = {}
        self._numbers: dict[str, int] = {}

    @property
    def size(self) -> int:
        """The memory used, roughly, in messages; an empty one weighs as much as two."""
        return 2 + len(self._order) + len(self._named) + len(self._earlier) + len(self._files) + len(self._proposed)

    def observe(self, payload: BaseModel, timestamp_ms: int) -> None:
        """Take note of a payload of any kind; ``timestamp_ms`` is when it was appended."""
        match payload:
            case InboundMessage() | OutboundMessage():
                if is_in_transcript(payload):
                    self._observe_message(payload.id, timestamp_ms)
            case Snapshot():
                self._observe_snapshot(payload)
            case Turn():
                for id_ in payload.handled:
                    self._raise(id_, "answered")
            case DeliveryOutcome():
                self._observe_delivery(payload)
            case Receipt():
                self._observe_receipt(payload)
            case FilesStored():
                self._observe_files(payload)
            case MessageEdited() | MessageDeleted():
                self._observe_change(payload)

    def add_proposal(self, event: str, change: MessageEdited | MessageDeleted) -> None:
        """An edit or deletion of a sent message. It counts if the vendor made it, which the outcome of ``event``
        says."""
        self._proposed.setdefault(event, change)

    def _observe_change(self, change: MessageEdited | MessageDeleted) -> None:
        id_ = change.message_id
        if isinstance(change, MessageDeleted):
            self._texts[id_] = ""
            self._raise(id_, "deleted")
        elif self._states.get(id_) != "deleted" and not 0 < change.revision < self._revisions.get(id_, 0):
            self._texts[id_] = change.text
            if change.attachments:
                self._added.setdefault(id_, []).extend(change.attachments)
            self._revisions[id_] = change.revision or self._revisions.get(id_, 0)

    def _observe_files(self, stored: FilesStored) -> None:
        """The first report of a message's files stays. ``text`` is what earlier releases wrote of a voice note; it
        gives way to later edits."""
        self._files.setdefault(stored.message_id, stored.attachments)
        if stored.text:
            self._texts.setdefault(stored.message_id, stored.text)

    def _observe_message(self, id_: str, timestamp_ms: int) -> None:
        """Repeats count where they first appeared; of the same millisecond the one that was read first is earlier."""
        self._seen_count += 1
        place = timestamp_ms * 1_000_000 + self._seen_count
        if id_ in self._named:
            self._named_since = min(self._named_since, place)
        else:
            self._order.setdefault(id_, place)

    def _observe_snapshot(self, snapshot: Snapshot) -> None:
        """Newer snapshots replace older ones, which still number what the newer ones do not name; the head only
        rises."""
        version = (snapshot.conversation.version, snapshot.conversation.epoch)
        numbers = {one.id: one.seq for one in snapshot.recent}
        if any(new < known for new, known in zip(version, self._version, strict=True)):
            self._earlier = {id_: seq for id_, seq in (numbers | self._earlier).items() if id_ not in self._named}
            return
        self._version = version
        known = self._earlier | self._named
        self._earlier = {id_: seq for id_, seq in known.items() if id_ not in numbers}
        self._named = numbers
        self._head = max(self._head, snapshot.conversation.head_seq, *self._named.values(), 0)
        self._unpublished = []
        waiting = (one for one in snapshot.outbox if one.headers.get("ce_type") == topics.MESSAGE_SEND)
        # A message that a newer release wrote in another form is published as it is; only its line is missing here.
        with contextlib.suppress(ValidationError):
            self._unpublished = [OutboundMessage.model_validate_json(one.data) for one in waiting]

    def _observe_delivery(self, outcome: DeliveryOutcome) -> None:
        id_ = outcome.message_id
        if outcome.seq:
            self._sent_as[id_] = outcome.seq
        if outcome.external_id:
            self._by_external_id[outcome.external_id] = id_
        if outcome.state == "sent" and id_ in self._proposed:
            self._applied.add(id_)
        if state := _OF_DELIVERY.get(outcome.state):
            self._raise(id_, state)

    def _observe_receipt(self, receipt: Receipt) -> None:
        """A receipt with the vendor's id waits for the delivery that tells ours."""
        if receipt.message_id:
            self._raise(receipt.message_id, receipt.state)
        elif receipt.external_id:
            known = self._receipts.get(receipt.external_id, receipt.state)
            self._receipts[receipt.external_id] = _highest(known, [receipt.state])
        elif receipt.up_to_seq:
            self._up_to[receipt.state] = max(receipt.up_to_seq, self._up_to.get(receipt.state, 0))

    def assign_numbers(self, *, among_kept: bool = False) -> None:
        """Assign every message its number, once all was seen. ``among_kept``: most lines are still there, so that only
        the named ones get one, and the others the next ones (0).

        Messages named in the snapshot keep theirs. The snapshot names only the last ones: those before the first of
        them, and those sent after it, have the number that an older snapshot or their delivery tells. Others before
        the first get what is free up to its number; others after it come above them all, because a client may have
        seen them under another number."""
        for event, change in self._proposed.items():
            if event in self._applied:
                self._observe_change(change)
        for external_id in self._receipts.keys() & self._by_external_id.keys():
            self._raise(self._by_external_id[external_id], self._receipts[external_id])
        for message in self._unpublished:
            if is_in_transcript(message) and message.id not in self._named:
                self._order.setdefault(message.id, _LAST)
        lowest = min(self._named.values(), default=1)
        self._number_told(lowest)
        if among_kept:
            self._numbers, self._order = self._named | dict.fromkeys(self._order, 0), {}
            return
        ordered = sorted(self._order, key=self._order.__getitem__)
        older = 0
        if self._named_since < _LAST:
            older = sum(place < self._named_since for place in self._order.values())
        taken = set(self._named.values())
        free = [number for number in range(lowest - 1, 0, -1) if number not in taken][:older][::-1]
        split = older - len(free)
        below = zip(ordered[split:older], free, strict=True)
        above = enumerate(ordered[:split] + ordered[older:], self._head + GAP + 1)
        self._numbers = self._named | dict(below) | {id_: seq for seq, id_ in above}
        self._order = {}

    def _number_told(self, lowest: int) -> None:
        """Add the numbers that older snapshots and deliveries tell. ``lowest``: the first number of the newest
        snapshot, where the part of the transcript that it names begins."""
        taken = set(self._named.values())
        for id_, seq in (self._earlier | self._sent_as).items():
            if id_ in self._order and seq not in taken:
                place = self._order.pop(id_)
                if seq >= lowest:
                    self._named_since = min(self._named_since, place)
                self._named[id_] = seq
                taken.add(seq)
        self._head = max(self._head, *taken, 0)

    def list_unpublished(self) -> list[TranscriptMessage]:
        """The lines of replies that were committed and are on no topic yet: only the snapshot's outbox has them."""
        return [transcript_line(message) for message in self._unpublished if is_in_transcript(message)]

    def has_number(self, id_: str) -> bool:
        """Return whether the message was there when numbers were assigned: later ones come the normal way."""
        return id_ in self._numbers

    def list_changed(self) -> set[str]:
        """The messages of which more than the message itself was seen."""
        return self._states.keys() | self._texts.keys() | self._files.keys() | self._added.keys()

    def restore(self, message: TranscriptMessage) -> TranscriptMessage:
        """``message`` with its number and its present state. A line that was kept has a number."""
        id_ = message.id
        seq = message.seq or self._numbers[id_]
        written = find_written_text(message) if message.seq else message.text
        state = _highest(message.state, [self._states.get(id_, message.state)])
        if message.author.kind != "contact":
            state = _highest(state, (receipt for receipt, up_to in self._up_to.items() if seq <= up_to))
        files = [] if state == "deleted" else self._files_of(message)
        content = {"text": join_speech(self._texts.get(id_, written), files), "attachments": files}
        revision = max(message.revision, self._revisions.get(id_, 0))
        return message.model_copy(update={"seq": seq, "state": state, "revision": revision, **content})

    def _files_of(self, message: TranscriptMessage) -> list[Attachment]:
        files = [*self._files.get(message.id, message.attachments), *self._added.get(message.id, ())]
        return list({file.id: file for file in reversed(files)}.values())[::-1]

    def _raise(self, id_: str, state: MessageState) -> None:
        known = self._states.get(id_)
        if known is None or rules.may_become(known, state):
            self._states[id_] = state


def _highest(state: MessageState, others: Iterable[MessageState]) -> MessageState:
    for other in others:
        if rules.may_become(state, other):
            state = other
    return state


def is_in_transcript(message: InboundMessage | OutboundMessage) -> bool:
    """Return whether a message on the log belongs to the transcript: messages for the desk alone do not, nor does a
    person's message that is on its way to the contact as a message of its own."""
    if isinstance(message, InboundMessage):
        return message.author.kind == "contact" or message.shown
    return message.purpose != "desk"


def transcript_line(message: InboundMessage | OutboundMessage) -> TranscriptMessage:
    """The transcript line of a message on the log."""
    if isinstance(message, InboundMessage):
        return TranscriptMessage.of_inbound(message)
    return TranscriptMessage.of_outbound(message, "pending")
