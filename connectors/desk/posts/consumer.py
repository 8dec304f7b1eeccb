"""The consumer that keeps the desk up to date. Each conversation has one lane, so that its card and thread have one
writer.

It executes the commands of a batch in order, then updates the desk from the current state. Other records only trigger
that update, so they may come twice, late or never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from connectors.desk.contents import WeeklyReport
from connectors.desk.port import Desk, DeskRates, Post
from connectors.desk.posts.poster import DeskSession, Poster, pause
from connectors.desk.posts.sync import UNREACHABLE_METRIC, DeskSync
from connectors.desk.rules import TenantDeskRules
from connectors.outbound.connections import AccountConnections
from connectors.outbound.delivery_log import DeliveryLog, Outcome
from connectors.outbound.sender import PartSender
from schemas import ids, topics
from schemas.conversation import Conversation, Origin
from schemas.desk import DeskCommand, DeskUpdate, DraftGenerated
from schemas.envelope import Envelope
from schemas.errors import UnknownEventType
from schemas.ports import Account, Batch, Bus, Clock, Metrics, State

log = structlog.get_logger("parley.desk")


class CommandDispatcher(Protocol):
    """Executes people's commands."""

    async def perform(self, conversation: Conversation, command: DeskCommand, batch: Batch) -> None:
        """Execute one command; repeating it changes nothing. ``batch.records`` may grow meanwhile. Raises Parked,
        Unavailable, BusUnavailable, StateUnavailable, StateLost."""


Meanwhile = Callable[[Conversation, Batch], Awaitable[None]]


@dataclass(slots=True)
class _BatchEvents:
    """The events of a batch other than commands."""

    drafts: list[DraftGenerated] = field(default_factory=list)
    erasures: list[tuple[str, DeskUpdate]] = field(default_factory=list)
    """With the id of each event."""
    deleted_cards: list[str] = field(default_factory=list)
    is_urgent: bool = False
    is_ours: bool = False

    @classmethod
    def of(cls, batch: Batch) -> _BatchEvents:
        """Raises UndecodableRecord."""
        news = cls()
        for record in batch.records:
            news._add(Envelope.from_wire(record.headers, record.value))
        return news

    def _add(self, event: Envelope) -> None:
        self.is_ours = self.is_ours or event.type in topics.DESK_TYPES
        if event.type == topics.DRAFT_GENERATED:
            self.drafts.append(event.payload(DraftGenerated))
        elif event.type == topics.DESK_UPDATE:
            update = event.payload(DeskUpdate)
            self.is_urgent = self.is_urgent or update.owner or bool(update.deleted_card)
            if update.deleted_card:
                self.deleted_cards.append(update.deleted_card)
            if update.erased:
                self.erasures.append((event.id, update))


