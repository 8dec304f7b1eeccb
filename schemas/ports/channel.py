"""Channels: pure translation in both directions, and a connection per account that carries out the vendor calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, Protocol, runtime_checkable

from schemas.conversation import Contact
from schemas.messages import Address, Attachment, OutboundMessage, RemoteFile, ReplyBegun


@dataclass(slots=True)
class RawRequest:
    """A webhook request: header names in lower case, ``body`` as received, ``url`` as the vendor called it.

    Treat it as immutable. It and ChannelEvent are not declared frozen, because that doubles the time of creating one,
    and every webhook needs both."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Account:
    """Our identity on a channel. ``settings`` is the channel's own validated model. ``siblings`` returns all accounts
    of the channel, of every tenant, because a vendor may put updates for several into one request. ``desk``: places of
    this account where the tenant's people work; no contact ever writes there."""

    tenant: str
    channel: str
    name: str
    settings: Any
    siblings: Callable[[], Sequence[Account]] = field(default=tuple, compare=False, repr=False)
    desk: frozenset[str] = frozenset()


@dataclass(slots=True)
class ChannelEvent:
    """An event that ``parse`` found in a request: a typed payload on its way into an envelope. Treat it as immutable.

    ``account`` is set when the event belongs to a sibling of the account that was called. A payload refers to messages
    by the vendor's ids (``external_id``); our ids are filled in before the append.

    ``echo``: a message from our side of which the vendor does not say whether a person wrote it in the vendor's app or
    we sent it; it is dropped if we are known to have sent it.

    ``room``: the vendor's id of a room where many people write. Events from a room are dropped unless they belong to a
    conversation of ours; ``addressed`` marks a message that starts one, or that is meant for us in somebody else's.

    ``party``: who shares fairly with the others on the account, if not each conversation by itself: a workspace, a
    server, a hashed network address."""

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
    party: str = ""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """``per_second`` on average, ``burst`` at once."""

    per_second: float
    burst: int


Reconciliation = Literal["repeat", "lookup", "receipt", "never"]
"""The way to resolve a send without an outcome. ``repeat``: sending the same marker again shows nothing twice.
``lookup``: the connection can ask the vendor for certain. ``receipt``: the vendor reports every message it accepts by
webhook, with our marker, so a missing report while others arrive shows that it did not accept this one. ``never``: it
cannot be found out."""


UPLOAD_SECONDS = 7.0


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """The limits and rules of a channel; the same for every account unless the channel has ``AccountPolicies``.
    ``window``: how long after the contact's last message anybody may write; ``person_window``: how long a person may.
    ``renders_contact``: rendering needs the contact. ``repeats``: the vendor recognizes a marker for a while, so until
    an intent's deadline the message is simply sent again, and only what is still in doubt afterwards is resolved by
    ``reconciliation``.

    All times are seconds. ``attempt``: the timeout of one request, ``UPLOAD_SECONDS`` longer with files. ``deadline``:
    from an intent until nobody acts under it any more; at least two seconds longer than the attempt. ``settle_time``:
    from the end of a broken or failed attempt, or from the deadline of an intent whose sender is gone, until a look-up
    or a report surely shows what the vendor accepted. ``slow_settle_time``: the same where the vendor may still be
    working on the request; also allowed for reports after a crash, which may have delayed them."""

    reconciliation: Reconciliation = "never"
    repeats: bool = False
    window: timedelta | None = None
    person_window: timedelta | None = None
    pace: RateLimit | None = None
    contact_pace: RateLimit | None = None
    attempt: float = 8.0
    deadline: float = 10.0
    settle_time: float = 5.0
    slow_settle_time: float = 30.0
    renders_contact: bool = False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The channel's features on which outbound depends; its renderer degrades what it cannot show. ``max_text`` in
    characters. ``live_text``: contacts see a reply while it is written. ``edits``: the channel is an EditRenderer."""

    max_text: int
    live_text: bool = False
    typing: bool = False
    edits: bool = False
    has_vendor: bool = True
    """False: the channel is ours. Contacts read the transcript itself, and nobody calls a webhook."""


@dataclass(frozen=True, slots=True)
class VendorCall:
    """One request to a vendor, which shows one piece of a message. ``operation`` is the vendor's name for it,
    ``arguments`` are what its client takes; the connection sends ``files`` along. ``repeats``: a repeat shows nothing
    twice."""

    operation: str
    arguments: Mapping[str, Any]
    files: Sequence[Attachment] = ()
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class VendorResponse:
    """The vendor's answer: HTTP ``status``, the decoded ``body`` (text if it is not JSON), lower-case ``headers``."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RenderContext:
    """The inputs of rendering beside the message. ``answers``: the vendor's id of the message that is answered, if
    known. ``window_open`` False: only a message that reopens the window may be sent. ``as_person``: it is sent under
    the longer window that people have."""

    conversation: str
    account: Account
    contact: Contact | None = None
    answers: str = ""
    window_open: bool = True
    as_person: bool = False


