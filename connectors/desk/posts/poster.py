"""Posts of the desk on their way to Slack, with an intent before and an outcome after, as for every message."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.desk.posts.posts import Place, Post
from connectors.desk.posts.tempo import Rate, Tempo
from connectors.desk.rules import DeskRules
from connectors.outbound.connections import Accounts
from connectors.outbound.delivery_log import Ledger, Outcome, Piece
from connectors.outbound.reconciliation import REVOKED_WAIT
from connectors.outbound.sender import LONGEST_WAIT, Sender
from connectors.slack.desk.connection import DeskConnection
from connectors.slack.errors import failure
from schemas import topics
from schemas.conversation import Conversation
from schemas.envelope import Envelope, envelope
from schemas.errors import CredentialsRevoked, DeliveryError, Parked, SendDelayed, SendRefused, Unavailable
from schemas.messages import Author, OutboundMessage
from schemas.ports import Account, Clock, Limiter, Reply

EXPIRES = timedelta(days=7)
LOOK_AGAIN = timedelta(seconds=10)


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
        answered = await self._asked(session, method, arguments)
        return answered.message if isinstance(answered, SendRefused) else ""

    async def permalink(self, session: Session, place: Place) -> str:
        """The address of a message; empty where there is none any more. Raises Parked."""
        where = {"channel": place.channel, "message_ts": place.ts}
        answered = await self._asked(session, "chat.getPermalink", where)
        return "" if isinstance(answered, SendRefused) else str(answered.body.get("permalink") or "")

    async def _asked(self, session: Session, method: str, arguments: Mapping[str, Any]) -> Reply | SendRefused:
        self._accounts.admit(session.account)
        connection = self._accounts.connection(session.account)
        if not isinstance(connection, DeskConnection):
            raise TypeError("the desk needs a connection of its own")
        try:
            reply = await connection.ask(method, arguments)
            if (error := failure(reply)) is not None:
                raise error
        except SendRefused as error:
            return error
        except SendDelayed as error:
            wait = timedelta(milliseconds=error.retry_after_ms or 0) or LOOK_AGAIN
            raise Parked(error.message, until=self._clock() + wait) from error
        except CredentialsRevoked as error:
            until = self._accounts.pause(session.account, REVOKED_WAIT, error.message)
            raise Parked(error.message, until=until) from error
        except DeliveryError as error:
            raise Parked(error.message, until=self._clock() + LOOK_AGAIN) from error
        return reply


async def pause(seconds: float, hurry: asyncio.Event) -> None:
    """Raises Unavailable when the partition is being taken away."""
    try:
        async with asyncio.timeout(min(seconds, LONGEST_WAIT)):
            await hurry.wait()
    except TimeoutError:
        return
    raise Unavailable("the partition moves on; its next owner goes on with this")
