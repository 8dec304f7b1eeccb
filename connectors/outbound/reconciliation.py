"""Reconciliation: finding out what became of a send whose answer was lost, before anything is sent again.

When an attempt of this process has ended (the connection broke, the vendor failed), only the vendor may still act on
it. An intent that another process left behind may be acted on until its deadline.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.outbound.connections import AccountConnections
from connectors.outbound.delivery_log import MessagePart, Outcome
from connectors.outbound.delivery_reports import DeliveryReports
from connectors.outbound.policy import get_policy_lookup
from schemas import ids
from schemas.errors import CredentialsRevoked, DeliveryError, Parked, RetryLater, SendRefused, SendUnknown
from schemas.ports import Clock, DeliveryLookup, Reconciliation, ReportProbe, State, Transport

LOOKUP_TIMEOUT = 15.0
"""Seconds."""
REVOKED_PAUSE = timedelta(minutes=5)
RETRY_LOOKUP = timedelta(seconds=5)
RETRY_REPORT = timedelta(seconds=2)
DENIAL_SETTLE_SECONDS = 4.0
"""Time in which a report may still contradict a vendor that said it sent nothing."""
FAST_ATTEMPTS = 4
"""Attempts after which the pauses grow."""
MAX_PAUSE = 30.0
"""Seconds between two attempts."""
REPORT_TIMEOUT = timedelta(seconds=60)
"""People resolve what neither a report nor other news has decided by then."""
MAX_RESENDS = 2
"""Number of times that a message is sent again because no report on it came; each time the evidence is collected
anew."""
MAX_REMEMBERED = 10_000
NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class EndedAttempt:
    """An attempt of this process that ended without a usable answer. ``until``: deadline of its intent; ``at``: when it
    ended; ``visible``: when its effect at the vendor is visible. ``slow`` and ``denied`` as in SendUnknown. ``number``
    counts the attempts in doubt for the same part; ``first``: when the first of them ended. ``is_probed``: the vendor
    has accepted a request that it reports on."""

    until: datetime
    at: datetime
    slow: bool = False
    denied: bool = False
    number: int = 1
    visible: datetime | None = None
    first: datetime | None = None
    is_probed: bool = False


class Reconciler:
    """Resolves the doubtful sends of one channel."""

    def __init__(
        self,
        channel: Transport,
        accounts: AccountConnections,
        *,
        state: State,
        clock: Clock,
        reports: DeliveryReports | None,
    ) -> None:
        self._channel = channel
        self._policy_of = get_policy_lookup(channel)
        self._accounts = accounts
        self._state = state
        self._clock = clock
        self._reports = reports
        self._ended: dict[str, EndedAttempt] = {}
        self._resend_counts: dict[str, int] = {}

    def get_doubt_rule(self, part: MessagePart) -> Reconciliation:
        return "repeat" if part.call.repeats else self._policy_of(part.account).reconciliation

    def record_attempt(self, part: MessagePart, ended: EndedAttempt) -> None:
        """Remember the attempt while its conversation is parked."""
        while len(self._ended) >= MAX_REMEMBERED:
            self.forget(next(iter(self._ended)))
        previous = self._ended.pop(part.marker, None)
        number = 1 if previous is None else previous.number + 1
        pause = self._get_settle_seconds(part, ended, number) * random.uniform(1.0, 1.1)
        visible, first = ended.at + timedelta(seconds=pause), ended.at if previous is None else previous.first
        self._ended[part.marker] = replace(ended, number=number, visible=visible, first=first)
        if self._reports is not None and self.get_doubt_rule(part) == "receipt":
            self._reports.forget(part.marker)  # earlier news says nothing about this attempt
            self._reports.watch(part.account, part.marker, ended.at)

    def _get_settle_seconds(self, part: MessagePart, ended: EndedAttempt, number: int) -> float:
        """Return how long to wait before the next step. The more attempts have failed, the longer, so that a vendor
        that is down is not flooded."""
        policy = self._policy_of(part.account)
        if ended.slow:
            return policy.slow_settle_time
        seconds = (
            DENIAL_SETTLE_SECONDS if ended.denied and self.get_doubt_rule(part) == "receipt" else policy.settle_time
        )
        return max(seconds, min(seconds * (number - FAST_ATTEMPTS), MAX_PAUSE))

    def get_own_deadline(self, part: MessagePart) -> datetime | None:
        """Return the deadline of our own intent whose attempt has ended; None where there is none."""
        ended = self._ended.get(part.marker)
        return None if ended is None else ended.until

    def forget(self, marker: str) -> None:
        self._ended.pop(marker, None)
        self._resend_counts.pop(marker, None)
        if self._reports is not None:
            self._reports.forget(marker)

    async def resolve(self, part: MessagePart) -> Outcome | None:
        """Return the outcome; None if the part certainly was not shown and may be sent again. Raises Parked while it
        cannot be known, Unavailable."""
        match self.get_doubt_rule(part):
            case "lookup":
                return await self._resolve_by_lookup(part)
            case "receipt":
                return await self._resolve_by_report(part)
        return await part.record_outcome("unknown", reason=NO_ANSWER)

    # ── by lookup ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _resolve_by_lookup(self, part: MessagePart) -> Outcome | None:
        decision_time = await self._find_decision_time(part)
        # A late find counts, but an absence counts only if the lookup was late enough.
        is_decided = self._clock() >= decision_time
        try:
            external_id = await self.look_up(part)
        except SendRefused as error:
            return await part.record_outcome("unknown", reason=error.message)
        except Parked:
            if self._clock() < part.message.expires_at:
                raise
            return await part.record_outcome("unknown", reason=NO_ANSWER)
        if external_id is not None:
            return await part.record_outcome("sent", external_id=external_id)
        if not is_decided:
            raise Parked("it may be on its way", until=min(self._clock() + RETRY_LOOKUP, decision_time))
        return None

    async def _find_decision_time(self, part: MessagePart) -> datetime:
        """Return from when on a part that is not found was certainly not shown."""
        deadline = await self._state.deliveries.intent_deadline(part.conversation, part.marker)
        if deadline is None:
            return self._clock()
        ended = self._ended.get(part.marker)
        if ended is None or ended.until != deadline or ended.visible is None:
            return deadline + timedelta(seconds=self._policy_of(part.account).settle_time)
        return ended.visible

    async def wait_until_visible(self, part: MessagePart) -> None:
        """Return once the intent's deadline is over and everything in flight has arrived; before that raises Parked."""
        decision_time, now = await self._find_decision_time(part), self._clock()
        if now < decision_time:
            raise Parked("it may be on its way", until=min(now + RETRY_LOOKUP, decision_time))

    async def look_up(self, part: MessagePart) -> str | None:
        """Return the external id, None if the vendor does not show the part. Raises Parked when the vendor cannot say
        now, SendRefused when it never will."""
        external_id = await self._ask_vendor(part)
        if external_id is None:
            return None
        return external_id if await self._is_own_send(part, external_id) else None

    async def _is_own_send(self, part: MessagePart, external_id: str) -> bool:
        """Return whether the message that was found is this part. A vendor without markers finds messages that look the
        same, which may be other messages or parts. A crash may have left the external id recorded without the
        outcome."""
        sent, deliveries = part.envelope, self._state.deliveries
        recorded = await deliveries.by_external_id(sent.tenant, sent.channel, sent.account, external_id)
        if recorded is None or recorded != (part.conversation, part.message.id):
            return recorded is None
        siblings = [await deliveries.outcome(part.conversation, marker) for marker in part.sibling_markers]
        return all(other is None or other.external_id != external_id for other in siblings)

    async def _ask_vendor(self, part: MessagePart) -> str | None:
        connection = self._accounts.get_connection(part.account)
        if not isinstance(connection, DeliveryLookup):
            raise TypeError(f"{self._channel.name} declares lookups, but its connection has none")
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT):
                return await connection.lookup(part.call, part.marker)
        except (RetryLater, SendUnknown, TimeoutError) as error:
            raise Parked("the vendor cannot be asked at the moment", until=self._clock() + RETRY_LOOKUP) from error
        except CredentialsRevoked as error:
            raise Parked(
                error.message, until=self._accounts.pause(part.account, REVOKED_PAUSE, error.message)
            ) from error

    # ── by the vendor's reports ──────────────────────────────────────────────────────────────────────────────────────

    async def _resolve_by_report(self, part: MessagePart) -> Outcome | None:
        """Decide what the absence of a report means. A report that came has recorded the outcome."""
        now = self._clock()
        deadline = await self._state.deliveries.intent_deadline(part.conversation, part.marker)
        if (recorded := await self._state.deliveries.outcome(part.conversation, part.marker)) is not None:
            # A report came just now, or people were told "unknown" before and this is a repeat.
            return await part.record_outcome(recorded.state, external_id=recorded.external_id, reason=recorded.reason)
        if deadline is not None and self.get_own_deadline(part) != deadline:
            # The process that began it is gone, and our webhooks may have been down as well.
            self.record_attempt(part, EndedAttempt(deadline, deadline, slow=True))
        ended = self._ended.get(part.marker)
        if ended is None:
            return None  # nothing about it is on record
        visible = ended.visible or ended.at
        is_over = now >= max(visible, (ended.first or ended.at) + REPORT_TIMEOUT)
        is_undelivered = now >= visible and (ended.denied or await self._is_report_missing(part, ended))
        if (is_over or is_undelivered) and not await self._has_pending_report(part):
            if not is_undelivered:
                return await part.record_outcome("unknown", reason=NO_ANSWER)
            if not ended.denied:
                self._resend_counts[part.marker] = self._resend_counts.get(part.marker, 0) + 1
            return None
        raise Parked("the vendor may report on it", until=max(ended.at, now) + RETRY_REPORT)

    async def _is_report_missing(self, part: MessagePart, ended: EndedAttempt) -> bool:
        """Return whether a report would have arrived already, because later news did. Where none comes by itself, the
        vendor is asked for something that it reports on."""
        if self._reports is None or self._resend_counts.get(part.marker, 0) >= MAX_RESENDS:
            return False
        return self._reports.has_other_news(part.marker) or await self._is_probe_reported(part, ended)

    async def _is_probe_reported(self, part: MessagePart, ended: EndedAttempt) -> bool:
        marker = ids.probe_id(part.marker, ended.at)
        if await self._state.deliveries.outcome(part.conversation, marker) is not None:
            return True
        connection = self._accounts.get_connection(part.account)
        if not ended.is_probed and part.message.answers and isinstance(connection, ReportProbe):
            with suppress(DeliveryError, TimeoutError):  # it is tried again with the next look
                async with asyncio.timeout(LOOKUP_TIMEOUT):
                    await connection.request_report(part.call, part.message.answers, marker)
                self._ended[part.marker] = replace(ended, is_probed=True)
        return False

    async def _has_pending_report(self, part: MessagePart) -> bool:
        if self._reports is None:
            return False
        return await self._reports.has_pending_report(part.conversation, part.envelope.channel, part.marker)
