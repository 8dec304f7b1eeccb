"""Keeps the desk as the conversations are: one lane a conversation, so that its card and thread have one writer.

What people did is done first, in their order. Then what Slack shows is brought in line with the state: a record only
says that it is time to look, so that it may come twice, late or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from connectors.accounts import Accounts
from connectors.deliveries import Ledger
from connectors.sending import Sender
from connectors.slack.desk.posting import Poster, Session, pause
from connectors.slack.desk.rules import DeskRules
from connectors.slack.desk.showing import Showing
from schemas import ids, topics
from schemas.conversation import Conversation
from schemas.desk import DeskActed, DeskTouched, DraftMade
from schemas.envelope import Envelope
from schemas.errors import UnknownEventType
from schemas.ports import Account, Batch, Bus, Channel, Clock, Metrics, State

log = structlog.get_logger("parley.desk")

GATHERING = 1.0
"""Seconds in which what comes goes into one post."""


class Acts(Protocol):
    """Does what people did at the desk."""

    async def do(self, conversation: Conversation, acted: DeskActed, batch: Batch) -> None:
        """Repeating it changes nothing. Raises Parked, Unavailable, BusUnavailable, StateUnavailable."""


@dataclass(slots=True)
class _Told:
    """What a batch's records say."""

    acts: list[DeskActed]
    drafts: list[DraftMade]
    is_urgent: bool = False
    is_ours: bool = False

    def add(self, event: Envelope) -> None:
        """Raises UndecodableRecord."""
        if event.type not in topics.DESK_TYPES:
            return
        self.is_ours = True
        if event.type == topics.DESK_ACTED:
            self.acts.append(event.payload(DeskActed))
        elif event.type == topics.DRAFT_MADE:
            self.drafts.append(event.payload(DraftMade))
        else:
            self.is_urgent = self.is_urgent or event.payload(DeskTouched).owner


class Keeper:
    """Handler of the group ``parley.desk.slack``. ``channel``: Slack as the desk uses it; ``rules``: by tenant."""

    def __init__(
        self,
        channel: Channel,
        rules: Mapping[str, DeskRules],
        *,
        bus: Bus,
        state: State,
        metrics: Metrics,
        clock: Clock,
        account_of: Callable[[str, str, str], Account | None],
        acts: Acts | None = None,
        gathering: float = GATHERING,
        per_second: float = 1.0,
    ) -> None:
        self._rules = rules
        self._bus = bus
        self._state = state
        self._metrics = metrics
        self._clock = clock
        self._account_of = account_of
        self._acts = acts
        self._gathering = gathering
        self.accounts = Accounts(channel, clock)
        sender = Sender(channel, self.accounts, state=state, metrics=metrics, clock=clock)
        poster = Poster(sender, self.accounts, state.limiter, clock, per_second=per_second)
        self._showing = Showing(state, poster, clock)

    async def close(self) -> None:
        """Close the connections; to be called when nothing is handled any more."""
        await self.accounts.close()

    async def handle(self, batch: Batch) -> None:
        """Lane handler. Raises RecordError (a record for ``give_up``), Parked, Unavailable; repeating it is safe."""
        told = _Told([], [])
        tenant = ""
        for record in batch.records:
            event = Envelope.from_wire(record.headers, record.value)
            told.add(event)
            tenant = event.tenant
        rules = self._rules.get(tenant)
        account = None if rules is None else self._account_of(tenant, topics.DESK, rules.account)
        if not told.is_ours or rules is None or account is None:
            return
        ledger = Ledger(bus=self._bus, state=self._state, metrics=self._metrics, clock=self._clock)
        try:
            await self._keep(batch, told, rules, account, ledger)
        finally:
            # Whatever was decided is told, also when the rest has to wait.
            await ledger.flush()

    async def _keep(self, batch: Batch, told: _Told, rules: DeskRules, account: Account, ledger: Ledger) -> None:
        done = 0
        while True:
            conversation = await self._state.conversations.get(batch.conversation)
            if conversation is None:
                log.info("desk_of_unknown_conversation", conversation_id=batch.conversation)
                return
            session = Session(conversation, rules, account, ledger, batch.hurry)
            await self._do(session, told.acts[done:], batch)
            done = len(told.acts)
            if not told.is_urgent and not told.acts and self._gathering:
                await pause(self._gathering, batch.hurry)
            records = batch.take_more()
            for record in records:
                told.add(Envelope.from_wire(record.headers, record.value))
            if len(told.acts) == done:
                break
        await self._showing.show(session, told.drafts, batch)

    async def _do(self, session: Session, acts: list[DeskActed], batch: Batch) -> None:
        for acted in acts:
            done = done_id(acted.id)
            if await self._state.deliveries.outcome(session.conversation.id, done) is not None:
                continue
            conversation = await self._state.conversations.get(session.conversation.id)
            if conversation is None:
                return
            if self._acts is None:
                raise UnknownEventType("nobody here does what people did")
            await self._acts.do(conversation, acted, batch)
            await self._showing.note(session, acted)
            await self._showing.done(session, done)


def done_id(act: str) -> str:
    """The record that what a person did has been done."""
    return ids.derived_id(act, "done")
