"""The consumer that keeps the desk as the conversations are: one lane a conversation, so that its card and thread have
one writer.

What people did is done first, in their order. Then what the desk shows is brought in line with the state: a record only
says that it is time to look, so that it may come twice, late or not at all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from connectors.desk.port import Desk, DeskRates
from connectors.desk.posts.poster import DeskSession, Poster, pause
from connectors.desk.posts.sync import UNREACHABLE_METRIC, DeskSync
from connectors.desk.rules import DeskRules
from connectors.outbound.connections import AccountConnections
from connectors.outbound.delivery_log import DeliveryLog
from connectors.outbound.sender import PartSender
from schemas import ids, topics
from schemas.conversation import Conversation
from schemas.desk import DeskCommand, DeskUpdate, DraftGenerated
from schemas.envelope import Envelope
from schemas.errors import UnknownEventType
from schemas.ports import Account, Batch, Bus, Clock, Metrics, State

log = structlog.get_logger("parley.desk")


class Commands(Protocol):
    """Does what people did at the desk."""

    async def do(self, conversation: Conversation, acted: DeskCommand, batch: Batch) -> None:
        """Repeating it changes nothing. ``batch.records`` may grow show_meanwhile. Raises Parked, Unavailable,
        BusUnavailable, StateUnavailable, StateLost."""


Meanwhile = Callable[[Conversation, Batch], Awaitable[None]]


@dataclass(slots=True)
class _News:
    """The news in a batch's records, beside what people did."""

    drafts: list[DraftGenerated] = field(default_factory=list)
    is_urgent: bool = False
    is_ours: bool = False

    @classmethod
    def of(cls, batch: Batch) -> _News:
        """Raises UndecodableRecord."""
        news = cls()
        for record in batch.records:
            news._add(Envelope.from_wire(record.headers, record.value))
        return news

    def _add(self, event: Envelope) -> None:
        self.is_ours = self.is_ours or event.type in topics.DESK_TYPES
        if event.type == topics.DRAFT_MADE:
            self.drafts.append(event.payload(DraftGenerated))
        elif event.type == topics.DESK_TOUCHED:
            self.is_urgent = self.is_urgent or event.payload(DeskUpdate).owner


class DeskConsumer:
    """Handler of the group ``parley.desk.<desk>``. ``rules``: by tenant, of those whose desk this is. ``commands``
    makes what does what people did; it is told what to do while it waits. ``rates``: the desk's own where none is
    given."""

    def __init__(
        self,
        desk: Desk,
        rules: Mapping[str, DeskRules],
        *,
        bus: Bus,
        state: State,
        metrics: Metrics,
        clock: Clock,
        account_of: Callable[[str, str, str], Account | None],
        commands: Callable[[Meanwhile], Commands] | None = None,
        rates: DeskRates | None = None,
    ) -> None:
        self._desk = desk
        self._rules = rules
        self._bus = bus
        self._state = state
        self._metrics = metrics
        self._clock = clock
        self._account_of = account_of
        self.accounts = AccountConnections(desk, clock)
        sender = PartSender(desk, self.accounts, state=state, metrics=metrics, clock=clock)
        self._poster = Poster(desk, sender, self.accounts, state.limiter, clock, rates or desk.rates)
        self._sync = DeskSync(desk, state, self._poster, clock, metrics)
        for tenant in rules:
            metrics.count(UNREACHABLE_METRIC, 0, tenant=tenant)  # else nobody would see the first time
        self._commands = commands(self.show_meanwhile) if commands is not None else None

    async def close(self) -> None:
        """Close the connections; to be called when nothing is handled any more."""
        await self.accounts.close()

    async def handle(self, batch: Batch) -> None:
        """Handle a lane's batch. Raises RecordError (a record for ``give_up``), Parked, Unavailable; repeating it is
        safe."""
        news = _News.of(batch)
        where = self._find_rules(batch)
        if not news.is_ours or where is None:
            return
        ledger = self._ledger()
        try:
            await self._handle(batch, news, *where, ledger)
        finally:
            # Whatever was decided is told, also when the rest has to wait.
            await ledger.flush()

    async def show_meanwhile(self, conversation: Conversation, batch: Batch) -> None:
        """Show what the contact writes while something that a person did takes its time. Raises as ``handle``."""
        if (where := self._find_rules(batch)) is not None:
            ledger = self._ledger()
            try:
                await self._sync.run_once(DeskSession(conversation, *where, ledger, batch.revoking))
            finally:
                await ledger.flush()

    def _ledger(self) -> DeliveryLog:
        return DeliveryLog(bus=self._bus, state=self._state, metrics=self._metrics, clock=self._clock, of_desk=True)

    def _find_rules(self, batch: Batch) -> tuple[DeskRules, Account] | None:
        tenant = batch.records[0].headers.get("ce_tenant", "")
        rules = self._rules.get(tenant)
        account = None if rules is None else self._account_of(tenant, self._desk.name, rules.account)
        return None if rules is None or account is None else (rules, account)

    async def _handle(self, batch: Batch, news: _News, rules: DeskRules, account: Account, ledger: DeliveryLog) -> None:
        conversation = await self._state.conversations.get(batch.conversation)
        if conversation is None:
            log.info("desk_of_unknown_conversation", conversation_id=batch.conversation)
            return
        session = DeskSession(conversation, rules, account, ledger, batch.revoking)
        done = await self._do_acts(session, batch, 0)
        acted = any(record.headers.get("ce_type") == topics.DESK_ACTED for record in batch.records)
        if not (acted or news.drafts) and not await self._sync.concerns(conversation):
            return
        gathering = self._poster.rates.gathering
        if not (acted or news.is_urgent or self._poster.is_busy) and gathering:
            await pause(gathering, batch.revoking)
        batch.take_more()
        await self._do_acts(session, batch, done)
        await self._sync.run(session, _News.of(batch).drafts, batch)

    async def _do_acts(self, session: DeskSession, batch: Batch, done: int) -> int:
        """Do what people did, in their order. Return how many records were looked at; more may come show_meanwhile."""
        while done < len(batch.records):
            record = batch.records[done]
            done += 1
            if record.headers.get("ce_type") == topics.DESK_ACTED:
                await self._do(session, Envelope.from_wire(record.headers, record.value).payload(DeskCommand), batch)
        return done

    async def _do(self, session: DeskSession, acted: DeskCommand, batch: Batch) -> None:
        done = done_id(acted.id)
        conversation = await self._state.conversations.get(session.conversation.id)
        if conversation is None or await self._state.deliveries.outcome(conversation.id, done) is not None:
            return
        if self._commands is None:
            raise UnknownEventType("nobody here does what people did")
        await self._commands.do(conversation, acted, batch)
        await self._sync.note_act(session, acted)
        await self._sync.record_done(session, done)


def done_id(act: str) -> str:
    """Name the record that what a person did has been done."""
    return ids.derived_id(act, "done")