class Connection(Protocol):
    """The vendor's client for one account."""

    async def perform(self, call: VendorCall, marker: str) -> VendorResponse:
        """Carry out a call once, without retries. ``marker`` is our id of this piece, and is sent along where the
        vendor supports it. Raises RetryLater (it never left), SendUnknown (no answer came), SendRefused (it cannot be
        sent at all)."""

    async def close(self) -> None: ...


class Transport(Protocol):
    """The part of a channel or a desk that the sender uses to carry out its calls. All but ``connect`` is pure."""

    name: str
    policy: DeliveryPolicy

    def parse_response(self, call: VendorCall, reply: VendorResponse) -> str:
        """The vendor's id of what was shown. Raises a DeliveryError."""

    def connect(self, account: Account) -> Connection:
        """Vendors' libraries are imported here, not before. Opens nothing yet."""


class Channel(Transport, Protocol):
    """One kind of channel; knows no account. Everything but ``connect`` is pure."""

    capabilities: Capabilities

    def verify(self, request: RawRequest, account: Account) -> None:
        """Check the signature of the raw bytes in constant time. Raises Unauthorized."""

    def render(self, message: OutboundMessage, context: RenderContext) -> list[VendorCall]:
        """The calls that show the message, in order; always the same for the same message. Raises SendRefused."""


# The two ways in which a channel takes a webhook.
@runtime_checkable
class WebhookParser(Protocol):
    """A channel that only parses: the gateway appends the events and then responds with an empty 200. Pure."""

    def parse(self, request: RawRequest, account: Account) -> list[ChannelEvent]:
        """The events in a request. Unknown kinds are logged and left out. Raises InvalidRequest."""


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """The body of a 200."""

    text: str
    content_type: str = "text/plain"


AppendEvents = Callable[[Sequence[ChannelEvent]], Awaitable[None]]
"""Append the events of the account that was called; they are durable when it returns. Raises what the response is to
say: InvalidRequest, TemporaryRefusal."""


@runtime_checkable
class WebhookReceiver(Protocol):
    """A channel whose vendor's own framework parses, dispatches and answers its webhooks."""

    def prepare_webhooks(self, account: Account) -> None:
        """Load what the first webhook would have to wait for. Called before the edge listens."""

    async def receive(self, request: RawRequest, account: Account, append: AppendEvents) -> WebhookAnswer | None:
        """Take a verified request: await ``append`` for its events, then return the answer, None for an empty one.
        Raises what ``append`` does; Unauthorized, InvalidRequest."""


# Optional abilities of a channel. All of them are pure.
@dataclass(frozen=True, slots=True)
class LiveReplyLimits:
    """The rate at which a vendor accepts updates of a reply while it is written. ``begin`` and ``update_rate`` limit
    the calls of an account; ``every``: seconds between two calls of one stream; ``max_duration``: seconds after which a
    stream accepts no more."""

    begin: RateLimit
    update_rate: RateLimit
    every: float
    max_duration: float


@runtime_checkable
class LiveReplyRenderer(Protocol):
    """A channel that shows a reply while it is written, and then replaces it by the final message. Its connections
    carry out these calls like any other, and ``parse_response`` reads the responses."""

    live_reply_limits: LiveReplyLimits

    def render_opening(self, begun: ReplyBegun, contact: Contact | None, text: str) -> VendorCall | None:
        """Show the beginning; None where this place cannot. In doubt it is reconciled like a message."""

    def render_update(self, opening: VendorCall, shown: str, text: str) -> VendorCall:
        """Add text to what ``opening`` showed under the vendor's id ``shown``."""

    def render_final(self, call: VendorCall, opening: VendorCall, shown: str) -> VendorCall | None:
        """Turn ``call`` of the final message into one that replaces what was shown; None where it cannot. If the vendor
        refuses it, what was shown is gone."""

    def render_retraction(self, opening: VendorCall, shown: str) -> VendorCall:
        """Delete what was shown. Refused as ``not_found`` when it is gone already."""


