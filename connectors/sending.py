"""One piece of a message: its intent, the call, and what became of it. All decisions about retries are here."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from connectors.accounts import Accounts
from connectors.deliveries import Ledger, Outcome
from connectors.policy import policies
from schemas.crashpoints import reach
from schemas.envelope import Envelope
from schemas.errors import CredentialsRevoked, Parked, SendDelayed, SendRefused, SendUnknown, Unavailable
from schemas.messages import OutboundMessage
from schemas.ports import Account, Call, Channel, Clock, Connection, Doubt, Lookup, Metrics, Pace, SendVerdict, State

ONE_TRY = 15.0
LONGEST_WAIT = 30.0
"""Seconds a lane waits for a vendor; longer waits park the conversation."""
REVOKED_WAIT = timedelta(minutes=5)
LOOK_AGAIN = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(hours=1)
"""A vendor that asks for more is asked again after this."""


@dataclass(frozen=True, slots=True)
class Piece:
    """``marker`` is our id of it, ``whole`` the message it belongs to; the last piece has the message's own id.
    ``others``: the markers of the message's other pieces. ``instead`` is carried out when ``call`` is refused."""

    marker: str
    call: Call
    whole: OutboundMessage
    envelope: Envelope
    account: Account
    ledger: Ledger
    hurry: asyncio.Event
    others: tuple[str, ...] = ()
    instead: Call | None = None

    @property
    def conversation(self) -> str:
        return self.envelope.conversation

    @property
    def message(self) -> OutboundMessage:
        """What the owner rule and the expiry look at."""
        return self.whole if self.marker == self.whole.id else self.whole.model_copy(update={"id": self.marker})

    async def settle(self, outcome: Outcome, *, external_id: str = "", reason: str = "") -> Outcome:
        return await self.ledger.settle(
            self.envelope, self.marker, outcome, external_id=external_id, reason=reason, whole=self.whole.id
        )


