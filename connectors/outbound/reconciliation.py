"""Reconciliation: what became of a send whose answer was lost, found out before anything is sent again.

An attempt of this process that ended (the connection broke, the vendor failed) has nothing more on its way from us, so
only the vendor has to settle. An intent that somebody else left behind may still be acted upon until its deadline.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.outbound.connections import Accounts
from connectors.outbound.delivery_log import Outcome, Piece
from connectors.outbound.delivery_reports import DeliveryReports
from connectors.outbound.policy import policies
from schemas.errors import CredentialsRevoked, Parked, SendDelayed, SendRefused, SendUnknown
from schemas.ports import Clock, Doubt, Lookup, State, Transport

ONE_LOOKUP = 15.0
"""Seconds."""
REVOKED_WAIT = timedelta(minutes=5)
LOOK_AGAIN = timedelta(seconds=5)
REPORT_AGAIN = timedelta(seconds=2)
DENIAL_SETTLES = 4.0
"""Seconds: a vendor that says it sent nothing may contradict itself for so long, by a report on the message."""
UNHURRIED = 4
"""Attempts after which the pauses grow."""
LONGEST_PAUSE = 30.0
"""Seconds between two attempts."""
REPORTS_LAST = timedelta(seconds=60)
"""What neither a report nor other news has decided by then is handed to people."""
RESENDS = 2
"""So often a message is sent again because no report on it came; each time that has to be shown anew."""
MOST = 10_000
NO_ANSWER = "no_answer"


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt of this process that ended without a usable answer. ``until``: the deadline of its intent; ``at``:
    when it ended; ``settled``: when what the vendor took of it can be seen. ``slow`` and ``denied`` as in SendUnknown.
    ``number`` counts the attempts in doubt for the same piece."""

    until: datetime
    at: datetime
    slow: bool = False
    denied: bool = False
    number: int = 1
    settled: datetime | None = None


