"""Sending and changing posts, with an intent before and an outcome after each post, as for every message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar, cast

from connectors.desk.port import Desk, DeskConnection, DeskRates, Post, Rate, RenderedPost
from connectors.desk.rules import TenantDeskRules
from connectors.desk.thread_ids import Place
from connectors.outbound.connections import AccountConnections
from connectors.outbound.delivery_log import DeliveryLog, MessagePart, Outcome
from connectors.outbound.reconciliation import REVOKED_PAUSE
from connectors.outbound.sender import MAX_WAIT, PartSender
from schemas import topics
from schemas.conversation import Conversation
from schemas.envelope import Envelope, envelope
from schemas.errors import CredentialsRevoked, DeliveryError, Parked, RetryLater, SendRefused, Unavailable
from schemas.messages import Author, OutboundMessage
from schemas.ports import Account, Clock, Limiter

POST_LIFETIME = timedelta(days=7)
RETRY_DELAY = timedelta(seconds=10)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DeskSession:
    """The context for showing one conversation, while this process has its lane."""

    conversation: Conversation
    rules: TenantDeskRules
    account: Account
    delivery_log: DeliveryLog
    revoking: asyncio.Event

    def build_envelope(self, message: OutboundMessage) -> Envelope:
        """Wrap a post under the desk's own channel and account, not those of the conversation."""
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

    def build_message(self, marker: str, now: datetime, channel: str = "", text: str = "") -> OutboundMessage:
        return OutboundMessage(
            id=marker,
            author=Author(kind="system"),
            text=text,
            place=channel,
            contact_id=self.conversation.origin.contact_id,
            purpose="desk",
            created_at=now,
            expires_at=now + POST_LIFETIME,
        )


class Poster:
    """Sends and changes posts, within the desk's rates."""

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
        """Wait for a free slot to post in a channel, first come, first served. Read the state only after this, so that
        the post contains everything that arrived meanwhile. Raises Unavailable when the partition moves on."""
        key = f"desk:{session.account.tenant}:{session.account.name}:{channel}"
        async with self._turns.setdefault(key, asyncio.Lock()):
            while wait := await self._take_token(key, self.rates.posts):
                await pause(wait, session.revoking)

    @property
    def is_busy(self) -> bool:
        """True while a post waits for a free slot."""
        return any(lock.locked() for lock in self._turns.values())

    async def _take_token(self, key: str, rate: Rate) -> float:
        return await self._limiter.take(key, per_second=rate.per_second, burst=rate.burst, now=self._clock())

    async def may_update(self, session: DeskSession) -> bool:
        """Take a slot to change a card, if one is free: vendors limit changes for the whole app."""
        return not await self._take_token(self._key(session, "updates"), self.rates.updates)

    async def may_mark(self, session: DeskSession) -> bool:
        """Take a slot to change a mark, if one is free."""
        return not await self._take_token(self._key(session, "reactions"), self.rates.marks)

    def _key(self, session: DeskSession, method: str) -> str:
        return f"desk:{session.account.tenant}:{session.account.name}:{method}"

    async def post(self, session: DeskSession, post: Post) -> Outcome:
        """Send a post. Raises Parked, Unavailable; repeating it is safe."""
        message = session.build_message(post.marker, self._clock(), post.channel, post.rendered.text)
        part = MessagePart(
            post.marker,
            self._desk.post_call(post),
            message,
            session.build_envelope(message),
            session.account,
            session.delivery_log,
            session.revoking,
        )
        return await self._sender.send(part)

    async def record_done(
        self, session: DeskSession, marker: str, *, outcome: Outcome = "sent", external_id: str = "", reason: str = ""
    ) -> None:
        """Record a final outcome for a marker."""
        message = session.build_message(marker, self._clock())
        await session.delivery_log.record_outcome(
            session.build_envelope(message), marker, outcome, external_id=external_id, reason=reason
        )

    async def ask(self, session: DeskSession, work: Callable[[DeskConnection], Awaitable[T]]) -> T | SendRefused:
        """Make a call that may be repeated; a final refusal is returned, not raised. Raises Parked."""
        self._accounts.check_not_paused(session.account)
        connection = cast(DeskConnection, self._accounts.get_connection(session.account))
        try:
            return await work(connection)
        except SendRefused as error:
            return error
        except RetryLater as error:
            wait = timedelta(milliseconds=error.retry_after_ms or 0) or RETRY_DELAY
            raise Parked(error.message, until=self._clock() + wait) from error
        except CredentialsRevoked as error:
            until = self._accounts.pause(session.account, REVOKED_PAUSE, error.message)
            raise Parked(error.message, until=until) from error
        except DeliveryError as error:
            raise Parked(error.message, until=self._clock() + RETRY_DELAY) from error

    async def update(self, session: DeskSession, place: Place, rendered: RenderedPost) -> str:
        """Replace the text of a post. Return the reason of a refusal, empty on success. Raises Parked."""
        refusal = await self.ask(session, lambda connection: connection.update(place, rendered))
        return refusal.message if refusal is not None else ""

    async def delete(self, session: DeskSession, place: Place) -> None:
        """Delete a post or a file. Raises Parked."""
        await self.ask(session, lambda connection: connection.delete(place))


async def pause(seconds: float, revoking: asyncio.Event) -> None:
    """Wait some seconds. Raises Unavailable when the partition is being taken away."""
    try:
        async with asyncio.timeout(min(seconds, MAX_WAIT)):
            await revoking.wait()
    except TimeoutError:
        return
    raise Unavailable("the partition is being reassigned; its next owner goes on with this")
