"""What a channel is to the rest: pure translation both ways, and a connection that carries out what was translated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Protocol, runtime_checkable

from schemas.conversation import Contact
from schemas.messages import Address, Attachment, OutboundMessage, RemoteFile, ReplyBegun


@dataclass(slots=True)
class RawRequest:
    """A webhook as it came: headers lower-cased, ``body`` untouched, ``url`` as the vendor called it.

    Never changed once made. Not declared frozen, nor is Event: that doubles the time of making one, and every webhook
    needs both."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """Our identity on a channel. ``settings`` is the channel's own validated model. ``siblings`` gives all accounts of
    the channel, of every tenant: a vendor may put updates of several into one request. ``desk``: places of this account
    where people of the tenant work; no contact is ever met there."""

    tenant: str
    channel: str
    name: str
    settings: Any
    siblings: Callable[[], Sequence[Account]] = field(default=tuple, compare=False, repr=False)
    desk: frozenset[str] = frozenset()


@dataclass(slots=True)
class Event:
    """What ``parse`` finds in a request: a typed payload on its way to an envelope. Never changed once made.

    ``account`` is set where a request carries what belongs to a sibling of the account that was called. A payload
    refers to messages by the vendor's ids (``external_id``); ids of ours are filled in on the way to the log.

    ``echo``: a message of our own side, of which the vendor does not say whether a person wrote it in the vendor's app
    or we have sent it; it is left out when it is known as sent.

    ``room``: where many people write, the vendor's id of that room. What happens there is left out unless it belongs to
    a conversation that we have; ``addressed`` is a message that begins one, or is meant for us in one of somebody
    else's."""

    type: str
    place: str
    external_id: str
    payload: Mapping[str, Any]
    addresses: Sequence[Address]
    revision: str = ""
    account: Account | None = None
    echo: bool = False
    room: str = ""
    addressed: bool = True


@dataclass(frozen=True, slots=True)
class Pace:
    """``per_second`` on average, ``burst`` at once."""

    per_second: float
    burst: int


Doubt = Literal["repeat", "lookup", "receipt", "never"]
"""How an intent without an outcome is resolved. ``repeat``: sending the same marker again shows nothing twice.
``lookup``: the connection can ask the vendor for certain. ``receipt``: the vendor reports every message it took by
webhook, with our marker, so the absence of a report while others arrive shows that it took none. ``never``: nobody
will know."""


UPLOADING = 7.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What a channel allows; the same for every account, unless the channel is ``Diverse``. ``window``: how long after
    the contact's last message anybody may write; ``person_window``: how long a person may. ``shows_contact``: rendering
    needs to know the contact. ``repeats``: the vendor knows a marker again for a while, so until an intent's deadline
    it is simply sent again, and only what is still in doubt after that is resolved as ``doubt`` says.

    All times are seconds. ``attempt``: one request; one with files has ``UPLOADING`` more. ``deadline``: from an intent
    until nobody acts under it any more; at least two more than the attempt. ``settles``: from the end of an attempt
    that broke or failed, or from the deadline of an intent whose sender is gone, until what the vendor took is surely
    seen by a look-up or in a report. ``settles_slowly``: the same where the vendor may still be working on the request;
    reports, which a crash of ours may have held up, are given so long after a crash too."""

    doubt: Doubt = "never"
    repeats: bool = False
    window: timedelta | None = None
    person_window: timedelta | None = None
    pace: Pace | None = None
    contact_pace: Pace | None = None
    attempt: float = 8.0
    deadline: float = 10.0
    settles: float = 5.0
    settles_slowly: float = 30.0
    shows_contact: bool = False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the channel can show; what it cannot, outbound degrades. ``max_text`` in characters. ``revises``: it is a
    Reviser."""

    max_text: int
    max_choices: int = 0
    markdown: bool = False
    streaming: bool = False
    typing: bool = False
    attachments: bool = False
    receipts: bool = False
    revises: bool = False
    has_vendor: bool = True
    """False: the channel is ours. Contacts read the transcript itself, and nobody calls a webhook."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a vendor, which shows one piece of a message. ``operation`` is the vendor's name for it,
    ``arguments`` what its client takes; ``files`` are sent along by whoever carries it out. ``repeats``: carrying it
    out again shows nothing twice."""

    operation: str
    arguments: Mapping[str, Any]
    files: Sequence[Attachment] = ()
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What the vendor answered: HTTP's ``status``, the decoded ``body`` (text where it was no JSON), lower-case
    ``headers``."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sending:
    """What a message is rendered for. ``answers``: the vendor's id of the message that it answers, where known.
    ``window_open`` False: only what reopens the window may be sent. ``as_person``: it is sent under the longer window
    that a person's words have."""

    conversation: str
    account: Account
    contact: Contact | None = None
    answers: str = ""
    window_open: bool = True
    as_person: bool = False


class Connection(Protocol):
    """The vendor's client for one account."""

    async def perform(self, call: Call, marker: str) -> Reply:
        """Carry it out once, without any repeat of its own. ``marker`` is our id of this piece, and goes along where
        the vendor carries one. Raises SendDelayed (it never left), SendUnknown (no answer came), SendRefused (it
        cannot be sent at all)."""

    async def close(self) -> None: ...


