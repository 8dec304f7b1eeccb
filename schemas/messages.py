"""Messages, their parts, and receipts: the payloads that connectors and workers exchange."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from schemas.validation.texts import require_visible

AuthorKind = Literal["contact", "agent", "person", "system"]
Assurance = Literal["anonymous", "channel", "verified"]
ReceiptState = Literal["accepted", "sent", "delivered", "read", "failed"]
MessageState = Literal[
    "received",
    "answered",
    "pending",
    "accepted",
    "unknown",
    "sent",
    "delivered",
    "read",
    "failed",
    "dropped",
    "deleted",
]
"""``unknown``: it may or may not have reached the contact."""
Purpose = Literal["reply", "notice", "desk"]

MAX_TEXT = 8_000
"""Characters of a message from a contact, on all channels. A longer text is also kept as a file."""
REFERRALS = {
    **dict.fromkeys(("ad", "ads", "advertisement"), "ad"),
    **dict.fromkeys(("share", "ig_post"), "shared_post"),
    **dict.fromkeys(("reel", "ig_reel"), "shared_reel"),
    **dict.fromkeys(("igme", "igme-source-link", "shortlink", "shortlinks"), "link"),
}
"""The vendors' words for referral sources → ours."""


def _check_printable(text: str) -> str:
    # Several vendors and PostgreSQL-like stores refuse NUL; lone surrogates cannot be encoded as UTF-8.
    if "\x00" in text:
        raise ValueError("must not contain NUL characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("must not contain lone surrogates") from error
    return text


Printable = Annotated[str, AfterValidator(_check_printable)]
Text = Annotated[Printable, AfterValidator(require_visible), Field(max_length=MAX_TEXT)]


def empty_list() -> Any:
    """The default of a list field. A literal empty list would be copied in Python for each message that lacks the
    field, which takes as long as reading the rest of the message."""
    return Field(default_factory=list, json_schema_extra={"default": []})


def _truncate(most: int) -> BeforeValidator:
    """Cut a vendor's value to ``most`` characters or items: it is shown to people and to models."""
    return BeforeValidator(lambda value: value[:most] if isinstance(value, str | list) else value)


Label = Annotated[Printable, _truncate(300)]
LongLabel = Annotated[Printable, _truncate(1_000)]


class WireModel(BaseModel):
    """A payload on the bus: readers ignore fields they do not know."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Author(WireModel):
    kind: AuthorKind
    name: str = ""


SpeechProblem = Literal["", "too_long", "not_audio", "unclear", "timeout", "failed"]
"""Why a voice note has no words: it is too long, is not sound that can be read, holds no speech that was understood, or
its transcription did not end in time or failed."""


class Speech(WireModel):
    """The transcription of a voice note, made once. ``text`` is also part of its message's text. ``language``: the one
    that was recognized, empty if unknown."""

    text: Printable = ""
    language: str = ""
    problem: SpeechProblem = ""


class Attachment(WireModel):
    """A reference to a stored file. ``id`` is random (earlier releases: the hash of the content); ``size`` is in bytes.
    ``missing`` says why a file could not be fetched: nothing is stored then, and ``id`` only stands for the gap.
    ``full_text``: not a file that was sent but the full text of a message that was longer than ``MAX_TEXT`` and is cut
    in the message. ``speech``: the transcription of a voice note, None if nobody has transcribed it."""

    id: str
    name: str
    type: str
    size: int
    missing: str = ""
    full_text: bool = False
    speech: Speech | None = None


class Choice(WireModel):
    id: str
    label: str


class ChoiceSelection(WireModel):
    """The contact picked choice ``id`` of message ``in_reply_to``."""

    in_reply_to: str
    id: str


class Citation(WireModel):
    """Proof of one claim: a verbatim ``quote`` from ``version`` of a document. ``n`` is the number in the text."""

    n: int
    document: str
    title: str
    heading: str = ""
    url: str = ""
    version: int = 0
    quote: str


class Address(WireModel):
    """One way to reach a contact, and how sure we are that it is theirs."""

    channel: str
    value: str
    assurance: Assurance = "anonymous"


FileKind = Literal["image", "video", "audio", "voice", "sticker", "file"]


class RemoteFile(WireModel):
    """A file that is still with the vendor. The channel fetches it by ``ref`` (an address, or the vendor's id);
    ``type`` and ``size`` (bytes, 0: unknown) are the vendor's claims."""

    ref: str
    name: str = ""
    kind: FileKind = "file"
    type: str = ""
    size: int = 0


class Location(WireModel):
    """A place on the map, in WGS 84 degrees."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    name: Label = ""
    address: Label = ""


class SharedContact(WireModel):
    name: Label
    phones: Annotated[list[Label], _truncate(10)] = empty_list()
    emails: Annotated[list[Label], _truncate(10)] = empty_list()


class Referral(WireModel):
    """The advertisement, link, story, post or product that the contact came from or refers to."""

    source: Label
    ref: LongLabel = ""
    url: LongLabel = ""
    headline: LongLabel = ""
    body: LongLabel = ""


class Quote(WireModel):
    """The message that another one quotes. ``id`` is ours, empty when unknown; ``text`` is its beginning."""

    id: str = ""
    text: LongLabel = ""


class InboundMessage(WireModel):
    """``parley.message.received.v1``: a message from a contact (or from a person on any surface).

    ``files`` are fetched by the worker's first step and become ``attachments`` in the transcript. ``unsupported`` names
    a kind that the channel cannot pass on, such as a poll, or that has no words, such as a missed call; see
    ``schemas.content``. With the author ``system`` and ``shown`` it is a note for the transcript that nobody answers.

    ``in_reply_to`` is our id of the message that it answers, if known; ``answers`` is the vendor's id of that message.
    ``quote`` is set when the contact chose to answer that message, and holds its text.

    ``epoch`` is the owner epoch under which a person wrote it; 0 when the surface made no claim, and the message itself
    is the claim. ``shown``: a person wrote it in the vendor's own app, so the contact has it already. ``revision``: the
    edit (``MessageEdited``) that its text already contains; 0: none. ``backfilled``: found in the vendor's history
    after an interruption, so later messages may have been answered already."""

    id: str
    external_id: str
    place: str
    contact_id: str
    author: Author = Author(kind="contact")
    text: Printable = ""
    attachments: list[Attachment] = empty_list()
    files: list[RemoteFile] = empty_list()
    location: Location | None = None
    shared_contacts: Annotated[list[SharedContact], _truncate(20)] = empty_list()
    referral: Referral | None = None
    quote: Quote | None = None
    unsupported: str = ""
    choice: ChoiceSelection | None = None
    in_reply_to: str = ""
    answers: str = ""
    locale: str = ""
    epoch: int = 0
    shown: bool = False
    backfilled: bool = False
    revision: int = 0
    sent_at: datetime


class OutboundMessage(WireModel):
    """``parley.message.send.v1``: to be delivered to the contact. ``text`` is canonical markdown.

    ``epoch`` is the owner epoch under which it was written; a message of the agent below the conversation's
    ``agent_floor`` is dropped before it is sent. ``answers`` is the vendor's id of the last message that it answers.
    ``locale`` is the language of its set phrases, in which channels label its sources and choices."""

    id: str
    author: Author
    text: str
    place: str
    contact_id: str
    citations: list[Citation] = empty_list()
    choices: list[Choice] = empty_list()
    attachments: list[Attachment] = empty_list()
    in_reply_to: str = ""
    answers: str = ""
    turn_id: str = ""
    locale: str = ""
    epoch: int = 0
    purpose: Purpose = "reply"
    created_at: datetime
    expires_at: datetime


class ReplyBegun(WireModel):
    """``parley.reply.begun.v1``: the agent has begun to write the reply ``id``, and signals its text. Only for channels
    whose connector shows a reply while it is written; there may never be a final reply. The fields are those of
    ``OutboundMessage``."""

    id: str
    author: Author
    place: str
    contact_id: str
    answers: str = ""
    turn_id: str
    epoch: int = 0
    at: datetime


class Receipt(WireModel):
    """``parley.receipt.recorded.v1``: the vendor's report on an outbound message.

    Exactly one of ``message_id`` (ours) and ``external_id`` (theirs) is needed. ``up_to_seq`` is the web channel's
    form: everything outbound up to that transcript number. ``marker`` is our id of the piece, where the vendor returns
    it: a message in doubt is then known to be sent."""

    state: ReceiptState
    at: datetime
    message_id: str = ""
    external_id: str = ""
    up_to_seq: int = 0
    marker: str = ""
    reason: str = ""


class SharedLocation(WireModel):
    """A place on the map, in degrees."""

    lat: float
    lon: float
    name: str = ""


class TranscriptReferral(WireModel):
    """The thing that a message came from or refers to. ``kind``: ad, post, link, story, product, shared_post,
    shared_reel, or another word of the vendor."""

    kind: str
    title: str = ""
    url: str = ""


class UnsupportedContent(WireModel):
    """A kind of message that has no words, or that could not be passed on; see ``schemas.content``."""

    kind: str


class TranscriptMessage(WireModel):
    """A line of the transcript: what both sides of a conversation see. ``seq`` starts at 1 and only grows.
    ``revision``: of the author's latest edit; see ``MessageEdited``. ``schemas.content`` describes what is neither text
    nor file."""

    seq: int = 0
    id: str
    author: Author
    text: str
    citations: list[Citation] = empty_list()
    choices: list[Choice] = empty_list()
    attachments: list[Attachment] = empty_list()
    created_at: datetime
    in_reply_to: str = ""
    turn_id: str = ""
    revision: int = 0
    state: MessageState = "received"
    location: SharedLocation | None = None
    contacts: list[SharedContact] = empty_list()
    referral: TranscriptReferral | None = None
    quote: Quote | None = None
    unsupported: UnsupportedContent | None = None

    @classmethod
    def of_inbound(cls, message: InboundMessage) -> TranscriptMessage:
        """The line of a message on the log. Edge, worker and rebuild write the same line, whichever comes first."""
        return cls(
            id=message.id,
            author=message.author,
            text=message.text,
            attachments=message.attachments,
            created_at=message.sent_at,
            in_reply_to=message.choice.in_reply_to if message.choice else message.in_reply_to,
            revision=message.revision,
            **_non_text_fields(message),
        )

    @classmethod
    def of_outbound(cls, message: OutboundMessage, state: MessageState) -> TranscriptMessage:
        """The line of a message to the contact, in this state."""
        return cls(
            id=message.id,
            author=message.author,
            text=message.text,
            citations=message.citations,
            choices=message.choices,
            attachments=message.attachments,
            created_at=message.created_at,
            in_reply_to=message.in_reply_to,
            turn_id=message.turn_id,
            state=state,
        )

    def to_outbound(self, *, place: str, contact_id: str, expires_at: datetime) -> OutboundMessage:
        """The message to the contact that this line shows, so that it can be rendered again."""
        return OutboundMessage(
            id=self.id,
            author=self.author,
            text=self.text,
            place=place,
            contact_id=contact_id,
            citations=self.citations,
            choices=self.choices,
            attachments=self.attachments,
            in_reply_to=self.in_reply_to,
            created_at=self.created_at,
            expires_at=expires_at,
        )


def _non_text_fields(message: InboundMessage) -> dict[str, Any]:
    """Fields of a transcript line for what is neither text nor file. Most messages have none of it."""
    fields: dict[str, Any] = {}
    if (at := message.location) is not None:
        name = ", ".join(part for part in (at.name, at.address) if part)
        fields["location"] = SharedLocation(lat=at.latitude, lon=at.longitude, name=name)
    if message.shared_contacts:
        fields["contacts"] = message.shared_contacts
    if (referral := message.referral) is not None:
        kind = REFERRALS.get(referral.source.lower(), referral.source.lower()) or "link"
        title = referral.headline or referral.body or (referral.ref if kind == "link" else "")
        fields["referral"] = TranscriptReferral(kind=kind, title=title, url=referral.url)
    if message.quote is not None:
        fields["quote"] = message.quote
    if message.unsupported:
        fields["unsupported"] = UnsupportedContent(kind=message.unsupported)
    return fields
