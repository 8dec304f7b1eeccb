"""Sending of one message part: its intent, the call, and its outcome. All decisions about retries are made here."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.outbound.connections import AccountConnections
from connectors.outbound.delivery_log import MessagePart, Outcome
from connectors.outbound.delivery_reports import DeliveryReports
from connectors.outbound.policy import get_policy_lookup
from connectors.outbound.reconciliation import REVOKED_PAUSE, EndedAttempt, Reconciler
from schemas.errors import CredentialsRevoked, Parked, RetryLater, SendRefused, SendUnknown, Unavailable
from schemas.ports import UPLOAD_SECONDS, Clock, Metrics, RateLimit, SendVerdict, State, Transport, VendorCall
from schemas.runtime.crash_points import reach
from schemas.runtime.restore_time import RestoreTime

RESTORED = "restored"
"""The reason of an outcome that is unknown because the installation was restored from a backup."""
MAX_WAIT = 30.0
"""Seconds that a lane waits for a vendor; for longer waits the conversation is parked."""
RETRY_SECONDS = 45.0
"""Seconds for which a lane retries a part that certainly was not sent, before the conversation is parked."""
MAX_PAUSE = timedelta(hours=1)
"""Upper limit for pauses that a vendor asks for."""
MIN_SECONDS_LEFT = 0.5
"""With less left of an intent, nothing is begun under it."""


@dataclass(frozen=True, slots=True)
class Intent:
    """Permission to act until ``until``, which is ``ends`` on ``time.monotonic``."""

    at: datetime
    until: datetime
    ends: float

    @property
    def seconds(self) -> float:
        return (self.until - self.at).total_seconds()

    @property
    def seconds_left(self) -> float:
        return self.ends - time.monotonic()


@dataclass(slots=True)
class _Attempts:
    """``latest``: until when the lane retries. ``in_doubt``: an earlier attempt may have shown the part, so the answer
    to a later one does not end the doubt."""

    part: MessagePart
    intent: Intent
    latest: float
    in_doubt: bool
    number: int = 0


class PartSender:
    """Sends message parts on one channel. ``reports``: the vendor's reports, which come by webhook."""

    def __init__(
        self,
        channel: Transport,
        accounts: AccountConnections,
        *,
        state: State,
        metrics: Metrics,
        clock: Clock,
        reports: DeliveryReports | None = None,
    ) -> None:
        self._channel = channel
        self._policy_of = get_policy_lookup(channel)
        self._accounts = accounts
        self._state = state
        self._metrics = metrics
        self._clock = clock
        self.restore_time = RestoreTime(state.leases)
        self.reconciler = Reconciler(channel, accounts, state=state, clock=clock, reports=reports)

    async def send(self, part: MessagePart) -> Outcome:
        """Send the part, or find out what became of it. Raises Parked, Unavailable; may be repeated, because sends are
        on record."""
        self._accounts.check_not_paused(part.account)
        # A part that is only looked up does not use the pace.
        outcome = await (self._begin(part) if self.reconciler.get_own_deadline(part) is None else self._resume(part))
        self.reconciler.forget(part.marker)
        return outcome

    async def _begin(self, part: MessagePart) -> Outcome:
        await self._keep_pace(part)
        intent = self._build_intent(part)
        verdict = await self._state.deliveries.begin_send(
            part.conversation, part.own_message, deadline=intent.seconds, now=intent.at
        )
        if verdict == "go" and await self._is_from_before_restore(part):
            return await part.record_outcome("unknown", reason=RESTORED)
        return await (self._resume(part) if verdict == "in_doubt" else self._act_on_verdict(part, verdict, intent))

    async def _is_from_before_restore(self, part: MessagePart) -> bool:
        """Whether the installation that was lost has probably sent the part. Where a repeat shows nothing twice, it is
        sent again."""
        restored_at = await self.restore_time.load()
        is_older = restored_at is not None and part.envelope.time <= restored_at
        return is_older and self.reconciler.get_doubt_rule(part) != "repeat"

    def _build_intent(self, part: MessagePart) -> Intent:
        seconds = self._policy_of(part.account).deadline + (UPLOAD_SECONDS if part.call.files else 0.0)
        at = self._clock()
        return Intent(at, at + timedelta(seconds=seconds), time.monotonic() + seconds)

    def _get_attempt_timeout(self, part: MessagePart) -> float:
        return self._policy_of(part.account).attempt + (UPLOAD_SECONDS if part.call.files else 0.0)

    async def _resume(self, part: MessagePart) -> Outcome:
        """Continue an intent without an outcome: our own, whose answer was lost, or that of another sender."""
        repeat_seconds = await self._get_repeat_seconds(part)
        if repeat_seconds > self._get_attempt_timeout(part):
            if verdict := await self._find_reason_to_stop(part):
                return await part.record_outcome(verdict)
            now = self._clock()
            return await self._try_until_done(
                part,
                Intent(now, now + timedelta(seconds=repeat_seconds), time.monotonic() + repeat_seconds),
                in_doubt=True,
            )
        outcome = await self.reconciler.resolve(part)
        if outcome is not None:
            return outcome
        await self._keep_pace(part)
        return await self._act_on_verdict(part, *await self._begin_again(part, self.reconciler.get_own_deadline(part)))

    async def _begin_again(self, part: MessagePart, held: datetime | None) -> tuple[SendVerdict, Intent]:
        """Replace an intent under which nothing was shown. ``held``: its deadline, where it is ours."""
        intent = self._build_intent(part)
        verdict = await self._state.deliveries.begin_resend(
            part.conversation, part.own_message, deadline=intent.seconds, now=intent.at, held=held
        )
        return verdict, intent

    async def _get_repeat_seconds(self, part: MessagePart) -> float:
        """Return for how many seconds sending the same marker again shows nothing twice."""
        if self.reconciler.get_doubt_rule(part) == "repeat":
            return self._get_attempt_timeout(part) + RETRY_SECONDS
        if not self._policy_of(part.account).repeats:
            return 0.0
        deadline = await self._state.deliveries.intent_deadline(part.conversation, part.marker)
        return (deadline - self._clock()).total_seconds() if deadline else 0.0

    async def _act_on_verdict(self, part: MessagePart, verdict: SendVerdict, intent: Intent) -> Outcome:
        if verdict == "go":
            reach("connector.after_intent")
            return await self._try_until_done(part, intent)
        if verdict == "already_sent":
            return await part.delivery_log.repeat_outcome(part.envelope, part.marker, whole=part.message.id)
        if verdict == "in_doubt":
            # Another sender renewed the intent at the same time.
            raise Parked("somebody else is sending this", until=self._clock() + timedelta(seconds=intent.seconds))
        return await part.record_outcome(verdict)

    # ── pace ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _keep_pace(self, part: MessagePart) -> None:
        account, policy = part.account, self._policy_of(part.account)
        key = f"send:{account.tenant}:{account.channel}:{account.name}"
        await self._take(f"{key}:{part.message.place}", policy.contact_pace, part)
        await self._take(key, getattr(account.settings, "pace", None) or policy.pace, part)

    async def _take(self, key: str, pace: RateLimit | None, part: MessagePart) -> None:
        while pace is not None:
            wait = await self._state.limiter.take(key, per_second=pace.per_second, burst=pace.burst, now=self._clock())
            if not wait:
                return
            await self._wait(wait, part)

    async def _wait(self, seconds: float, part: MessagePart) -> None:
        """Wait. Raises Parked if it would take too long, Unavailable when the partition is being taken away."""
        if seconds > MAX_WAIT:
            raise Parked("the channel asks to wait", until=self._clock() + timedelta(seconds=seconds))
        try:
            async with asyncio.timeout(seconds):
                await part.hurry.wait()
        except TimeoutError:
            return
        raise Unavailable("the partition is being reassigned; its next owner sends this")

    # ── attempts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _try_until_done(self, part: MessagePart, intent: Intent, *, in_doubt: bool = False) -> Outcome:
        attempts = _Attempts(part, intent, self._get_retry_end(part, intent), in_doubt)
        while True:
            attempts.number += 1
            if (outcome := await self._try_once(attempts)) is not None:
                return outcome
            if attempts.in_doubt:
                if verdict := await self._find_reason_to_stop(part):
                    return await part.record_outcome(verdict)
                continue
            again, attempts.intent = await self._begin_again(part, attempts.intent.until)
            if again != "go":
                return await self._act_on_verdict(part, again, attempts.intent)

    async def _try_once(self, attempts: _Attempts) -> Outcome | None:
        """Make one attempt; return None if another may follow."""
        part = attempts.part
        try:
            external_id = await self._attempt(part, attempts.intent)
        except RetryLater as error:
            await self._handle_delay(error, attempts)
            return None
        except SendRefused as error:
            if part.fallback_call is not None:
                return await self._send_fallback(part, part.fallback_call, attempts)
            return await self._handle_refusal(error, part, attempts.in_doubt)
        except CredentialsRevoked as error:
            until = self._accounts.pause(part.account, REVOKED_PAUSE, error.message)
            await self._withdraw(part, attempts.in_doubt)
            raise Parked(error.message, until=until) from error
        except (SendUnknown, TimeoutError) as error:
            return await self._handle_no_answer(error, attempts)
        reach("connector.after_send")
        return await part.record_outcome("sent", external_id=external_id)

    async def _handle_no_answer(self, error: SendUnknown | TimeoutError, attempts: _Attempts) -> Outcome | None:
        part = attempts.part
        if self.reconciler.get_doubt_rule(part) == "repeat" or self._policy_of(part.account).repeats:
            attempts.in_doubt = True
            # The intent stays, because the part may have been shown.
            await self._wait(get_pause(None, attempts.number, attempts.latest), part)
            return None
        # Our own time limit does not show whether the vendor has processed the request.
        slow = not isinstance(error, SendUnknown) or error.slow
        denied = isinstance(error, SendUnknown) and error.denied
        self.reconciler.record_attempt(
            part, EndedAttempt(attempts.intent.until, self._clock(), slow=slow, denied=denied)
        )
        return await self.reconciler.resolve(part)

    def _get_retry_end(self, part: MessagePart, intent: Intent) -> float:
        """Return until when the lane retries, on ``time.monotonic``."""
        repeats = self._policy_of(part.account).repeats and self.reconciler.get_doubt_rule(part) != "repeat"
        return intent.ends - self._get_attempt_timeout(part) if repeats else time.monotonic() + RETRY_SECONDS

    async def _attempt(self, part: MessagePart, intent: Intent) -> str:
        """Make one attempt under this intent; return the external id. Raises a DeliveryError, TimeoutError."""
        if intent.seconds_left < MIN_SECONDS_LEFT:
            # This process was slow, and another one may be resolving the intent already.
            raise RetryLater("the intent is too old to be used")
        return await self.attempt(part, min(self._get_attempt_timeout(part), intent.seconds_left))

    async def attempt(self, part: MessagePart, seconds: float | None = None) -> str:
        """Make one attempt, with the channel's usual time limit unless given; return the external id. Raises a
        DeliveryError, TimeoutError."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._get_attempt_timeout(part) if seconds is None else seconds):
                reply = await self._accounts.get_connection(part.account).perform(part.call, part.marker)
        finally:
            self._metrics.observe("parley_send_seconds", time.monotonic() - started, channel=part.envelope.channel)
        return self._channel.parse_response(part.call, reply)

    async def _handle_delay(self, error: RetryLater, attempts: _Attempts) -> None:
        part, pause = attempts.part, get_pause(error.retry_after_ms, attempts.number, attempts.latest)
        if error.of_account and pause > 1:
            self._accounts.pause(part.account, min(timedelta(seconds=pause), MAX_PAUSE), error.message)
        try:
            await self._wait(min(pause, MAX_PAUSE.total_seconds()), part)
        except (Parked, Unavailable):
            await self._withdraw(part, attempts.in_doubt)
            raise

    async def _send_fallback(self, part: MessagePart, call: VendorCall, attempts: _Attempts) -> Outcome:
        """Send the fallback call. If an earlier attempt is in doubt, find out first what it has shown."""
        fallback = replace(part, call=call, fallback_call=None)
        return await (self._resume(fallback) if attempts.in_doubt else self._try_until_done(fallback, attempts.intent))

    async def _handle_refusal(self, error: SendRefused, part: MessagePart, in_doubt: bool) -> Outcome:
        """Record the refusal. A repeat may be refused although the first attempt succeeded, for example because the
        contact has blocked us since."""
        if in_doubt and self.reconciler.get_doubt_rule(part) == "lookup":
            with suppress(SendRefused):
                if (external_id := await self.reconciler.look_up(part)) is not None:
                    return await part.record_outcome("sent", external_id=external_id)
        return await part.record_outcome("failed", reason=error.message)

    async def _withdraw(self, part: MessagePart, in_doubt: bool) -> None:
        """Remove the intent, because the vendor said that it did nothing, unless an earlier attempt is in doubt."""
        if not in_doubt or (self.reconciler.get_doubt_rule(part) == "repeat" and part.fallback_call is None):
            self.reconciler.forget(part.marker)
            await self._state.deliveries.withdraw(part.conversation, part.marker)

    async def _find_reason_to_stop(self, part: MessagePart) -> Outcome | None:
        """Check expiry and owner again: both may have changed since the intent was written."""
        if self._clock() >= part.message.expires_at:
            return "expired"
        if part.message.author.kind != "agent":
            return None
        conversation = await self._state.conversations.get(part.conversation)
        min_epoch = 0 if conversation is None else conversation.agent_floor
        return "stale_owner" if part.message.epoch < min_epoch else None


def get_pause(retry_after_ms: int | None, attempts: int, latest: float) -> float:
    """Return seconds until the next attempt; above MAX_WAIT if that would be too late for this lane."""
    retry_after = (retry_after_ms or 0) / 1000
    pause = max(retry_after, 0.1 * 2.0 ** min(attempts, 8)) * random.uniform(1.0, 1.3)
    return pause if time.monotonic() + pause < latest else max(pause, MAX_WAIT + 1)
