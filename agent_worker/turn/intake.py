"""Intake: applies inbound events to the transcript, and collects the messages that a turn must answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal

import structlog

from agent_worker.turn.answered_watermark import AnsweredWatermark
from agent_worker.turn.inbound_events import HORIZON, ActionUpdate, InboundEvent
from schemas.content import content_fields, describe_content, has_content, shorten
from schemas.conversation_activity import FilesStored, MessageDeleted, MessageEdited
from schemas.errors import IdReused
from schemas.messages import Attachment, Author, InboundMessage, Receipt, TranscriptMessage
from schemas.ports import BegunConversation, NonTextContent, Transcript
from schemas.transcript import is_audio, join_speech

log = structlog.get_logger("parley.worker")
EDIT_REOPENS = timedelta(minutes=15)
CARDS = frozenset({"text/vcard", "text/x-vcard", "text/directory"})
"""File types of contact cards, which some vendors send as files."""
DESCRIBED_KINDS = frozenset({"order", "poll", "sticker"})
"""Kinds of messages whose text describes what they show, and is nothing that the contact has written."""


@dataclass(frozen=True)
class Intake:
    """The new events of a turn, applied to the transcript.

    ``waiting``: the contact's messages to answer by id, oldest first. ``from_people``: messages of people, to be passed
    on to the contact. ``handled``: ids of the events that this turn settles. ``unfetched``: new messages whose files
    are still with the vendor, or that bring sound; ``stored``: their files once these were fetched and transcribed.
    ``action_updates``: decisions and outcomes of actions. ``latest``: the event or message that the contact wrote,
    changed or reacted to last. ``authority``: the earliest event, in whose name the turn acts."""

    waiting: Mapping[str, InboundMessage] = field(default_factory=dict)
    from_people: Sequence[InboundMessage] = ()
    handled: Sequence[str] = ()
    unfetched: Mapping[str, InboundMessage] = field(default_factory=dict)
    stored: Sequence[FilesStored] = ()
    action_updates: Sequence[ActionUpdate] = ()
    latest: str = ""
    authority: str = ""
    answered: AnsweredWatermark = field(default_factory=AnsweredWatermark)

    def without_messages(self, ids: Iterable[str]) -> Intake:
        """Remove deleted messages, even if the deletion came before its message."""
        removed = set(ids)
        return replace(
            self, waiting=_drop_messages(self.waiting, removed), answered=self.answered.without_messages(removed)
        )

    def with_answered(self, ids: Iterable[str]) -> Intake:
        """Count messages that need no reply as answered."""
        answered = [self.waiting[id] for id in ids]
        waiting = _drop_messages(self.waiting, {message.id for message in answered})
        return replace(self, waiting=waiting, answered=self.answered.with_answered(answered)) if answered else self

    def with_files(self, stored: Sequence[FilesStored]) -> Intake:
        """Add the files, and what voice notes say, to the waiting messages."""
        waiting = dict(self.waiting)
        for each in stored:
            if (message := waiting.get(each.message_id)) is not None:
                waiting[each.message_id] = _add_files(message, each.attachments)
        return replace(self, waiting=waiting, stored=stored)

    @cached_property
    def text(self) -> str:
        texts = [message.text.strip() for message in self.waiting.values()]
        return texts[0] if len(texts) == 1 else "\n".join(text for text in texts if text)

    @cached_property
    def files(self) -> Sequence[Attachment]:
        return [file for message in self.waiting.values() for file in message.attachments]

    @property
    def has_files(self) -> bool:
        """True if a message came with files, whether they were fetched or not."""
        return any(message.attachments or message.files for message in self.waiting.values())

    @cached_property
    def non_text(self) -> NonTextContent:
        """The content of messages that hold no words."""
        waiting = self.waiting.values()
        if any(message.text.strip() and message.unsupported not in DESCRIBED_KINDS for message in waiting):
            return ""
        if self.unheard:
            return self.unheard
        if self.kind == "sticker":
            return "unsupported"
        if self.files and all(file.type in CARDS and not file.missing for file in self.files):
            return "contacts"
        if self.files:
            return "missing" if all(file.missing for file in self.files) else "file"
        if self.kind:
            return "unsupported"
        if any(message.location for message in waiting):
            return "location"
        if any(message.shared_contacts for message in waiting):
            return "contacts"
        return "shared" if any(message.referral or message.quote for message in waiting) else ""

    @cached_property
    def unheard(self) -> Literal["", "voice", "unclear"]:
        """Whether a voice note was not understood, and why: see ``NonTextContent``."""
        if any(file.speech is not None and not file.speech.text for file in self.files):
            return "unclear"
        transcribed = any(file.speech is not None for file in self.files)
        is_voice = any(
            any(file.kind == "voice" for file in message.files)
            or (not message.files and any(is_audio(file) for file in message.attachments))
            for message in self.waiting.values()
        )
        return "voice" if is_voice and not transcribed else ""

    @property
    def pictures(self) -> Sequence[Attachment]:
        """The pictures that were fetched, without stickers."""
        return [
            file
            for message in self.waiting.values()
            if not any(sent.kind == "sticker" for sent in message.files)
            for file in message.attachments
            if file.type.startswith("image/") and not file.missing
        ]

    @property
    def kind(self) -> str:
        """The kind of the newest message that has no words. Some vendors send a sticker as a file."""
        for message in reversed(list(self.waiting.values())):
            is_sticker = bool(message.files) and all(file.kind == "sticker" for file in message.files)
            kind = message.unsupported or ("sticker" if is_sticker and not message.text.strip() else "")
            if kind:
                return kind
        return ""

    @property
    def references(self) -> list[str]:
        """Descriptions of what the messages quote, share or came from."""
        lines = [
            TranscriptMessage.of_inbound(message)
            for message in self.waiting.values()
            if message.attachments or has_content(message)
        ]
        return [word for line in lines for word in describe_content(line)]

    @property
    def context(self) -> str:
        """The quote, advertisement or product that a short question is about, to be searched for with it."""
        texts: list[str] = []
        for message in self.waiting.values():
            if message.quote is not None:
                texts.append(shorten(message.quote.text))
            if message.referral is not None:
                texts.append(shorten(message.referral.headline or message.referral.body))
        return "\n".join(each for each in texts if each)

    @property
    def is_cut(self) -> bool:
        """True if a text was too long, so that only its beginning is known here."""
        return any(file.full_text for file in self.files)

    @property
    def asks_for_person(self) -> bool:
        """True if the contact picked the choice to talk to a person."""
        return any(message.choice and message.choice.id == "person" for message in self.waiting.values())

    @property
    def speaker(self) -> str:
        """The contact who wrote all of it; empty when there are several."""
        speakers = {message.contact_id for message in self.waiting.values()}
        return speakers.pop() if len(speakers) == 1 else ""


def _add_files(message: InboundMessage, files: list[Attachment]) -> InboundMessage:
    """What is spoken tells the language where the text is too short to tell it."""
    spoken = [file.speech.language for file in files if file.speech is not None and file.speech.language]
    changes = {
        "attachments": files,
        "text": join_speech(message.text, files),
        "locale": spoken[-1] if spoken else message.locale,
    }
    return message.model_copy(update=changes)


def _drop_messages(waiting: Mapping[str, InboundMessage], ids: set[str]) -> dict[str, InboundMessage]:
    return {id: message for id, message in waiting.items() if id not in ids}


async def apply_events(
    transcript: Transcript,
    events: Sequence[InboundEvent],
    begun: BegunConversation,
    now: datetime,
    *,
    already_added: bool,
    reactions: Mapping[str, InboundMessage],
    restored_at: datetime | None = None,
) -> Intake:
    """Apply every event that is not handled yet, in order. Safe to repeat: the transcript knows its ids.
    ``restored_at``: when the installation was restored from a backup; what is older was answered before that.
    ``already_added``: the events' lines joined the transcript with ``begun``. ``reactions``: reactions that answer a
    question, as messages, by event."""
    collector = _IntakeCollector(transcript, begun, now, restored_at)
    for event in events:
        if not begun.handled.isdisjoint(event.ids):
            collector.skip(event)
            continue
        collector.collect_event(event)
        if event.id in reactions:
            collector.take_message(event, reactions[event.id])
        elif not already_added:
            await collector.apply(event)
        elif event.message is not None:
            reused = event.message.id in begun.reused
            collector.take_message(event, await collector.newest_text(event.message) if reused else event.message)
    return Intake(
        waiting=collector.waiting,
        from_people=collector.from_people,
        handled=collector.handled,
        unfetched=collector.unfetched,
        action_updates=collector.updates,
        latest=collector.latest,
        authority=collector.authority,
        answered=collector.answered,
    )


class _IntakeCollector:
    """Applies events one by one and collects what they leave to do."""

    def __init__(
        self, transcript: Transcript, begun: BegunConversation, now: datetime, restored_at: datetime | None
    ) -> None:
        self._transcript = transcript
        self._conversation = begun.conversation.id
        self._known = begun.handled
        self._now = now
        self._restored_at = restored_at
        self.waiting: dict[str, InboundMessage] = {}
        self.from_people: list[InboundMessage] = []
        self.handled: list[str] = []
        self.unfetched: dict[str, InboundMessage] = {}
        self.updates: list[ActionUpdate] = []
        self.latest = self.authority = ""
        self.answered = AnsweredWatermark.from_facts(begun.conversation.facts)

    def skip(self, event: InboundEvent) -> None:
        """Mark the replay of a handled event as handled."""
        if event.envelope.replay_of and event.id not in self._known:
            self.handled.append(event.id)

    def collect_event(self, event: InboundEvent) -> None:
        self.handled.extend(event.ids)
        self.authority = self.authority or event.envelope.replay_of or event.id
        if (message := event.message) is not None and (message.files or any(map(is_audio, message.attachments))):
            self.unfetched[message.id] = message

    async def apply(self, event: InboundEvent) -> None:
        payload = event.payload
        if isinstance(payload, InboundMessage):
            await (self._receive(event, payload) if event.is_from_contact else self._pass_on(event, payload))
        elif isinstance(payload, MessageEdited):
            await self._edit(event, payload)
        elif isinstance(payload, MessageDeleted):
            await self._delete(payload)
        elif isinstance(payload, ActionUpdate):
            if not self._is_from_before_restore(event):
                self.updates.append(payload)
        elif isinstance(payload, Receipt) and payload.state == "failed":
            log.warning("reply_failed", message_id=payload.message_id, reason=payload.reason)

    def take_message(self, event: InboundEvent, message: InboundMessage | None) -> None:
        """Add a message of the contact to the waiting ones, unless it is too old or was overtaken."""
        if message is None:
            return
        is_recent = self._now - event.sent_at <= HORIZON and not self._is_from_before_restore(event)
        waits = is_recent and not self.answered.is_overtaken(event)
        self.answered = self.answered.with_message(message, waits=waits)
        if not waits:
            return
        if message.id not in self.waiting:
            # A repeated message does not become the latest.
            self.latest = message.id
        self.waiting[message.id] = message

    async def newest_text(self, message: InboundMessage) -> InboundMessage | None:
        """Return the message with the text of the transcript, which is newer if an edit overtook the message."""
        line = await self._transcript.find(self._conversation, message.id)
        return None if line is None else message.model_copy(update={"text": line.text})

    async def _receive(self, event: InboundEvent, message: InboundMessage) -> None:
        received: InboundMessage | None = message
        try:
            await self._transcript.add(self._conversation, TranscriptMessage.of_inbound(message))
        except IdReused:
            received = await self.newest_text(message)
        self.take_message(event, received)

    async def _pass_on(self, event: InboundEvent, message: InboundMessage) -> None:
        """Forward a message of a person, unless the contact has seen it in the vendor's own app."""
        if message.shown:
            await self._transcript.add(self._conversation, TranscriptMessage.of_inbound(message))
        elif self._is_from_before_restore(event):
            await self._transcript.add(self._conversation, TranscriptMessage.of_inbound(message))
            await self._transcript.mark(self._conversation, [message.id], "unknown")
        else:
            self.from_people.append(message)
        if message.author.kind == "person":
            self.answered = self.answered.with_person(event)

    async def _edit(self, event: InboundEvent, edit: MessageEdited) -> None:
        self.latest = event.id if edit.message_id != self.latest else self.latest
        waiting = self.waiting.get(edit.message_id)
        line = await self._transcript.find(self._conversation, edit.message_id)
        if line is None:
            await self._add_tombstone(edit.message_id, edit.text, edit.edited_at, edit.revision)
            if edit.attachments:
                await self._transcript.attach(self._conversation, edit.message_id, edit.attachments)
            return
        if line.state == "deleted":
            return
        # What was spoken is no part of what can be edited.
        edit = edit.model_copy(update={"text": join_speech(edit.text, line.attachments)})
        if not await self._transcript.edit(self._conversation, edit.message_id, edit.text, revision=edit.revision):
            return  # a later edit came first
        if edit.attachments:
            files = [*line.attachments, *(file for file in edit.attachments if file not in line.attachments)]
            line = await self._transcript.attach(self._conversation, edit.message_id, files) or line
        if waiting is not None:
            changes = {"text": edit.text, "attachments": [*waiting.attachments, *edit.attachments]}
            self.waiting[edit.message_id] = waiting.model_copy(update=changes)
        elif self._reopens(event, edit, line):
            self.waiting[edit.message_id] = _rebuild_message(edit, line)
            self.latest = edit.message_id

    def _reopens(self, event: InboundEvent, edit: MessageEdited, line: TranscriptMessage) -> bool:
        """True if the edit of an answered message is to be answered anew."""
        if line.author.kind != "contact" or edit.message_id not in self._known or self.answered.is_overtaken(event):
            return False
        # With the same revision it is known from an earlier attempt at this turn.
        changed = edit.text != line.text or 0 < edit.revision == line.revision
        in_time = edit.edited_at - line.created_at <= EDIT_REOPENS
        is_recent = self._now - event.sent_at <= HORIZON and not self._is_from_before_restore(event)
        return changed and in_time and is_recent

    def _is_from_before_restore(self, event: InboundEvent) -> bool:
        """Whether the installation that was lost has probably handled the event. A replay is somebody's decision."""
        return self._restored_at is not None and event.sent_at <= self._restored_at and not event.envelope.replay_of

    async def _delete(self, deleted: MessageDeleted) -> None:
        conversation, id = self._conversation, deleted.message_id
        self.waiting.pop(id, None)
        self.answered = self.answered.without_messages([id])
        self.latest = id
        if await self._transcript.find(conversation, id) is None:
            await self._add_tombstone(id, "", deleted.deleted_at)
        await self._transcript.edit(conversation, id, "")
        await self._transcript.mark(conversation, [id], "deleted")
        await self._transcript.attach(conversation, id, [])

    async def _add_tombstone(self, id: str, text: str, at: datetime, revision: int = 0) -> None:
        """Add a line for a message that was edited or deleted before it arrived."""
        line = TranscriptMessage(id=id, author=Author(kind="contact"), text=text, created_at=at, revision=revision)
        await self._transcript.add(self._conversation, line)


def _rebuild_message(edit: MessageEdited, line: TranscriptMessage) -> InboundMessage:
    return InboundMessage(
        id=edit.message_id,
        external_id=edit.message_id,
        place=edit.place,
        contact_id=edit.contact_id,
        author=line.author,
        text=edit.text,
        attachments=line.attachments,
        sent_at=edit.edited_at,
        **content_fields(line),
    )