class Transport(Protocol):
    """What a sender needs of a channel or a desk to carry out its calls. All but ``connect`` is pure."""

    name: str
    policy: Policy

    def judge(self, call: Call, reply: Reply) -> str:
        """The vendor's id of what was shown. Raises a DeliveryError."""

    def connect(self, account: Account) -> Connection:
        """Vendors' libraries are imported here, not before. Opens nothing yet."""


class Channel(Transport, Protocol):
    """One a kind of channel; knows no account. All but ``connect`` is pure."""

    capabilities: Capabilities

    def verify(self, request: RawRequest, account: Account) -> None:
        """Raises Unauthorized. Constant time over the raw bytes."""

    def parse(self, request: RawRequest, account: Account) -> list[Event]:
        """Raises InvalidRequest; unknown kinds are reported through the log and left out."""

    def render(self, message: OutboundMessage, sending: Sending) -> list[Call]:
        """The calls that show it, in order; always the same for the same message. Raises SendRefused."""


@dataclass(frozen=True, slots=True)
class StreamRules:
    """How fast a vendor takes what is shown while it is written. ``begin`` and ``more``: calls of an account;
    ``every``: seconds between two calls of one stream; ``lasts``: seconds after which nothing can be added to it."""

    begin: Pace
    more: Pace
    every: float
    lasts: float


@runtime_checkable
class LiveReplies(Protocol):
    """A channel that shows a reply while it is written, and then replaces it by the whole. Its connections carry these
    calls out like any other, and ``judge`` reads their answers. All of it is pure."""

    stream_rules: StreamRules

    def opening(self, begun: ReplyBegun, contact: Contact | None, text: str) -> Call | None:
        """Shows the beginning. None where this place can show none. Looked up like a message when it is in doubt."""

    def more(self, opening: Call, shown: str, text: str) -> Call:
        """Adds to what ``opening`` showed under the id ``shown``."""

    def whole(self, call: Call, opening: Call, shown: str) -> Call | None:
        """``call`` of a message, so that it takes the place of what was shown; None where it cannot. Refused, it has
        taken away what was shown."""

    def retraction(self, opening: Call, shown: str) -> Call:
        """Takes away what was shown. Refused as ``not_found`` when it is gone already."""


@runtime_checkable
class Reviser(Protocol):
    """A channel on which what was sent can be changed and taken back. Its connections carry these calls out like any
    other, ``judge`` reads their answers, and carrying one out again changes nothing. All of it is pure."""

    def revised(self, call: Call, shown: str) -> Call | None:
        """``call`` of a message, so that it takes the place of what was shown under the id ``shown``; None where it
        cannot. Refused, it leaves what was shown as it is."""

    def removed(self, call: Call, shown: str) -> Call:
        """Takes away what ``call`` showed under the id ``shown``. Refused as ``not_found`` when it is gone already."""


@runtime_checkable
class Fetcher(Protocol):
    """A connection that can get what a contact sent."""

    async def fetch(self, file: RemoteFile, most: int) -> tuple[bytes, str, str]:
        """``(bytes, declared type, name)``. Raises TooLarge (over ``most`` bytes, as soon as that is known), NotFound
        (gone for good), SendDelayed, CredentialsRevoked."""


@runtime_checkable
class Seer(Protocol):
    """A connection that can tell a contact that a message was seen and an answer is being written."""

    async def seen(self, place: str, external_id: str) -> None:
        """Best effort; raises nothing but what a bug raises."""


@runtime_checkable
class Challenged(Protocol):
    """A channel whose vendor first asks whether the address is really ours."""

    def answer(self, request: RawRequest, account: Account) -> str | None:
        """What to send back as plain text, or None when this request is no such question. Raises Unauthorized."""


@runtime_checkable
class Diverse(Protocol):
    """A channel whose accounts differ in what they allow, because several vendors carry it."""

    def policy_of(self, account: Account) -> Policy: ...


@runtime_checkable
class Lookup(Protocol):
    """A connection that can say for sure whether something was shown."""

    async def lookup(self, call: Call, marker: str) -> str | None:
        """The external id, or None when it was certainly not shown. Raises SendUnknown, SendDelayed, and SendRefused
        when nobody will ever know. An id that is known to be another piece's counts as not shown."""


# What a connection may be asked beside sending: who somebody is, and whether the account is as it should be.
@dataclass(frozen=True, slots=True)
class Profile:
    """What a vendor says somebody is called. ``locale`` as BCP 47 has it, empty where nothing is said."""

    name: str
    locale: str = ""


@runtime_checkable
class Profiled(Protocol):
    """A channel whose messages do not say what their author is called; its connections are Profilers."""

    def known_by(self, addresses: Sequence[Address]) -> Address | None:
        """Which of a contact's addresses the vendor can be asked about. Pure."""


@runtime_checkable
class Profiler(Protocol):
    """A connection that can ask the vendor what somebody is called."""

    async def profile(self, address: Address) -> Profile | None:
        """None where the vendor says nothing of them: nobody there, no consent. Raises SendDelayed (ask later),
        CredentialsRevoked (nothing of this kind is said to this account)."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing a vendor says about an account; ``fix`` says what to do about it."""

    status: Literal["ok", "warn", "fail"]
    detail: str
    fix: str = ""


@runtime_checkable
class Inspectable(Protocol):
    """A connection that can ask the vendor whether the account is set up as it must be."""

    async def inspect(self) -> list[Remark]:
        """Shows nothing to anybody. Raises a DeliveryError when the vendor cannot be asked."""