class DeskConsumer:
    """Handler of the consumer group ``parley.desk.<desk>``. ``rules``: by tenant, for the tenants of this desk.
    ``commands`` builds the executor of commands from the callback that it runs while it waits. ``rates``: default are
    the desk's own."""

    def __init__(
        self,
        desk: Desk,
        rules: Mapping[str, TenantDeskRules],
        *,
        bus: Bus,
        state: State,
        metrics: Metrics,
        clock: Clock,
        account_of: Callable[[str, str, str], Account | None],
        commands: Callable[[Meanwhile], CommandDispatcher] | None = None,
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
            metrics.count(UNREACHABLE_METRIC, 0, tenant=tenant)  # so that the series exists before the first failure
        self._commands = commands(self.show_meanwhile) if commands is not None else None

    async def close(self) -> None:
        """Close the connections; call it when no batch is being handled any more."""
        await self.accounts.close()

    async def handle(self, batch: Batch) -> None:
        """Handle a batch of a lane. Raises RecordError (a record for ``give_up``), Parked, Unavailable; repeating it is
        safe."""
        events = _BatchEvents.of(batch)
        target = self._find_rules(batch)
        if not events.is_ours or target is None:
            return
        delivery_log = self._open_delivery_log()
        try:
            await self._handle(batch, events, *target, delivery_log)
        finally:
            # Recorded outcomes are published even if the rest has to wait.
            await delivery_log.flush()

    async def post_report(self, tenant: str, occasion: str, report: WeeklyReport, since: datetime) -> Outcome | None:
        """Post a report in the tenant's channel, once for each ``occasion``. ``since``: a time before which it was
        certainly not posted. None if the tenant has no account. Raises Parked, Unavailable; repeating it is safe."""
        rules = self._rules[tenant]
        account = self._account_of(tenant, self._desk.name, rules.account)
        if account is None:
            return None
        delivery_log = self._open_delivery_log()
        session = DeskSession(build_report_thread(rules, account, since), rules, account, delivery_log, asyncio.Event())
        rendered = self._desk.split(self._desk.render_post(report))[0]
        try:
            await self._poster.wait_turn(session, rules.channel)
            return await self._poster.post(session, Post(occasion, rules.channel, since, rendered=rendered))
        finally:
            await delivery_log.flush()

    async def show_meanwhile(self, conversation: Conversation, batch: Batch) -> None:
        """Show new messages of the contact while a command is still being executed. Raises as ``handle``."""
        if (target := self._find_rules(batch)) is not None:
            delivery_log = self._open_delivery_log()
            try:
                await self._sync.run_once(DeskSession(conversation, *target, delivery_log, batch.revoking))
            finally:
                await delivery_log.flush()

    def _open_delivery_log(self) -> DeliveryLog:
        return DeliveryLog(bus=self._bus, state=self._state, metrics=self._metrics, clock=self._clock, of_desk=True)

    def _find_rules(self, batch: Batch) -> tuple[TenantDeskRules, Account] | None:
        tenant = batch.records[0].headers.get("ce_tenant", "")
        rules = self._rules.get(tenant)
        account = None if rules is None else self._account_of(tenant, self._desk.name, rules.account)
        return None if rules is None or account is None else (rules, account)

    async def _handle(
        self, batch: Batch, events: _BatchEvents, rules: TenantDeskRules, account: Account, delivery_log: DeliveryLog
    ) -> None:
        conversation = await self._state.conversations.get(batch.conversation)
        if conversation is None:
            log.info("desk_of_unknown_conversation", conversation_id=batch.conversation)
            return
        session = DeskSession(conversation, rules, account, delivery_log, batch.revoking)
        if await self._perform_erasures(session, events.erasures):
            return
        done = await self._perform_commands(session, batch, 0)
        has_commands = any(record.headers.get("ce_type") == topics.DESK_COMMAND for record in batch.records)
        if not (has_commands or events.drafts) and not await self._sync.is_relevant(conversation):
            return
        gathering = self._poster.rates.gather_seconds
        if not (has_commands or events.is_urgent or self._poster.is_busy) and gathering:
            await pause(gathering, batch.revoking)
        batch.take_more()
        await self._perform_commands(session, batch, done)
        latest = _BatchEvents.of(batch)
        if not await self._perform_erasures(session, latest.erasures):
            await self._sync.replace_deleted_cards(session, latest.deleted_cards)
            await self._sync.run(session, latest.drafts, batch)

    async def _perform_erasures(self, session: DeskSession, erasures: Sequence[tuple[str, DeskUpdate]]) -> bool:
        """Remove the posts about a contact who is being erased; repeating it is safe. Return whether nothing may be
        posted about the conversation any more."""
        for event, update in erasures:
            await self._sync.erasure.perform(session, event, update)
        return await self._sync.erasure.is_closed(session.conversation.id)

    async def _perform_commands(self, session: DeskSession, batch: Batch, done: int) -> int:
        """Execute the commands in the batch, in order. Return the number of handled records; more may arrive
        meanwhile."""
        while done < len(batch.records):
            record = batch.records[done]
            done += 1
            if record.headers.get("ce_type") == topics.DESK_COMMAND:
                await self._perform(
                    session, Envelope.from_wire(record.headers, record.value).payload(DeskCommand), batch
                )
        return done

    async def _perform(self, session: DeskSession, command: DeskCommand, batch: Batch) -> None:
        done = done_id(command.id)
        conversation = await self._state.conversations.get(session.conversation.id)
        if conversation is None or await self._state.deliveries.outcome(conversation.id, done) is not None:
            return
        if self._commands is None:
            raise UnknownEventType("this process does not carry out what people do at the desk")
        await self._commands.perform(conversation, command, batch)
        await self._sync.show_command(session, command)
        await self._sync.record_done(session, done)


def done_id(act: str) -> str:
    """Return the id of the record that a command was executed."""
    return ids.derived_id(act, "done")


def report_thread_id(tenant: str) -> str:
    """The id under which posts that belong to no conversation are recorded."""
    return ids.derived_id(tenant, "desk-reports")


def build_report_thread(rules: TenantDeskRules, account: Account, at: datetime) -> Conversation:
    origin = Origin(
        tenant=account.tenant, channel=account.channel, account=account.name, place=rules.channel, contact_id=""
    )
    return Conversation(id=report_thread_id(account.tenant), origin=origin, created_at=at, updated_at=at)
