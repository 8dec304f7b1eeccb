"""Posts of the desk on their way to Slack, with an intent before and an outcome after, as for every message."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.accounts import Accounts
from connectors.deliveries import Ledger, Outcome
from connectors.sending import LONGEST_WAIT, REVOKED_WAIT, Piece, Sender
from connectors.slack.desk.connection import DeskConnection
from connectors.slack.desk.kit import Json
from connectors.slack.desk.rules import DeskRules
from connectors.slack.desk.tempo import Rate, Tempo
from connectors.slack.errors import failure
from schemas import topics
from schemas.conversation import Conversation
from schemas.envelope import Envelope, envelope
from schemas.errors import CredentialsRevoked, DeliveryError, Parked, SendDelayed, SendRefused, Unavailable
from schemas.messages import Attachment, Author, OutboundMessage
from schemas.ports import Account, Call, Clock, Limiter

EXPIRES = timedelta(days=7)
EARLIER = timedelta(minutes=1)
LOOK_AGAIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something of the desk stands: ``ts`` is empty for the channel itself."""

    channel: str
    ts: str = ""

    @classmethod
    def of(cls, external_id: str) -> Place:
        channel, _, ts = external_id.partition("/")
        return cls(channel, ts)

    @property
    def is_file(self) -> bool:
        """Then ``ts`` is the file's id: messages are named by a time."""
        return bool(self.ts) and "." not in self.ts


@dataclass(frozen=True, slots=True)
class Post:
    """Something to be shown once, under ``marker``. ``thread`` is empty for what begins one; ``since``: it was surely
    not shown before; ``with_files``: they are all of it."""

    marker: str
    channel: str
    since: datetime
    thread: str = ""
    text: str = ""
    blocks: tuple[Json, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    with_files: tuple[Attachment, ...] = ()

    def call(self) -> Call:
        since = f"{(self.since - EARLIER).timestamp():.6f}"
        where = {"thread_ts": self.thread} if self.thread else {}
        if self.with_files:
            return Call(
                "files.completeUploadExternal", {"channel_id": self.channel, **where, "since": since}, self.with_files
            )
        said = {"text": self.text, "blocks": list(self.blocks), "unfurl_links": False, "unfurl_media": False}
        arguments = {"channel": self.channel, **where, **said, "since": since}
        return Call("chat.postMessage", {**arguments, "about": dict(self.about)})


@dataclass(frozen=True, slots=True)
class Session:
    """What is needed to show something of one conversation while its lane is ours."""

    conversation: Conversation
    rules: DeskRules
    account: Account
    ledger: Ledger
    hurry: asyncio.Event

    def envelope(self, message: OutboundMessage) -> Envelope:
        """Of a post, under the desk's own account, wherever the conversation happens."""
        return envelope(
            topics.MESSAGE_SEND,
            message,
            id=message.id,
            time=message.created_at,
            source=f"/connectors/{topics.DESK}/{self.account.tenant}/{self.account.name}",
            tenant=self.account.tenant,
            channel=topics.DESK,
            account=self.account.name,
            conversation=self.conversation.id,
            correlation_id=message.id,
        )

    def message(self, marker: str, now: datetime, channel: str = "", text: str = "") -> OutboundMessage:
        return OutboundMessage(
            id=marker,
            author=Author(kind="system"),
            text=text,
            place=channel,
            contact_id=self.conversation.origin.contact_id,
            purpose="desk",
            created_at=now,
            expires_at=now + EXPIRES,
        )


class Poster:
    def __init__(self, sender: Sender, accounts: Accounts, limiter: Limiter, clock: Clock, tempo: Tempo) -> None:
        self._sender = sender
        self._accounts = accounts
        self._limiter = limiter
        self._clock = clock
        self._tempo = tempo
        self._turns: dict[str, asyncio.Lock] = {}

    async def turn(self, session: Session, channel: str) -> None:
        """Waits until one post may be made there; whoever came first has the first turn. To be taken before the state
        is read, so that the post holds all that came meanwhile. Raises Unavailable when the partition moves on."""
        key = f"desk:{session.account.tenant}:{session.account.name}:{channel}"
        async with self._turns.setdefault(key, asyncio.Lock()):
            while wait := await self._take(key, self._tempo.posts):
                await pause(wait, session.hurry)

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits for a turn."""
        return any(lock.locked() for lock in self._turns.values())

    async def _take(self, key: str, rate: Rate) -> float:
        return await self._limiter.take(key, per_second=rate.per_second, burst=rate.at_once, now=self._clock())

    async def may(self, session: Session, what: str, rate: Rate) -> bool:
        """Whether one more call of a method that Slack limits for the whole app can be made now."""
        key = f"desk:{session.account.tenant}:{session.account.name}:{what}"
        return not await self._take(key, rate)

    async def post(self, session: Session, post: Post) -> Outcome:
        """Raises Parked, Unavailable; repeating it is safe."""
        message = session.message(post.marker, self._clock(), post.channel, post.text)
        piece = Piece(
            post.marker,
            post.call(),
            message,
            session.envelope(message),
            session.account,
            session.ledger,
            session.hurry,
        )
        return await self._sender.send(piece)

    async def note(
        self, session: Session, marker: str, *, outcome: Outcome = "sent", external_id: str = "", reason: str = ""
    ) -> None:
        """Put on record, for good, that something is done."""
        message = session.message(marker, self._clock())
        await session.ledger.settle(session.envelope(message), marker, outcome, external_id=external_id, reason=reason)

    async def ask(self, session: Session, method: str, arguments: Mapping[str, Any]) -> str:
        """A call that changes nothing when it is made again. Why Slack refuses it, empty when it does not. Raises
        Parked."""
        self._accounts.admit(session.account)
        connection = self._accounts.connection(session.account)
        if not isinstance(connection, DeskConnection):
            raise TypeError("the desk needs a connection of its own")
        try:
            error = failure(await connection.ask(method, arguments))
            if error is not None:
                raise error
        except SendRefused as error:
            return error.message
        except SendDelayed as error:
            wait = timedelta(milliseconds=error.retry_after_ms or 0) or LOOK_AGAIN
            raise Parked(error.message, until=self._clock() + wait) from error
        except CredentialsRevoked as error:
            until = self._accounts.pause(session.account, REVOKED_WAIT, error.message)
            raise Parked(error.message, until=until) from error
        except DeliveryError as error:
            raise Parked(error.message, until=self._clock() + LOOK_AGAIN) from error
        return ""


async def pause(seconds: float, hurry: asyncio.Event) -> None:
    """Raises Unavailable when the partition is being taken away."""
    try:
        async with asyncio.timeout(min(seconds, LONGEST_WAIT)):
            await hurry.wait()
    except TimeoutError:
        return
    raise Unavailable("the partition moves on; its next owner goes on with this")
