"""What inbound events do to the transcript, and which messages a turn must answer (design §7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from agent_worker.turn.answered_watermark import Answered
from agent_worker.turn.inbound_events import SETTLING, Event, is_handled, is_history
from schemas.changes import MessageDeleted, MessageEdited
from schemas.content import content_of, content_words, shortened
from schemas.errors import IdReused
from schemas.facts import FilesStored
from schemas.messages import Attachment, Author, InboundMessage, Receipt, TranscriptMessage
from schemas.ports import Begun, Transcript, Wordless

log = structlog.get_logger("parley.worker")
EDIT_REOPENS = timedelta(minutes=15)
CARDS = frozenset({"text/vcard", "text/x-vcard", "text/directory"})
"""Types of files that are contact cards: some vendors send them so."""
TOLD_BY_KIND = frozenset({"order", "poll", "sticker"})
"""Kinds whose text is what they show, and nothing that the contact has said."""


@dataclass(slots=True)
class Intake:
    """``waiting``: the contact's messages to answer, oldest first. ``said``: messages of people, to be passed on.
    ``handled``: event ids that this turn settles. ``with_files``: new messages whose files are still with the vendor;
    ``stored``: what became of them. ``history`` counts those that are recorded and not answered. ``settling``: what
    others say about actions. ``latest``: what the contact has written, changed or thumbed last; ``authority``: the
    earliest event."""

    waiting: dict[str, InboundMessage] = field(default_factory=dict)
    said: list[tuple[Event, InboundMessage]] = field(default_factory=list)
    handled: list[str] = field(default_factory=list)
    history: int = 0
    with_files: dict[str, InboundMessage] = field(default_factory=dict)
    stored: list[FilesStored] = field(default_factory=list)
    settling: list[SETTLING] = field(default_factory=list)
    latest: str = ""
    authority: str = ""
    answered: Answered = field(default_factory=Answered)

    def drop(self, deleted: Iterable[str]) -> None:
        """One may have come before its message, and left its mark in the transcript."""
        for message in deleted:
            self.waiting.pop(message, None)
            self.answered.forget(message)

    @property
    def files(self) -> list[Attachment]:
        return [file for message in self.waiting.values() for file in message.attachments]

    @property
    def wordless(self) -> Wordless:
        """What the messages are when they say nothing in words."""
        waiting = self.waiting.values()
        if any(message.text.strip() and message.unsupported not in TOLD_BY_KIND for message in waiting):
            return ""
        if any(file.kind == "voice" for message in waiting for file in message.files):
            return "voice"
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

    @property
    def kind(self) -> str:
        """The kind of the newest message that has no words."""
        kinds = [message.unsupported or _sticker(message) for message in self.waiting.values()]
        return next((kind for kind in reversed(kinds) if kind), "")

    @property
    def about(self) -> list[str]:
        """What the messages quote, share or came from, in words."""
        lines = map(TranscriptMessage.of_inbound, self.waiting.values())
        return [word for line in lines for word in content_words(line)]

    @property
    def context(self) -> str:
        """What a short question under a quote, an advertisement or a product is about, to be looked up with it."""
        found: list[str] = []
        for message in self.waiting.values():
            if message.quote is not None:
                found.append(shortened(message.quote.text))
            if message.referral is not None:
                found.append(shortened(message.referral.headline or message.referral.body))
        return "\n".join(each for each in found if each)

    @property
    def is_cut(self) -> bool:
        """Whether a text was too long, so that only its beginning is known here."""
        return any(file.full_text for file in self.files)

    @property
    def person_asked(self) -> bool:
        return any(message.choice and message.choice.id == "person" for message in self.waiting.values())

    @property
    def text(self) -> str:
        left = [message.text.strip() for message in self.waiting.values()]
        return left[0] if len(left) == 1 else "\n".join(text for text in left if text)

    @property
    def speaker(self) -> str:
        """The contact who has written all of it; empty when there are several."""
        speakers = {message.contact_id for message in self.waiting.values()}
        return speakers.pop() if len(speakers) == 1 else ""


def _sticker(message: InboundMessage) -> str:
    """Some vendors send a sticker as a picture."""
    alone = bool(message.files) and all(file.kind == "sticker" for file in message.files)
    return "sticker" if alone and not message.text.strip() else ""


def plain_lines(events: Sequence[Event]) -> list[TranscriptMessage]:
    """The lines of a batch that holds nothing but messages of the contact, as mostly: they can join the transcript when
    the turn begins. Empty for any other, whose events change it one after the other."""
    messages = [event.message for event in events if event.is_from_contact and event.message is not None]
    return [TranscriptMessage.of_inbound(message) for message in messages] if len(messages) == len(events) else []


async def take_in(
    transcript: Transcript,
    conversation: str,
    events: Sequence[Event],
    begun: Begun,
    joined: bool,
    now: datetime,
    thumbs: Mapping[str, InboundMessage],
) -> Intake:
    """Apply every event that is not handled yet, in order. Safe to repeat: the transcript knows its ids. ``joined``:
    the lines of these events are in the transcript since ``begun``; ``thumbs``: reactions that answer a question, by
    event."""
    intake = Intake(answered=Answered.of(begun.conversation.facts))
    for event in events:
        if is_handled(event, begun.handled):
            if event.envelope.replay_of and event.id not in begun.handled:
                intake.handled.append(event.id)
            continue
        intake.handled.extend(id for id in (event.id, event.envelope.replay_of) if id)
        intake.authority = intake.authority or event.envelope.replay_of or event.id
        if event.id in thumbs:
            _wait(intake, event, thumbs[event.id], now)
            continue
        if event.message is not None and event.message.files:
            intake.with_files[event.message.id] = event.message
        if not joined:
            await _apply(transcript, conversation, event, intake, begun, now)
        elif event.message is not None:
            message: InboundMessage | None = event.message
            if event.message.id in begun.reused:
                message = await _as_edited(transcript, conversation, event.message)
            _wait(intake, event, message, now)
    return intake


async def _apply(
    transcript: Transcript, conversation: str, event: Event, intake: Intake, begun: Begun, now: datetime
) -> None:
    payload = event.payload
    if isinstance(payload, InboundMessage):
        if event.is_from_contact:
            await _received(transcript, conversation, event, payload, intake, now)
        else:
            await _said(transcript, conversation, event, payload, intake)
    elif isinstance(payload, MessageEdited):
        await _edited(transcript, conversation, event, payload, intake, begun, now)
    elif isinstance(payload, MessageDeleted):
        await _deleted(transcript, conversation, payload, intake)
    elif isinstance(payload, SETTLING):
        intake.settling.append(payload)
    elif isinstance(payload, Receipt) and payload.state == "failed":
        log.warning("reply_failed", message_id=payload.message_id, reason=payload.reason)


async def _said(
    transcript: Transcript, conversation: str, event: Event, message: InboundMessage, intake: Intake
) -> None:
    if message.shown:
        await transcript.add(conversation, TranscriptMessage.of_inbound(message))
    else:
        intake.said.append((event, message))
    if message.author.kind == "person":
        intake.answered.person_spoke(event)


async def _received(
    transcript: Transcript, conversation: str, event: Event, message: InboundMessage, intake: Intake, now: datetime
) -> None:
    known: InboundMessage | None = message
    try:
        await transcript.add(conversation, TranscriptMessage.of_inbound(message))
    except IdReused:
        known = await _as_edited(transcript, conversation, message)
    _wait(intake, event, known, now)


async def _as_edited(transcript: Transcript, conversation: str, message: InboundMessage) -> InboundMessage | None:
    """An edit was here first: the transcript is the newer word."""
    line = await transcript.find(conversation, message.id)
    return None if line is None else message.model_copy(update={"text": line.text})


def _wait(intake: Intake, event: Event, message: InboundMessage | None, now: datetime) -> None:
    if message is None:
        return
    intake.answered.hear(message.sent_at)
    if is_history(event, now) or intake.answered.includes(event):
        intake.history += 1
        return
    intake.answered.expect(message)
    if message.id not in intake.waiting:
        # Told a second time it is no later word.
        intake.latest = message.id
    intake.waiting[message.id] = message


async def _edited(
    transcript: Transcript,
    conversation: str,
    event: Event,
    edit: MessageEdited,
    intake: Intake,
    begun: Begun,
    now: datetime,
) -> None:
    intake.latest = event.id if edit.message_id != intake.latest else intake.latest
    waiting = intake.waiting.get(edit.message_id)
    line = await transcript.find(conversation, edit.message_id)
    if line is None:
        await transcript.add(conversation, _early(edit.message_id, edit.text, edit.edited_at, edit.revision))
        if edit.attachments:
            await transcript.attach(conversation, edit.message_id, edit.attachments)
        return
    if line.state == "deleted":
        return
    if not await transcript.edit(conversation, edit.message_id, edit.text, revision=edit.revision):
        return  # it came after a later one
    if edit.attachments:
        files = [*line.attachments, *(file for file in edit.attachments if file not in line.attachments)]
        line = await transcript.attach(conversation, edit.message_id, files) or line
    if waiting is not None:
        said = {"text": edit.text, "attachments": [*waiting.attachments, *edit.attachments]}
        intake.waiting[edit.message_id] = waiting.model_copy(update=said)
    elif (
        line.author.kind == "contact"
        and edit.message_id in begun.handled
        and _reopens(event, edit, line, now)
        and not intake.answered.includes(event)
    ):
        intake.waiting[edit.message_id] = _again(event, edit, line)
        intake.latest = edit.message_id


def _reopens(event: Event, edit: MessageEdited, line: TranscriptMessage, now: datetime) -> bool:
    # With the same revision it is known from a turn that broke off, or began again.
    changed = edit.text != line.text or 0 < edit.revision == line.revision
    return changed and edit.edited_at - line.created_at <= EDIT_REOPENS and not is_history(event, now)


def _early(message_id: str, text: str, at: datetime, revision: int = 0) -> TranscriptMessage:
    author = Author(kind="contact")
    return TranscriptMessage(id=message_id, author=author, text=text, created_at=at, revision=revision)


def _again(event: Event, edit: MessageEdited, line: TranscriptMessage) -> InboundMessage:
    return InboundMessage(
        id=edit.message_id,
        external_id=edit.message_id,
        place=edit.place,
        contact_id=edit.contact_id,
        author=line.author,
        text=edit.text,
        attachments=line.attachments,
        sent_at=edit.edited_at,
        **content_of(line),
    )


async def _deleted(transcript: Transcript, conversation: str, gone: MessageDeleted, intake: Intake) -> None:
    intake.drop([gone.message_id])
    intake.latest = gone.message_id
    if await transcript.find(conversation, gone.message_id) is None:
        await transcript.add(conversation, _early(gone.message_id, "", gone.deleted_at))
    await transcript.edit(conversation, gone.message_id, "")
    await transcript.mark(conversation, [gone.message_id], "deleted")
    await transcript.attach(conversation, gone.message_id, [])
