"""One piece of a message: its intent, the call, and what became of it. All decisions about retries are here."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.outbound.connections import Accounts
from connectors.outbound.delivery_log import Outcome, Piece
from connectors.outbound.delivery_reports import DeliveryReports
from connectors.outbound.policy import policies
from connectors.outbound.reconciliation import REVOKED_WAIT, Ended, Reconciler
from schemas.crash_points import reach
from schemas.errors import CredentialsRevoked, Parked, SendDelayed, SendRefused, SendUnknown, Unavailable
from schemas.ports import UPLOADING, Call, Clock, Metrics, Pace, SendVerdict, State, Transport

LONGEST_WAIT = 30.0
"""Seconds a lane waits for a vendor; longer waits park the conversation."""
PATIENCE = 45.0
"""Seconds for which a lane tries again what certainly was not sent; after that the conversation is parked."""
LONGEST_PAUSE = timedelta(hours=1)
"""A vendor that asks for more is asked again after this."""
TOO_LATE = 0.5
"""Seconds: with less left, nothing is begun under an intent."""


@dataclass(frozen=True, slots=True)
class Intent:
    """Ours to act under until ``until``, which is ``ends`` on ``time.monotonic``."""

    at: datetime
    until: datetime
    ends: float

    @property
    def seconds(self) -> float:
        return (self.until - self.at).total_seconds()

    @property
    def left(self) -> float:
        return self.ends - time.monotonic()


@dataclass(slots=True)
class _Tries:
    """``latest``: until when the lane tries by itself. ``in_doubt``: an earlier try may have shown it, so an answer to
    a later one does not end the doubt."""

    piece: Piece
    intent: Intent
    latest: float
    in_doubt: bool
    number: int = 0


class Sender:
    """Sends pieces of one channel's messages. ``reports``: what the vendor reports on them by webhook."""

    def __init__(
        self,
        channel: Transport,
        accounts: Accounts,
        *,
        state: State,
        metrics: Metrics,
        clock: Clock,
        reports: DeliveryReports | None = None,
    ) -> None:
        self._channel = channel
        self._policy_of = policies(channel)
        self._accounts = accounts
        self._state = state
        self._metrics = metrics
        self._clock = clock
        self.doubts = Reconciler(channel, accounts, state=state, clock=clock, reports=reports)

    async def send(self, piece: Piece) -> Outcome:
        """Raises Parked, Unavailable; repeating it is safe, because what was sent is known."""
        self._accounts.admit(piece.account)
        # Whoever only asks again what became of it takes nothing of the pace.
        outcome = await (self._begin(piece) if self.doubts.held(piece) is None else self._resume(piece))
        self.doubts.forget(piece.marker)
        return outcome

    async def _begin(self, piece: Piece) -> Outcome:
        await self._keep_pace(piece)
        intent = self._intent(piece)
        verdict = await self._state.deliveries.begin_send(
            piece.conversation, piece.message, deadline=intent.seconds, now=intent.at
        )
        return await (self._resume(piece) if verdict == "in_doubt" else self._go_on(piece, verdict, intent))

    def _intent(self, piece: Piece) -> Intent:
        seconds = self._policy_of(piece.account).deadline + (UPLOADING if piece.call.files else 0.0)
        at = self._clock()
        return Intent(at, at + timedelta(seconds=seconds), time.monotonic() + seconds)

    def _one_attempt(self, piece: Piece) -> float:
        return self._policy_of(piece.account).attempt + (UPLOADING if piece.call.files else 0.0)

    async def _resume(self, piece: Piece) -> Outcome:
        """An intent without an outcome: our own, whose answer was lost, or that of a sender that is gone."""
        left = await self._known_again_for(piece)
        if left > self._one_attempt(piece):
            if verdict := await self._unwanted(piece):
                return await piece.settle(verdict)
            now = self._clock()
            return await self._attempts(
                piece, Intent(now, now + timedelta(seconds=left), time.monotonic() + left), in_doubt=True
            )
        outcome = await self.doubts.resolve(piece)
        if outcome is not None:
            return outcome
        await self._keep_pace(piece)
        return await self._go_on(piece, *await self._begin_again(piece, self.doubts.held(piece)))

    async def _begin_again(self, piece: Piece, held: datetime | None) -> tuple[SendVerdict, Intent]:
        """A new intent in the place of one under which nothing was shown. ``held``: its deadline, where it is ours."""
        intent = self._intent(piece)
        verdict = await self._state.deliveries.begin_again(
            piece.conversation, piece.message, deadline=intent.seconds, now=intent.at, held=held
        )
        return verdict, intent

    async def _known_again_for(self, piece: Piece) -> float:
        """Seconds for which sending the same marker again shows nothing twice."""
        if self.doubts.doubt(piece) == "repeat":
            return self._one_attempt(piece) + PATIENCE
        if not self._policy_of(piece.account).repeats:
            return 0.0
        deadline = await self._state.deliveries.doubtful_until(piece.conversation, piece.marker)
        return (deadline - self._clock()).total_seconds() if deadline else 0.0

    async def _go_on(self, piece: Piece, verdict: SendVerdict, intent: Intent) -> Outcome:
        if verdict == "go":
            reach("connector.after_intent")
            return await self._attempts(piece, intent)
        if verdict == "already_sent":
            return await piece.ledger.repeat(piece.envelope, piece.marker, whole=piece.whole.id)
        if verdict == "in_doubt":
            # Another sender renewed the intent in this instant.
            raise Parked("somebody else is sending this", until=self._clock() + timedelta(seconds=intent.seconds))
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

    async def _attempts(self, piece: Piece, intent: Intent, *, in_doubt: bool = False) -> Outcome:
        tries = _Tries(piece, intent, self._latest(piece, intent), in_doubt)
        while True:
            tries.number += 1
            if (outcome := await self._one_try(tries)) is not None:
                return outcome
            if tries.in_doubt:
                if verdict := await self._unwanted(piece):
                    return await piece.settle(verdict)
                continue
            again, tries.intent = await self._begin_again(piece, tries.intent.until)
            if again != "go":
                return await self._go_on(piece, again, tries.intent)

    async def _one_try(self, tries: _Tries) -> Outcome | None:
        """None where another one may follow."""
        piece = tries.piece
        try:
            external_id = await self._attempt(piece, tries.intent)
        except SendDelayed as error:
            await self._delayed(error, tries)
            return None
        except SendRefused as error:
            if piece.instead is not None:
                return await self._otherwise(piece, piece.instead, tries)
            return await self._refused(error, piece, tries.in_doubt)
        except CredentialsRevoked as error:
            until = self._accounts.pause(piece.account, REVOKED_WAIT, error.message)
            await self._withdraw(piece, tries.in_doubt)
            raise Parked(error.message, until=until) from error
        except (SendUnknown, TimeoutError) as error:
            return await self._unanswered(error, tries)
        reach("connector.after_send")
        return await piece.settle("sent", external_id=external_id)

    async def _unanswered(self, error: SendUnknown | TimeoutError, tries: _Tries) -> Outcome | None:
        piece = tries.piece
        if self.doubts.doubt(piece) == "repeat" or self._policy_of(piece.account).repeats:
            tries.in_doubt = True
            await self._wait(_pause(None, tries.number, tries.latest), piece)  # the intent stays: it may be there
            return None
        # Our own time limit says nothing of how far the vendor has come.
        slow = not isinstance(error, SendUnknown) or error.slow
        denied = isinstance(error, SendUnknown) and error.denied
        self.doubts.note(piece, Ended(tries.intent.until, self._clock(), slow=slow, denied=denied))
        return await self.doubts.resolve(piece)

    def _latest(self, piece: Piece, intent: Intent) -> float:
        """Until when the lane tries by itself, on ``time.monotonic``."""
        repeats = self._policy_of(piece.account).repeats and self.doubts.doubt(piece) != "repeat"
        return intent.ends - self._one_attempt(piece) if repeats else time.monotonic() + PATIENCE

    async def _attempt(self, piece: Piece, intent: Intent) -> str:
        """One try under this intent; the external id. Raises a DeliveryError, TimeoutError."""
        if intent.left < TOO_LATE:
            # This process was held up, and whoever resolves the intent may be at it already.
            raise SendDelayed("the intent is too old to act under")
        return await self.attempt(piece, min(self._one_attempt(piece), intent.left))

    async def attempt(self, piece: Piece, seconds: float | None = None) -> str:
        """One try, of the channel's usual length where nothing else is said; the external id. Raises a DeliveryError,
        TimeoutError."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._one_attempt(piece) if seconds is None else seconds):
                reply = await self._accounts.connection(piece.account).perform(piece.call, piece.marker)
        finally:
            self._metrics.observe("parley_send_seconds", time.monotonic() - started, channel=piece.envelope.channel)
        return self._channel.judge(piece.call, reply)

    async def _delayed(self, error: SendDelayed, tries: _Tries) -> None:
        piece, pause = tries.piece, _pause(error.retry_after_ms, tries.number, tries.latest)
        if error.of_account and pause > 1:
            self._accounts.pause(piece.account, min(timedelta(seconds=pause), LONGEST_PAUSE), error.message)
        try:
            await self._wait(min(pause, LONGEST_PAUSE.total_seconds()), piece)
        except (Parked, Unavailable):
            await self._withdraw(piece, tries.in_doubt)
            raise

    async def _otherwise(self, piece: Piece, call: Call, tries: _Tries) -> Outcome:
        """An earlier process may have come to this too: then it is not known what that one has shown."""
        other = replace(piece, call=call, instead=None)
        return await (self._resume(other) if tries.in_doubt else self._attempts(other, tries.intent))

    async def _refused(self, error: SendRefused, piece: Piece, in_doubt: bool) -> Outcome:
        """A repeat may be refused although the first try was not: somebody left, or shut us out meanwhile."""
        if in_doubt and self.doubts.doubt(piece) == "lookup":
            with suppress(SendRefused):
                if (shown := await self.doubts.look_up(piece)) is not None:
                    return await piece.settle("sent", external_id=shown)
        return await piece.settle("failed", reason=error.message)

    async def _withdraw(self, piece: Piece, in_doubt: bool) -> None:
        """The vendor said that it did nothing, so there is no doubt: whoever comes next begins anew. Unless an earlier
        try is still in doubt."""
        if not in_doubt or (self.doubts.doubt(piece) == "repeat" and piece.instead is None):
            self.doubts.forget(piece.marker)
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


def _pause(retry_after_ms: int | None, tries: int, latest: float) -> float:
    """Seconds until the next try; above LONGEST_WAIT when it would come too late for this lane."""
    asked = (retry_after_ms or 0) / 1000
    pause = max(asked, 0.1 * 2.0 ** min(tries, 8)) * random.uniform(1.0, 1.3)
    return pause if time.monotonic() + pause < latest else max(pause, LONGEST_WAIT + 1)
