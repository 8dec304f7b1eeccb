"""The beginning of a reply that is shown while it is written: tried once, and only if nothing has to be waited for.

What was begun has an intent and an outcome of its own, so that whoever comes after a crash knows of it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from connectors.outbound.connections import Accounts
from connectors.outbound.delivery_log import Piece
from connectors.outbound.policy import policies
from connectors.outbound.sender import Sender
from schemas.crash_points import reach
from schemas.errors import CredentialsRevoked, Parked, SendDelayed, SendRefused, SendUnknown
from schemas.ports import Channel, Clock, Pace, State

ONE_START = 5.0
"""Seconds: a start that takes longer would be overtaken by the reply, and one in doubt holds it up for so much less."""
REFUSED_FOR = timedelta(minutes=1)
"""An account to which the vendor refuses it (an old workspace, a right that is missing) does without for so long."""


class Opener:
    """For one channel."""

    def __init__(self, channel: Channel, accounts: Accounts, sender: Sender, *, state: State, clock: Clock) -> None:
        self._policy_of = policies(channel)
        self._accounts = accounts
        self._sender = sender
        self._state = state
        self._clock = clock
        self._refused: dict[tuple[str, str], datetime] = {}

    async def recall(self, piece: Piece) -> str | None:
        """The id of what an earlier process has shown, if it did. Raises Parked while nobody can know."""
        known = await self._state.deliveries.outcome(piece.conversation, piece.marker)
        if known is not None:
            return known.external_id or None
        if await self._state.deliveries.doubtful_until(piece.conversation, piece.marker) is None:
            return None
        return await self._resolve(piece)

    async def open(self, piece: Piece, pace: Pace) -> str | None:
        """The id of what is shown from now on, None where nothing is. Raises Parked when that is not known."""
        if not await self._may(piece, pace):
            return None
        deliveries = self._state.deliveries
        verdict = await deliveries.begin_send(piece.conversation, piece.message, deadline=ONE_START, now=self._clock())
        if verdict != "go":
            return None
        reach("connector.after_intent")
        try:
            shown = await self._sender.attempt(piece, ONE_START)
        except (SendDelayed, CredentialsRevoked):
            await deliveries.withdraw(piece.conversation, piece.marker)
            return None
        except SendRefused as error:
            self._refused[piece.account.tenant, piece.account.name] = self._clock() + REFUSED_FOR
            await piece.settle("failed", reason=error.message)
            return None
        except (SendUnknown, TimeoutError):
            return await self._resolve(piece)
        reach("connector.after_send")
        await piece.settle("sent", external_id=shown)
        return shown

    async def _resolve(self, piece: Piece) -> str | None:
        try:
            shown = await self._sender.doubts.look_up(piece)
        except SendRefused as error:
            await piece.settle("unknown", reason=error.message)
            return None
        if shown is None:
            await self._sender.doubts.still_in_doubt(piece)
            await piece.settle("failed", reason="not_shown")
            return None
        await piece.settle("sent", external_id=shown)
        return shown

    async def _may(self, piece: Piece, pace: Pace) -> bool:
        """A message that is sent as a whole waits for its pace; this is left out instead."""
        account, policy = piece.account, self._policy_of(piece.account)
        refused_until = self._refused.get((account.tenant, account.name))
        if refused_until is not None and self._clock() < refused_until:
            return False
        try:
            self._accounts.admit(account)
        except Parked:
            return False
        key = f"send:{account.tenant}:{account.channel}:{account.name}"
        own = getattr(account.settings, "pace", None) or policy.pace
        asked = ((f"{key}:begin", pace), (f"{key}:{piece.whole.place}", policy.contact_pace), (key, own))
        return all([await self.free(name, each) for name, each in asked if each is not None])

    async def free(self, key: str, pace: Pace) -> bool:
        """Take one of the budget that all processes share, if there is one."""
        return not await self._state.limiter.take(key, per_second=pace.per_second, burst=pace.burst, now=self._clock())