@runtime_checkable
class EditRenderer(Protocol):
    """A channel on which sent messages can be edited and deleted. Its connections carry out these calls like any
    other, ``parse_response`` reads the responses, and a repeat changes nothing."""

    def render_edit(self, call: VendorCall, shown: str) -> VendorCall | None:
        """Turn ``call`` of a message into one that replaces what was shown under the vendor's id ``shown``; None where
        it cannot. If the vendor refuses it, what was shown stays as it is."""

    def render_deletion(self, call: VendorCall, shown: str) -> VendorCall:
        """Delete what ``call`` showed under the id ``shown``. Refused as ``not_found`` when it is gone already."""


@runtime_checkable
class WebhookHandshake(Protocol):
    """A channel whose vendor first verifies that the webhook address is ours."""

    def answer_handshake(self, request: RawRequest, account: Account) -> str | None:
        """The plain-text answer to a verification request; None for any other request. Raises Unauthorized."""


@runtime_checkable
class AccountPolicies(Protocol):
    """A channel whose accounts have different policies, because several vendors carry it."""

    def policy_of(self, account: Account) -> DeliveryPolicy: ...


@runtime_checkable
class ProfileAddressSelector(Protocol):
    """A channel whose messages do not carry their author's name; its connections are ProfileFetchers."""

    def select_profile_address(self, addresses: Sequence[Address]) -> Address | None:
        """The one of a contact's addresses that the vendor can be asked about."""


# Optional abilities of a connection.
@runtime_checkable
class FileFetcher(Protocol):
    """A connection that can download a contact's file."""

    async def fetch(self, file: RemoteFile, most: int) -> tuple[bytes, str, str]:
        """``(bytes, declared type, name)``. Raises TooLarge (over ``most`` bytes, as soon as that is known), NotFound
        (gone for good), RetryLater, CredentialsRevoked."""


@runtime_checkable
class TypingIndicator(Protocol):
    """A connection that can show a contact that a message was seen and an answer is being written."""

    async def show_typing(self, place: str, external_id: str) -> None:
        """Best effort: vendor errors are swallowed."""


@runtime_checkable
class DeliveryLookup(Protocol):
    """A connection that can find out for certain whether something was shown."""

    async def lookup(self, call: VendorCall, marker: str) -> str | None:
        """The external id, or None when it was certainly not shown. Raises SendUnknown, RetryLater, and SendRefused
        when it can never be found out. An id known to belong to another piece counts as not shown."""


@runtime_checkable
class ReportProbe(Protocol):
    """A connection that can make the vendor report something although the contact sees nothing."""

    async def request_report(self, call: VendorCall, answers: str, marker: str) -> None:
        """``answers``: the vendor's id of a message of the contact. Returns once the vendor has accepted the request,
        whose report carries the marker. May be repeated. Raises a DeliveryError."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A contact's name according to the vendor. ``locale`` in BCP 47 form, empty when the vendor does not say."""

    name: str
    locale: str = ""


@runtime_checkable
class ProfileFetcher(Protocol):
    """A connection that can ask the vendor for a contact's name."""

    async def fetch_profile(self, address: Address) -> Profile | None:
        """None when the vendor has nothing: no such user, no consent. Raises RetryLater (ask later),
        CredentialsRevoked (this account may not ask)."""


@dataclass(frozen=True, slots=True)
class AccountFinding:
    """One thing that the vendor reports about an account; ``fix`` says what to do about it."""

    status: Literal["ok", "warn", "fail"]
    detail: str
    fix: str = ""


@runtime_checkable
class AccountInspector(Protocol):
    """A connection that can check with the vendor that the account is set up correctly."""

    async def inspect(self) -> list[AccountFinding]:
        """Shows nothing to anybody. Raises a DeliveryError when the vendor cannot be asked."""


class DeskInbound(Protocol):
    """The entry point for what people do at the desk."""

    async def accept(self, account: Account, events: Sequence[ChannelEvent]) -> None:
        """Append the events; when this returns they are accepted. Each event is a ``parley.desk.acted.v1`` whose
        payload has the fields of ``DeskCommand`` without ``id``, ``account``, ``place`` and ``external_id``: the id is
        derived from the event's place, external id and revision. Events of no conversation of ours are dropped.

        Raises BusUnavailable, StateUnavailable, StateLost, Unavailable: the vendor should redeliver."""