class Sender:
    """Sends pieces of one channel's messages."""

    def __init__(self, channel: Channel, accounts: Accounts, *, state: State, metrics: Metrics, clock: Clock) -> None:
        self._channel = channel
        self._policy_of = policies(channel)
        self._accounts = accounts
        self._state = state
        self._metrics = metrics
        self._clock = clock

    async def send(self, piece: Piece) -> Outcome:
        """Raises Parked, Unavailable; repeating it is safe, because what was sent is known."""
        self._accounts.admit(piece.account)
        await self._keep_pace(piece)
        verdict = await self._state.deliveries.begin_send(
            piece.conversation, piece.message, deadline=self._deadline(piece), now=self._clock()
        )
        if verdict == "in_doubt":
            return await self._resolve(piece)
        return await self._go_on(piece, verdict)

    async def _resolve(self, piece: Piece) -> Outcome:
        """An intent without an outcome: a crash, or an answer that never came."""
        doubt = self._doubt(piece)
        if doubt == "never":
            return await piece.settle("unknown", reason="no_answer")
        if (left := await self._known_again_for(piece)) > ONE_TRY:
            verdict = await self._unwanted(piece)
            return await (piece.settle(verdict) if verdict else self._attempts(piece, left, in_doubt=True))
        if doubt == "lookup":
            try:
                shown = await self.look_up(piece)
            except SendRefused as error:
                return await piece.settle("unknown", reason=error.message)
            except Parked:
                if self._clock() < piece.whole.expires_at:
                    raise
                return await piece.settle("unknown", reason="no_answer")
            if shown is not None:
                return await piece.settle("sent", external_id=shown)
        await self.still_in_doubt(piece)
        if doubt == "receipt":
            return await piece.settle("unknown", reason="no_answer")
        again = await self._state.deliveries.begin_again(
            piece.conversation, piece.message, deadline=self._deadline(piece), now=self._clock()
        )
        return await self._go_on(piece, again)

    def _deadline(self, piece: Piece) -> float:
        return self._policy_of(piece.account).deadline

    def _doubt(self, piece: Piece) -> Doubt:
        return "repeat" if piece.call.repeats else self._policy_of(piece.account).doubt

    async def _known_again_for(self, piece: Piece) -> float:
        """Seconds for which sending the same marker again shows nothing twice."""
        policy = self._policy_of(piece.account)
        if self._doubt(piece) == "repeat":
            return self._deadline(piece)
        deadline = await self._state.deliveries.doubtful_until(piece.conversation, piece.marker)
        return (deadline - self._clock()).total_seconds() if policy.repeats and deadline else 0.0

    async def look_up(self, piece: Piece) -> str | None:
        """Raises Parked when the vendor cannot say now, SendRefused when it never will."""
        shown = await self._asked(piece)
        if shown is None:
            return None
        return shown if await self._is_its_own(piece, shown) else None

    async def _is_its_own(self, piece: Piece, shown: str) -> bool:
        """A vendor that shows no markers finds what looks the same, which may be another message or another piece. The
        piece itself may have got its id, and not its outcome, before a crash."""
        sent, deliveries = piece.envelope, self._state.deliveries
        known = await deliveries.by_external_id(sent.tenant, sent.channel, sent.account, shown)
        if known is None or known != (piece.conversation, piece.whole.id):
            return known is None
        others = [await deliveries.outcome(piece.conversation, marker) for marker in piece.others]
        return all(other is None or other.external_id != shown for other in others)

    async def _asked(self, piece: Piece) -> str | None:
        connection = self._connection(piece)
        if not isinstance(connection, Lookup):
            raise TypeError(f"{self._channel.name} promises look-ups, its connection has none")
        try:
            async with asyncio.timeout(ONE_TRY):
                return await connection.lookup(piece.call, piece.marker)
        except (SendDelayed, SendUnknown, TimeoutError) as error:
            raise Parked("the vendor cannot say now what it has shown", until=self._clock() + LOOK_AGAIN) from error
        except CredentialsRevoked as error:
            raise Parked(
                error.message, until=self._accounts.pause(piece.account, REVOKED_WAIT, error.message)
            ) from error

    async def still_in_doubt(self, piece: Piece) -> None:
        """Raises Parked until the intent's deadline is over and what was on its way has arrived."""
        deadline = await self._state.deliveries.doubtful_until(piece.conversation, piece.marker)
        now = self._clock()
        decided = now if deadline is None else deadline + timedelta(seconds=self._policy_of(piece.account).settles)
        if now < decided:
            raise Parked("it may be on its way", until=min(now + LOOK_AGAIN, decided))

    async def _go_on(self, piece: Piece, verdict: SendVerdict) -> Outcome:
        if verdict == "go":
            reach("connector.after_intent")
            return await self._attempts(piece)
        if verdict == "already_sent":
            return await piece.ledger.repeat(piece.envelope, piece.marker, whole=piece.whole.id)
        if verdict == "in_doubt":
            # Another sender renewed the intent in this instant.
            raise Parked(
                "somebody else is sending this", until=self._clock() + timedelta(seconds=self._deadline(piece))
            )
        return await piece.settle(verdict)

    # ── pace ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _keep_pace(self, piece: Piece) -> None:
        account, policy = piece.account, self._policy_of(piece.account)
        key = f"send:{account.tenant}:{account.channel}:{account.name}"
        await self._take(f"{key}:{piece.whole.place}", policy.contact_pace, piece)
        await self._take(key, getattr(account.settings, "pace", None) or policy.pace, piece)

    async def _take(self, key: str, pace: Pace | None, piece: Piece) -> None:
        while pace is not None:
            wait = await self._state.limiter.take(key, per_second=pace.per_second, burst=pace.burst, now=self._clock())
            if not wait:
                return
            await self._wait(wait, piece)

    async def _wait(self, seconds: float, piece: Piece) -> None:
        """Raises Parked when it would be too long, Unavailable when the partition is being taken away."""
        if seconds > LONGEST_WAIT:
            raise Parked("the channel asks to wait", until=self._clock() + timedelta(seconds=seconds))
        try:
            async with asyncio.timeout(seconds):
                await piece.hurry.wait()
        except TimeoutError:
            return
        raise Unavailable("the partition moves on; its next owner sends this")

    # ── tries ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _attempts(self, piece: Piece, seconds: float | None = None, *, in_doubt: bool = False) -> Outcome:
        """``in_doubt``: an earlier try may have shown it, so an answer to a later one does not end the doubt."""
        ends, tries = time.monotonic() + (self._deadline(piece) if seconds is None else seconds), 0
        while True:
            if tries and (verdict := await self._unwanted(piece)):
                return await piece.settle(verdict)
            tries += 1
            try:
                external_id = await self.attempt(piece)
            except SendDelayed as error:
                await self._delayed(error, piece, tries, ends, in_doubt)
            except SendRefused as error:
                if piece.instead is not None:
                    return await self._otherwise(piece, piece.instead, in_doubt)
                return await self._refused(error, piece, in_doubt)
            except CredentialsRevoked as error:
                until = self._accounts.pause(piece.account, REVOKED_WAIT, error.message)
                await self._withdraw(piece, in_doubt)
                raise Parked(error.message, until=until) from error
            except (SendUnknown, TimeoutError):
                policy, in_doubt = self._policy_of(piece.account), True
                if self._doubt(piece) != "repeat" and not policy.repeats:
                    return await self._resolve(piece)
                await self._wait(_pause(None, tries, ends), piece)  # the intent stays: it may be there
            else:
                reach("connector.after_send")
                return await piece.settle("sent", external_id=external_id)

    async def attempt(self, piece: Piece, seconds: float | None = None) -> str:
        """One try, of ``ONE_TRY`` where nothing else is said; the external id. Raises a DeliveryError, TimeoutError."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(ONE_TRY if seconds is None else seconds):
                reply = await self._connection(piece).perform(piece.call, piece.marker)
        finally:
            self._metrics.observe("parley_send_seconds", time.monotonic() - started, channel=piece.envelope.channel)
        return self._channel.judge(piece.call, reply)

    def _connection(self, piece: Piece) -> Connection:
        return self._accounts.connection(piece.account)

    async def _delayed(self, error: SendDelayed, piece: Piece, tries: int, ends: float, in_doubt: bool) -> None:
        pause = _pause(error.retry_after_ms, tries, ends)
        if error.of_account and pause > 1:
            self._accounts.pause(piece.account, min(timedelta(seconds=pause), LONGEST_PAUSE), error.message)
        try:
            await self._wait(min(pause, LONGEST_PAUSE.total_seconds()), piece)
        except (Parked, Unavailable):
            await self._withdraw(piece, in_doubt)
            raise

    async def _otherwise(self, piece: Piece, call: Call, in_doubt: bool) -> Outcome:
        """An earlier process may have come to this too: then it is not known what that one has shown."""
        other = replace(piece, call=call, instead=None)
        return await (self._resolve(other) if in_doubt else self._attempts(other))

    async def _refused(self, error: SendRefused, piece: Piece, in_doubt: bool) -> Outcome:
        """A repeat may be refused although the first try was not: somebody left, or shut us out meanwhile."""
        if in_doubt and self._doubt(piece) == "lookup":
            with suppress(SendRefused):
                if (shown := await self.look_up(piece)) is not None:
                    return await piece.settle("sent", external_id=shown)
        return await piece.settle("failed", reason=error.message)

    async def _withdraw(self, piece: Piece, in_doubt: bool) -> None:
        """The vendor said that it did nothing, so there is no doubt: whoever comes next begins anew. Unless an earlier
        try is still in doubt."""
        if not in_doubt or (self._doubt(piece) == "repeat" and piece.instead is None):
            await self._state.deliveries.withdraw(piece.conversation, piece.marker)

    async def _unwanted(self, piece: Piece) -> Outcome | None:
        """The expiry and the owner rule again: both may have changed since the intent was written."""
        if self._clock() >= piece.whole.expires_at:
            return "expired"
        if piece.whole.author.kind != "agent":
            return None
        conversation = await self._state.conversations.get(piece.conversation)
        floor = 0 if conversation is None else conversation.agent_floor
        return "stale_owner" if piece.whole.epoch < floor else None


def _pause(retry_after_ms: int | None, tries: int, ends: float) -> float:
    """Seconds until the next try; above LONGEST_WAIT when it would come too near to the intent's deadline."""
    asked = (retry_after_ms or 0) / 1000
    pause = max(asked, 0.1 * 2.0 ** min(tries, 8)) * random.uniform(1.0, 1.3)
    return pause if time.monotonic() + pause < ends - ONE_TRY else max(pause, LONGEST_WAIT + 1)
