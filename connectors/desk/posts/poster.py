"""Posts on their way to the desk, with an intent before and an outcome after, as for every message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar, cast

from connectors.desk.port import Desk, DeskConnection, DeskRates, Post, Rate, RenderedPost
from connectors.desk.rules import DeskRules
from connectors.desk.thread_ids import Place
from connectors.outbound.connections import AccountConnections
from connectors.outbound.delivery_log import DeliveryLog, MessagePart, Outcome
from connectors.outbound.reconciliation import REVOKED_PAUSE
from connectors.outbound.sender import MAX_WAIT, PartSender
from schemas import topics
from schemas.conversation import Conversation
from schemas.envelope import Envelope, envelope
from schemas.errors import CredentialsRevoked, DeliveryError, Parked, SendDelayed, SendRefused, Unavailable
from schemas.messages import Author, OutboundMessage
from schemas.ports import Account, Clock, Limiter

EXPIRES = timedelta(days=7)
LOOK_AGAIN = timedelta(seconds=10)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DeskSession:
    """One conversation whose lane is ours, and all that it takes to show something of it."""

    conversation: Conversation
    rules: DeskRules
    account: Account
    ledger: DeliveryLog
    hurry: asyncio.Event

    def envelope(self, message: OutboundMessage) -> Envelope:
        """Wrap a post under the desk's own account, wherever the conversation happens."""
        account = self.account
        return envelope(
            topics.MESSAGE_SEND,
            message,
            id=message.id,
            time=message.created_at,
            source=f"/connectors/{account.channel}/{account.tenant}/{account.name}",
            tenant=account.tenant,
            channel=account.channel,
            account=account.name,
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
    """Posts and changes posts, at the rates that the desk takes."""

    def __init__(
        self,
        desk: Desk,
        sender: PartSender,
        accounts: AccountConnections,
        limiter: Limiter,
        clock: Clock,
        rates: DeskRates,
    ) -> None:
        self._desk = desk
        self._sender = sender
        self._accounts = accounts
        self._limiter = limiter
        self._clock = clock
        self.rates = rates
        self._turns: dict[str, asyncio.Lock] = {}

    async def wait_turn(self, session: DeskSession, channel: str) -> None:
        """Wait until one post may be made there; whoever came first has the first turn. To be called before the state
        is read, so that the post holds all that came meanwhile. Raises Unavailable when the partition moves on."""
        key = f"desk:{session.account.tenant}:{session.account.name}:{channel}"
        async with self._turns.setdefault(key, asyncio.Lock()):
            while wait := await self._take(key, self.rates.posts):
                await pause(wait, session.hurry)

    @property
    def is_busy(self) -> bool:
        """True while somebody waits for a turn."""
        return any(lock.locked() for lock in self._turns.values())

    async def _take(self, key: str, rate: Rate) -> float:
        return await self._limiter.take(key, per_second=rate.per_second, burst=rate.burst, now=self._clock())

    async def may_update(self, session: DeskSession) -> bool:
        """Take a turn to change one more card, if there is one now: vendors limit that for the whole app."""
        return not await self._take(self._key(session, "updates"), self.rates.updates)

    async def may_mark(self, session: DeskSession) -> bool:
        """Take a turn to change one more mark, if there is one now."""
        return not await self._take(self._key(session, "reactions"), self.rates.marks)

    def _key(self, session: DeskSession, method: str) -> str:
        return f"desk:{session.account.tenant}:{session.account.name}:{method}"

    async def post(self, session: DeskSession, post: Post) -> Outcome:
        """Send a post. Raises Parked, Unavailable; repeating it is safe."""
        message = session.message(post.marker, self._clock(), post.channel, post.rendered.text)
        piece = MessagePart(
            post.marker,
            self._desk.post_call(post),
            message,
            session.envelope(message),
            session.account,
            session.ledger,
            session.hurry,
        )
        return await self._sender.send(piece)

    async def record_done(
        self, session: DeskSession, marker: str, *, outcome: Outcome = "sent", external_id: str = "", reason: str = ""
    ) -> None:
        """Put on record, for good, that something is done."""
        message = session.message(marker, self._clock())
        await session.ledger.record_outcome(
            session.envelope(message), marker, outcome, external_id=external_id, reason=reason
        )

    async def ask(self, session: DeskSession, work: Callable[[DeskConnection], Awaitable[T]]) -> T | SendRefused:
        """Do something that changes nothing when it is done again; what is refused for good is returned. Raises
        Parked."""
        self._accounts.check_not_paused(session.account)
        connection = cast(DeskConnection, self._accounts.get_connection(session.account))
        try:
            return await work(connection)
        except SendRefused as error:
            return error
        except SendDelayed as error:
            wait = timedelta(milliseconds=error.retry_after_ms or 0) or LOOK_AGAIN
            raise Parked(error.message, until=self._clock() + wait) from error
        except CredentialsRevoked as error:
            until = self._accounts.pause(session.account, REVOKED_PAUSE, error.message)
            raise Parked(error.message, until=until) from error
        except DeliveryError as error:
            raise Parked(error.message, until=self._clock() + LOOK_AGAIN) from error

    async def update(self, session: DeskSession, place: Place, rendered: RenderedPost) -> str:
        """Replace the text of a post. Returns why that is refused, empty where it is not. Raises Parked."""
        refused = await self.ask(session, lambda connection: connection.update(place, rendered))
        return refused.message if refused is not None else ""

    async def delete(self, session: DeskSession, place: Place) -> None:
        """Delete a post or a file. Raises Parked."""
        await self.ask(session, lambda connection: connection.delete(place))


async def pause(seconds: float, hurry: asyncio.Event) -> None:
    """Wait so long. Raises Unavailable when the partition is being taken away."""
    try:
        async with asyncio.timeout(min(seconds, MAX_WAIT)):
            await hurry.wait()
    except TimeoutError:
        return
    raise Unavailable("the partition moves on; its next owner goes on with this")
