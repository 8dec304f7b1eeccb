"""Keeps the desk as the conversations are: one lane a conversation, so that its card and thread have one writer.

What people did is done first, in their order. Then what Slack shows is brought in line with the state: a record only
says that it is time to look, so that it may come twice, late or not at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from connectors.desk.posts.poster import Poster, Session, pause
from connectors.desk.posts.sync import UNREACHABLE_METRIC, Showing
from connectors.desk.posts.tempo import USUAL, Tempo
from connectors.desk.rules import DeskRules
from connectors.outbound.connections import Accounts
from connectors.outbound.delivery_log import Ledger
from connectors.outbound.sender import Sender
from schemas import ids, topics
from schemas.conversation import Conversation
from schemas.desk import DeskActed, DeskTouched, DraftMade
from schemas.envelope import Envelope
from schemas.errors import UnknownEventType
from schemas.ports import Account, Batch, Bus, Channel, Clock, Metrics, State

log = structlog.get_logger("parley.desk")


class Acts(Protocol):
    """Does what people did at the desk."""

    async def do(self, conversation: Conversation, acted: DeskActed, batch: Batch) -> None:
        """Repeating it changes nothing. ``batch.records`` may grow meanwhile. Raises Parked, Unavailable,
        BusUnavailable, StateUnavailable, StateLost."""


Meanwhile = Callable[[Conversation, Batch], Awaitable[None]]


@dataclass(slots=True)
class _Told:
    """What a batch's records say, beside what people did."""

    drafts: list[DraftMade] = field(default_factory=list)
    is_urgent: bool = False
    is_ours: bool = False

    def add(self, event: Envelope) -> None:
        """Raises UndecodableRecord."""
        self.is_ours = self.is_ours or event.type in topics.DESK_TYPES
        if event.type == topics.DRAFT_MADE:
            self.drafts.append(event.payload(DraftMade))
        elif event.type == topics.DESK_TOUCHED:
            self.is_urgent = self.is_urgent or event.payload(DeskTouched).owner


class Keeper:
    """Handler of the group ``parley.desk.slack``. ``channel``: Slack as the desk uses it; ``rules``: by tenant.
    ``acts`` makes what does what people did; it is told what to do while it waits."""

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
        acts: Callable[[Meanwhile], Acts] | None = None,
        tempo: Tempo = USUAL,
    ) -> None:
        self._rules = rules
        self._bus = bus
        self._state = state
        self._metrics = metrics
        self._clock = clock
        self._account_of = account_of
        self._gathering = tempo.gathering
        self.accounts = Accounts(channel, clock)
        sender = Sender(channel, self.accounts, state=state, metrics=metrics, clock=clock)
        poster = self._poster = Poster(sender, self.accounts, state.limiter, clock, tempo)
        self._showing = Showing(state, poster, clock, tempo, metrics)
        for tenant in rules:
            metrics.count(UNREACHABLE_METRIC, 0, tenant=tenant)  # else nobody would see the first time
        self._acts = acts(self.meanwhile) if acts is not None else None

    async def close(self) -> None:
        """Close the connections; to be called when nothing is handled any more."""
        await self.accounts.close()

    async def handle(self, batch: Batch) -> None:
        """Lane handler. Raises RecordError (a record for ``give_up``), Parked, Unavailable; repeating it is safe."""
        told = _Told()
        for record in batch.records:
            told.add(Envelope.from_wire(record.headers, record.value))
        where = self._where(batch)
        if not told.is_ours or where is None:
            return
        ledger = Ledger(bus=self._bus, state=self._state, metrics=self._metrics, clock=self._clock)
        try:
            await self._keep(batch, told, *where, ledger)
        finally:
            # Whatever was decided is told, also when the rest has to wait.
            await ledger.flush()

    async def meanwhile(self, conversation: Conversation, batch: Batch) -> None:
        """While something that a person did takes its time: show what the contact writes. Raises as ``handle``."""
        if (where := self._where(batch)) is not None:
            ledger = Ledger(bus=self._bus, state=self._state, metrics=self._metrics, clock=self._clock)
            try:
                await self._showing.glance(Session(conversation, *where, ledger, batch.hurry))
            finally:
                await ledger.flush()

    def _where(self, batch: Batch) -> tuple[DeskRules, Account] | None:
        tenant = batch.records[0].headers.get("ce_tenant", "")
        rules = self._rules.get(tenant)
        account = None if rules is None else self._account_of(tenant, topics.DESK, rules.account)
        return None if rules is None or account is None else (rules, account)

    async def _keep(self, batch: Batch, told: _Told, rules: DeskRules, account: Account, ledger: Ledger) -> None:
        conversation = await self._state.conversations.get(batch.conversation)
        if conversation is None:
            log.info("desk_of_unknown_conversation", conversation_id=batch.conversation)
            return
        session = Session(conversation, rules, account, ledger, batch.hurry)
        done = await self._acts_of(session, batch, 0)
        acted = any(record.headers.get("ce_type") == topics.DESK_ACTED for record in batch.records)
        if not (acted or told.drafts) and not await self._showing.concerns(conversation):
            return
        if not (acted or told.is_urgent or self._poster.is_busy) and self._gathering:
            await pause(self._gathering, batch.hurry)
        batch.take_more()
        await self._acts_of(session, batch, done)
        told = _Told()
        for record in batch.records:
            told.add(Envelope.from_wire(record.headers, record.value))
        await self._showing.show(session, told.drafts, batch)

    async def _acts_of(self, session: Session, batch: Batch, done: int) -> int:
        """Do what people did, in their order; how many records were looked at. More may come meanwhile."""
        while done < len(batch.records):
            record = batch.records[done]
            done += 1
            if record.headers.get("ce_type") == topics.DESK_ACTED:
                await self._do(session, Envelope.from_wire(record.headers, record.value).payload(DeskActed), batch)
        return done

    async def _do(self, session: Session, acted: DeskActed, batch: Batch) -> None:
        done = done_id(acted.id)
        conversation = await self._state.conversations.get(session.conversation.id)
        if conversation is None or await self._state.deliveries.outcome(conversation.id, done) is not None:
            return
        if self._acts is None:
            raise UnknownEventType("nobody here does what people did")
        await self._acts.do(conversation, acted, batch)
        await self._showing.note(session, acted)
        await self._showing.done(session, done)


def done_id(act: str) -> str:
    """The record that what a person did has been done."""
    return ids.derived_id(act, "done")
