"""The first call of a live reply: made once, and only if nothing has to be waited for.

It has an intent and an outcome of its own, so that the next process knows of it after a crash.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from connectors.outbound.connections import AccountConnections
from connectors.outbound.delivery_log import MessagePart
from connectors.outbound.policy import get_policy_lookup
from connectors.outbound.sender import PartSender
from schemas.errors import CredentialsRevoked, Parked, RetryLater, SendRefused, SendUnknown
from schemas.ports import Channel, Clock, RateLimit, State
from schemas.runtime.crash_points import reach

START_TIMEOUT = 5.0
"""Seconds. A slower start would be overtaken by the reply, and one in doubt delays the reply for as long."""
REFUSED_PAUSE = timedelta(minutes=1)
"""Time for which an account gets no live replies after its vendor refused one (an old workspace, a missing scope)."""


class LiveReplyStart:
    """Starts the live replies of one channel."""

    def __init__(
        self, channel: Channel, accounts: AccountConnections, sender: PartSender, *, state: State, clock: Clock
    ) -> None:
        self._policy_of = get_policy_lookup(channel)
        self._accounts = accounts
        self._sender = sender
        self._state = state
        self._clock = clock
        self._refused_until: dict[tuple[str, str], datetime] = {}

    async def find_started(self, part: MessagePart) -> str | None:
        """Return the id of what an earlier process has shown, None if nothing. Raises Parked while it cannot be
        known."""
        recorded = await self._state.deliveries.outcome(part.conversation, part.marker)
        if recorded is not None:
            return recorded.external_id or None
        if await self._state.deliveries.intent_deadline(part.conversation, part.marker) is None:
            return None
        return await self._resolve(part)

    async def start(self, part: MessagePart, pace: RateLimit) -> str | None:
        """Show the beginning; return its id, None where nothing is shown. Raises Parked when that is not known."""
        if not await self._is_within_pace(part, pace):
            return None
        deliveries = self._state.deliveries
        verdict = await deliveries.begin_send(
            part.conversation, part.own_message, deadline=START_TIMEOUT, now=self._clock()
        )
        if verdict != "go":
            return None
        reach("connector.after_intent")
        try:
            external_id = await self._sender.attempt(part, START_TIMEOUT)
        except (RetryLater, CredentialsRevoked):
            await deliveries.withdraw(part.conversation, part.marker)
            return None
        except SendRefused as error:
            self._refused_until[part.account.tenant, part.account.name] = self._clock() + REFUSED_PAUSE
            await part.record_outcome("failed", reason=error.message)
            return None
        except (SendUnknown, TimeoutError):
            return await self._resolve(part)
        reach("connector.after_send")
        await part.record_outcome("sent", external_id=external_id)
        return external_id

    async def _resolve(self, part: MessagePart) -> str | None:
        try:
            external_id = await self._sender.reconciler.look_up(part)
        except SendRefused as error:
            await part.record_outcome("unknown", reason=error.message)
            return None
        if external_id is None:
            await self._sender.reconciler.wait_until_visible(part)
            await part.record_outcome("failed", reason="not_shown")
            return None
        await part.record_outcome("sent", external_id=external_id)
        return external_id

    async def _is_within_pace(self, part: MessagePart, pace: RateLimit) -> bool:
        """Return whether the reply may start now. A complete message waits for its pace; a live reply is left out."""
        account, policy = part.account, self._policy_of(part.account)
        refused_until = self._refused_until.get((account.tenant, account.name))
        if refused_until is not None and self._clock() < refused_until:
            return False
        try:
            self._accounts.check_not_paused(account)
        except Parked:
            return False
        key = f"send:{account.tenant}:{account.channel}:{account.name}"
        account_pace = getattr(account.settings, "pace", None) or policy.pace
        limits = ((f"{key}:begin", pace), (f"{key}:{part.message.place}", policy.contact_pace), (key, account_pace))
        return all([await self.take_allowance(name, each) for name, each in limits if each is not None])

    async def take_allowance(self, key: str, pace: RateLimit) -> bool:
        """Take one from the budget that all processes share; return whether there was one."""
        return not await self._state.limiter.take(key, per_second=pace.per_second, burst=pace.burst, now=self._clock())
