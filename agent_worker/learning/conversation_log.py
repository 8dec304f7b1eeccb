"""A conversation as its events on the log tell it, as far as a replay needs it: the turns with their recordings, and
every line as it was at a given time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import BaseModel, ValidationError

from agent_worker.learning.turn_recorder import pack_id
from schemas import topics
from schemas.conversation import Origin, Turn
from schemas.conversation_activity import FilesStored, MessageDeleted, MessageEdited
from schemas.ids import derived_id
from schemas.messages import Attachment, InboundMessage, OutboundMessage, TranscriptMessage
from schemas.transcript import join_speech
from schemas.turn_recording import TurnRecording

REPLAY_TYPES = frozenset(
    {
        *(topics.MESSAGE_RECEIVED, topics.MESSAGE_EDITED, topics.MESSAGE_DELETED, topics.REACTION_CHANGED),
        *(topics.ACTION_RESOLVED, topics.APPROVAL_DECIDED, topics.APPROVAL_EXPIRED, topics.FILES_STORED),
        *(topics.MESSAGE_SEND, topics.MESSAGE_REVISE, topics.MESSAGE_RETRACT),
        *(topics.TURN_COMPLETED, topics.TURN_RECORDED),
    }
)
"""The events that a replay reads."""
Change = MessageEdited | MessageDeleted | FilesStored


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event of a conversation. ``replay_of``: the id of the event that it repeats."""

    id: str
    type: str
    channel: str
    account: str
    at: datetime
    body: bytes
    replay_of: str = ""


class _RecordedChange(NamedTuple):
    at: datetime
    event: str
    change: Change


@dataclass(slots=True)
class ConversationLog:
    """``payloads``: of inbound events, by their ids; ``originals``: event id → the id of the event that it repeats."""

    id: str
    tenant: str
    channel: str = ""
    account: str = ""
    place: str = ""
    contact: str = ""
    turns: list[Turn] = field(default_factory=list)
    recordings: dict[str, TurnRecording] = field(default_factory=dict)
    payloads: dict[str, BaseModel] = field(default_factory=dict)
    originals: dict[str, str] = field(default_factory=dict)
    _lines: dict[str, TranscriptMessage] = field(default_factory=dict)
    _messages: dict[str, InboundMessage] = field(default_factory=dict)
    _changes: dict[str, list[_RecordedChange]] = field(default_factory=lambda: defaultdict(list))

    @property
    def origin(self) -> Origin:
        return Origin(
            tenant=self.tenant, channel=self.channel, account=self.account, place=self.place, contact_id=self.contact
        )

    @property
    def messages(self) -> list[InboundMessage]:
        """What contacts and people wrote, in this order and as it was last."""
        end = datetime.max.replace(tzinfo=UTC)
        return [message for id in self._messages if (message := self.find_message(id, end)) is not None]

    def find_message(self, id: str, at: datetime, handled: Container[str] = ()) -> InboundMessage | None:
        """The contact's message as it was then, with the changes among the ``handled`` events."""
        message, changes = self._messages.get(id), self._changes_until(id, at, handled)
        if message is None or not changes:
            return message
        text, files = _apply_changes(message, changes)
        spoken = [file.speech.language for file in files if file.speech is not None and file.speech.language]
        locale = spoken[-1] if spoken else message.locale
        return message.model_copy(update={"text": text, "attachments": files, "locale": locale})

    def find_line(self, id: str, at: datetime, handled: Container[str] = ()) -> TranscriptMessage | None:
        """The line of the transcript as it was then, with the changes among the ``handled`` events."""
        line, changes = self._lines.get(id), self._changes_until(id, at, handled)
        if line is None or not changes:
            return line
        text, files = _apply_changes(line, changes)
        return line.model_copy(update={"text": text, "attachments": files})

    def _changes_until(self, id: str, at: datetime, handled: Container[str]) -> list[Change]:
        # The clocks of an edge and a worker may differ, so an event that was handled counts whatever its time.
        return [each.change for each in self._changes.get(id, ()) if each.at <= at or each.event in handled]

    def lines_by_id(self) -> Mapping[bytes, str]:
        """The packed ids of a recorded history → the lines' ids."""
        return {pack_id(id): id for id in self._lines}


def read_conversation(id: str, tenant: str, events: Sequence[RecordedEvent]) -> ConversationLog:
    """Read a conversation from its events, in the order of the log. Events that cannot be read are skipped."""
    log, seen = ConversationLog(id, tenant), set[str]()
    for event in events:
        if event.id in seen:
            continue
        seen.add(event.id)
        try:
            payload = topics.EVENT_TYPES[event.type][0].model_validate_json(event.body)
        except (KeyError, ValidationError):
            continue
        _add_event(log, event, payload)
    log.turns.sort(key=lambda turn: turn.at)
    return log


def _add_event(log: ConversationLog, event: RecordedEvent, payload: BaseModel) -> None:
    family = topics.EVENT_TYPES[event.type][1]
    if family == "inbound":
        log.payloads[event.id] = payload
        if event.replay_of:
            log.originals[event.id] = event.replay_of
    if isinstance(payload, InboundMessage):
        _add_inbound(log, event, payload)
    elif isinstance(payload, OutboundMessage):
        _add_outbound(log, payload)
    elif isinstance(payload, MessageEdited | MessageDeleted | FilesStored):
        log._changes[payload.message_id].append(_RecordedChange(_changed_at(event, payload), event.id, payload))
    elif isinstance(payload, Turn):
        log.turns.append(payload)
        for reply in payload.replies:
            _add_outbound(log, reply)
    elif isinstance(payload, TurnRecording):
        log.recordings[payload.turn_id] = payload


def _add_inbound(log: ConversationLog, event: RecordedEvent, message: InboundMessage) -> None:
    log.channel, log.account, log.place = event.channel, event.account, message.place
    if message.author.kind == "contact":
        log.contact = log.contact or message.contact_id
    log._messages.setdefault(message.id, message)
    log._lines.setdefault(message.id, TranscriptMessage.of_inbound(message))
    if message.author.kind != "contact" and not message.shown:
        # The line that the contact sees is the one that the worker passed on. It is on its topic for a week only.
        forwarded = TranscriptMessage.of_inbound(message)
        id = derived_id(message.id, "outbound")
        log._lines.setdefault(id, forwarded.model_copy(update={"id": id}))


def _add_outbound(log: ConversationLog, message: OutboundMessage) -> None:
    log._lines.setdefault(message.id, TranscriptMessage.of_outbound(message, "sent"))


def _apply_changes(
    original: InboundMessage | TranscriptMessage, changes: Iterable[Change]
) -> tuple[str, list[Attachment]]:
    """The text with what is spoken in it, and the files. A deleted message has neither."""
    written, files = original.text, list(original.attachments)
    for change in changes:
        if isinstance(change, MessageDeleted):
            return "", []
        if isinstance(change, MessageEdited):
            written = change.text
            files += [file for file in change.attachments if file not in files]
        else:
            # A transcription of an earlier release only replaces an empty text.
            written, files = written or change.text, list(change.attachments)
    return join_speech(written, files), files


def _changed_at(event: RecordedEvent, change: Change) -> datetime:
    """The time from which the change counts. Files are stored while the turn loads, before its clock is read."""
    return change.at if isinstance(change, FilesStored) else event.at