class Reconciler:
    """For one channel."""

    def __init__(
        self, channel: Transport, accounts: Accounts, *, state: State, clock: Clock, reports: DeliveryReports | None
    ) -> None:
        self._channel = channel
        self._policy_of = policies(channel)
        self._accounts = accounts
        self._state = state
        self._clock = clock
        self._reports = reports
        self._ended: dict[str, Ended] = {}
        self._resent: dict[str, int] = {}

    def doubt(self, piece: Piece) -> Doubt:
        return "repeat" if piece.call.repeats else self._policy_of(piece.account).doubt

    def note(self, piece: Piece, ended: Ended) -> None:
        """Remember the attempt while its conversation is parked."""
        while len(self._ended) >= MOST:
            self.forget(next(iter(self._ended)))
        before = self._ended.pop(piece.marker, None)
        number = 1 if before is None else before.number + 1
        pause = self._settling(piece, ended, number) * random.uniform(1.0, 1.1)
        self._ended[piece.marker] = replace(ended, number=number, settled=ended.at + timedelta(seconds=pause))
        if self._reports is not None and self.doubt(piece) == "receipt":
            self._reports.forget(piece.marker)  # what came before this attempt says nothing of it
            self._reports.watch(piece.account, piece.marker, ended.at)

    def _settling(self, piece: Piece, ended: Ended, number: int) -> float:
        """Seconds. The more attempts have failed, the longer the next one waits: a vendor that is down is not to be
        hurried."""
        policy = self._policy_of(piece.account)
        if ended.slow:
            return policy.settles_slowly
        seconds = DENIAL_SETTLES if ended.denied and self.doubt(piece) == "receipt" else policy.settles
        return max(seconds, min(seconds * (number - UNHURRIED), LONGEST_PAUSE))

    def held(self, piece: Piece) -> datetime | None:
        """The deadline of our own intent, where our attempt under it has ended."""
        ended = self._ended.get(piece.marker)
        return None if ended is None else ended.until

    def forget(self, marker: str) -> None:
        self._ended.pop(marker, None)
        self._resent.pop(marker, None)
        if self._reports is not None:
            self._reports.forget(marker)

    async def resolve(self, piece: Piece) -> Outcome | None:
        """The outcome; None when it certainly was not shown, and may be sent again. Raises Parked while nobody can
        know, Unavailable."""
        match self.doubt(piece):
            case "lookup":
                return await self._by_lookup(piece)
            case "receipt":
                return await self._by_report(piece)
        return await piece.settle("unknown", reason=NO_ANSWER)

    # ── by looking it up ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _by_lookup(self, piece: Piece) -> Outcome | None:
        decided = await self._decided(piece)
        # What is found late counts; what is not found counts only if it was looked for late enough.
        is_decided = self._clock() >= decided
        try:
            shown = await self.look_up(piece)
        except SendRefused as error:
            return await piece.settle("unknown", reason=error.message)
        except Parked:
            if self._clock() < piece.whole.expires_at:
                raise
            return await piece.settle("unknown", reason=NO_ANSWER)
        if shown is not None:
            return await piece.settle("sent", external_id=shown)
        if not is_decided:
            raise Parked("it may be on its way", until=min(self._clock() + LOOK_AGAIN, decided))
        return None

    async def _decided(self, piece: Piece) -> datetime:
        """From when on what is not found was not shown."""
        deadline = await self._state.deliveries.doubtful_until(piece.conversation, piece.marker)
        if deadline is None:
            return self._clock()
        ended = self._ended.get(piece.marker)
        if ended is None or ended.until != deadline or ended.settled is None:
            return deadline + timedelta(seconds=self._policy_of(piece.account).settles)
        return ended.settled

    async def still_in_doubt(self, piece: Piece) -> None:
        """Raises Parked until the intent's deadline is over and what was on its way has arrived."""
        decided, now = await self._decided(piece), self._clock()
        if now < decided:
            raise Parked("it may be on its way", until=min(now + LOOK_AGAIN, decided))

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
        connection = self._accounts.connection(piece.account)
        if not isinstance(connection, Lookup):
            raise TypeError(f"{self._channel.name} promises look-ups, its connection has none")
        try:
            async with asyncio.timeout(ONE_LOOKUP):
                return await connection.lookup(piece.call, piece.marker)
        except (SendDelayed, SendUnknown, TimeoutError) as error:
            raise Parked("the vendor cannot say now what it has shown", until=self._clock() + LOOK_AGAIN) from error
        except CredentialsRevoked as error:
            raise Parked(
                error.message, until=self._accounts.pause(piece.account, REVOKED_WAIT, error.message)
            ) from error

    # ── by the vendor's reports ──────────────────────────────────────────────────────────────────────────────────────

    async def _by_report(self, piece: Piece) -> Outcome | None:
        """A report that came has written the outcome already; here it is decided what its absence means."""
        now = self._clock()
        deadline = await self._state.deliveries.doubtful_until(piece.conversation, piece.marker)
        if (known := await self._state.deliveries.outcome(piece.conversation, piece.marker)) is not None:
            # A report came in this moment; or it was told as unknown before, and this is only a repeat.
            return await piece.settle(known.state, external_id=known.external_id, reason=known.reason)
        if deadline is not None and self.held(piece) != deadline:
            # Whoever began it is gone, and our webhooks may have been away as well.
            self.note(piece, Ended(deadline, deadline, slow=True))
        ended = self._ended.get(piece.marker)
        if ended is None:
            return None  # nothing of it is on record
        settled = ended.settled or ended.at
        is_over = now >= max(settled, ended.at + REPORTS_LAST)
        is_undelivered = now >= settled and (ended.denied or self._is_missed(piece))
        if (is_over or is_undelivered) and not await self._is_reported(piece):
            if not is_undelivered:
                return await piece.settle("unknown", reason=NO_ANSWER)
            if not ended.denied:
                self._resent[piece.marker] = self._resent.get(piece.marker, 0) + 1
            return None
        raise Parked("the vendor may report on it", until=max(ended.at, now) + REPORT_AGAIN)

    def _is_missed(self, piece: Piece) -> bool:
        """Whether other news came, so that a report on this one would have come too."""
        heard = self._reports is not None and self._reports.were_heard(piece.marker)
        return heard and self._resent.get(piece.marker, 0) < RESENDS

    async def _is_reported(self, piece: Piece) -> bool:
        if self._reports is None:
            return False
        return await self._reports.is_waiting(piece.conversation, piece.envelope.channel, piece.marker)
