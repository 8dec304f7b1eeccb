"""The consumers of each role, with their topics, groups and handlers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from agent_worker.fair_scheduler import ALONE_FACTOR, FairScheduler
from agent_worker.flood_control import FloodControl
from agent_worker.handoff.desk_service_level import DeskServiceLevel
from agent_worker.media.decoder import MediaDecoder
from agent_worker.media.image_reader import ImageReader
from agent_worker.models.adapters import AdapterRule
from agent_worker.settings import ContactRules, FoldRules, TenantRules, WorkerSettings
from agent_worker.transcription.voice_notes import VoiceNotes
from agent_worker.worker import Worker
from connectors.inbound.profiles import ProfileLookup
from connectors.outbound.connections import AccountConnections
from connectors.outbound.dead_letters import DeadLetterWriter
from connectors.outbound.delivery_reports import DeliveryReports
from connectors.outbound.pipeline import OutboundPipeline
from connectors.outbound.receipts import ReceiptHandler
from connectors.outbound.typing_indicators import TypingIndicators
from gateway.config.desk import DeskSettings
from gateway.config.settings import Tenant
from gateway.contacts.erasure_requests import ErasureRequests, build_erasure_action
from gateway.wiring.actions import build_action_rules
from gateway.wiring.desk import start_desk
from gateway.wiring.gauges import GroupGauges
from gateway.wiring.models.providers import build_budget_rules, build_voice, models_of, open_models
from gateway.wiring.process_services import ProcessServices
from gateway.wiring.routing import build_route_rules
from gateway.wiring.supervisor import Supervisor
from gateway.wiring.vendor_files import VendorFiles
from infra.bus.lanes import ConsumerLimits, Lanes
from infra.bus.poison_watch import PoisonWatch
from schemas import topics
from schemas.errors import SetupError, Unavailable
from schemas.ports import Batch, Channel, GiveUp, LaneHandler, LiveReplyRenderer, ProfileAddressSelector
from schemas.runtime.fair_rotation import party_of

SWEEP_EVERY = 5.0
RESOLVE_EVERY = 2.0
CONCURRENT_BATCHES = 16
"""Batches that connectors handle at the same time. They compute little and mostly wait for vendors."""
DRAIN_SECONDS = 25.0
"""Seconds that a worker waits for running turns when it stops or loses partitions."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """One member of one consumer group."""

    topic: str
    group: str
    channel: str
    handler: LaneHandler
    give_up: GiveUp


def build_worker_settings(
    tenants: dict[str, Tenant],
    channels: Mapping[str, Channel],
    secret_key: str = "",
    *,
    encrypts_log: bool = True,
    erasures: ErasureRequests | None = None,
) -> WorkerSettings:
    """The worker's settings: the tenants' rules, and what the channels can display. ``erasures`` notes what contacts
    want erased; None where no action is ever called."""

    def build_rules(name: str, tenant: Tenant) -> TenantRules:
        return _build_tenant_rules(name, tenant, secret_key, erasures, encrypts_log=encrypts_log)

    return WorkerSettings(
        tenants={name: build_rules(name, tenant) for name, tenant in tenants.items()},
        live_text=frozenset(name for name, channel in channels.items() if channel.capabilities.live_text),
        hinted=frozenset(name for name, channel in channels.items() if shows_typing(channel)),
        announced=frozenset(name for name, channel in channels.items() if isinstance(channel, LiveReplyRenderer)),
    )


def shows_typing(channel: Channel) -> bool:
    """Whether the channel shows typing indicators. A channel that streams the text needs none."""
    return channel.capabilities.typing and not channel.capabilities.live_text


def _build_tenant_rules(
    name: str, tenant: Tenant, secret_key: str, erasures: ErasureRequests | None, *, encrypts_log: bool
) -> TenantRules:
    fold = FoldRules(
        quiet={"web": tenant.fold.web},
        others=tenant.fold.others,
        longest=tenant.fold.longest,
        restarts=tenant.fold.restarts,
    )
    model, models = models_of(tenant)
    voice = build_voice(tenant.voice)
    built_in = [build_erasure_action(tenant.privacy, voice, erasures)] if encrypts_log else []
    return TenantRules(
        voice=voice,
        fold=fold,
        answerable_above=tenant.knowledge.answerable_above,
        turns_at_once=tenant.limits.turns_at_once,
        model=model,
        models=models,
        adapters=[AdapterRule(each.model, each.base, each.share, each.locale) for each in tenant.adapters],
        budgets=build_budget_rules(tenant.budgets),
        routes=build_route_rules(tenant),
        contact=ContactRules(tenant.limits.contact_per_minute, tenant.limits.contact_per_hour),
        actions=build_action_rules(
            name,
            tenant.actions,
            tenant.protection.own_number_finder,
            secret_key=secret_key,
            built_in=built_in if tenant.privacy.erasure_requests else (),
        ),
        masks_for_models=tenant.protection.mask_for_models,
        desk=None if tenant.desk is None else build_desk_service_level(tenant.desk),
    )


def build_desk_service_level(desk: DeskSettings) -> DeskServiceLevel:
    """The desk's rules that the worker needs."""
    return DeskServiceLevel(desk.hours.office(), timedelta(minutes=desk.times.first_reply) or None, desk.rating)


def build_worker(services: ProcessServices, files: VendorFiles, media: MediaDecoder, voice_notes: VoiceNotes) -> Worker:
    """The worker. Raises SetupError if the parts were opened without documents."""
    if services.knowledge is None:
        raise SetupError("a worker needs the tenants' documents")
    settings = build_worker_settings(
        services.config.tenants,
        services.channels,
        services.secret_key.get_secret_value(),
        encrypts_log=services.config.encrypt_log,
        erasures=ErasureRequests(services),
    )
    return Worker(
        bus=services.bus,
        state=services.state,
        knowledge=services.knowledge,
        models=open_models(
            services.config,
            settings,
            failed=lambda name: services.metrics.count("parley_model_failures_total", model=name),
            limiter=services.state.limiter,
            clock=services.clock,
            knowledge=services.knowledge,
            read_file=ImageReader(services.blobs.get, media).read,
        ),
        settings=settings,
        metrics=services.metrics,
        clock=services.clock,
        fetch=files.fetch,
        transcribe=voice_notes.transcribe,
        pace=build_scheduler(services),
    )


def build_scheduler(services: ProcessServices) -> FairScheduler:
    """The scheduler of this process's turns. If the edge runs in the same process, a party gets no extra slots while it
    is alone, because a new message of another party would have to wait for all of them."""
    return FairScheduler(
        floods=FloodControl(pressed=services.overload_flag), wider=1 if services.config.embedded else ALONE_FACTOR
    )


def worker_consumers(worker: Worker, channels: Sequence[str]) -> list[Consumer]:
    return [
        Consumer(topics.inbound(name), topics.worker_group(name), name, worker.handle, worker.give_up)
        for name in channels
    ]


def connector_consumers(services: ProcessServices, channels: Sequence[str], supervisor: Supervisor) -> list[Consumer]:
    """The consumers of connectors: for each channel a sender and one that applies receipts, and one for each desk. The
    channels share a scheduler because they share the event loop."""
    scheduler = FairScheduler(CONCURRENT_BATCHES, wider=1)
    desk_tenants = frozenset(services.config.desks)
    dead_letters = DeadLetterWriter(
        bus=services.bus,
        state=services.state,
        metrics=services.metrics,
        clock=services.clock,
        desk_tenants=desk_tenants,
    )
    consumers = []
    for name in channels:
        reports = DeliveryReports(services.bus, services.state)
        outbound = OutboundPipeline(
            services.channels[name],
            bus=services.bus,
            state=services.state,
            metrics=services.metrics,
            clock=services.clock,
            account_of=services.accounts,
            desk_tenants=desk_tenants,
            reports=reports,
        )
        supervisor.add_cleanup(outbound.close)
        _start_indicators(name, outbound.accounts, services, supervisor)
        receipts = ReceiptHandler(
            bus=services.bus,
            state=services.state,
            clock=services.clock,
            desk_tenants=desk_tenants,
            reports=reports,
            metrics=services.metrics,
        )
        send = schedule_fairly(outbound.handle, scheduler)
        apply = _request_profiles(name, receipts.handle, outbound.accounts, services, supervisor)
        apply = schedule_fairly(apply, scheduler)
        consumers.append(Consumer(topics.outbound(name), topics.sender_group(name), name, send, dead_letters.give_up))
        consumers.append(Consumer(topics.inbound(name), topics.receipts_group(name), name, apply, receipts.give_up))
    for desk in sorted(set(services.config.desks.values()).intersection(channels)):
        # Not scheduled with the senders, because it waits for the desk most of the time.
        handler = start_desk(services, desk, supervisor).handle
        consumers.append(Consumer(topics.outbound(desk), topics.desk_group(desk), desk, handler, dead_letters.give_up))
    return consumers


def _start_indicators(
    name: str, accounts: AccountConnections, services: ProcessServices, supervisor: Supervisor
) -> None:
    if not shows_typing(services.channels[name]):
        return
    indicators = TypingIndicators(
        name,
        accounts,
        signals=services.state.signals,
        limiter=services.state.limiter,
        clock=services.clock,
        account_of=services.accounts,
    )
    supervisor.run(f"indicators of {name}", lambda: supervisor.run_until_stop(indicators.run()))


def _request_profiles(
    name: str, handler: LaneHandler, accounts: AccountConnections, services: ProcessServices, supervisor: Supervisor
) -> LaneHandler:
    """The handler. If the vendor gives names only on request, it also requests the profiles of people who write."""
    channel = services.channels[name]
    if not isinstance(channel, ProfileAddressSelector):
        return handler
    profiles = ProfileLookup(
        name,
        channel,
        accounts,
        bus=services.bus,
        contacts=services.state.contacts,
        limiter=services.state.limiter,
        clock=services.clock,
        account_of=services.accounts,
    )
    supervisor.add_cleanup(profiles.close)

    async def handle(batch: Batch) -> None:
        profiles.enqueue_authors(batch.records)
        await handler(batch)

    return handle


def schedule_fairly(handler: LaneHandler, scheduler: FairScheduler) -> LaneHandler:
    """The handler with a limit on concurrent batches, shared fairly among parties."""

    async def handle(batch: Batch) -> None:
        async with scheduler.slot(*party_of(batch.records[0].headers, batch.records[0].key)) as waited:
            if waited and batch.revoking.is_set():
                raise Unavailable("the partition is being reassigned; its next owner handles this record")
            await handler(batch)

    return handle


class ConsumerRunner:
    """Runs consumers under a supervisor, and reports their gauges."""

    def __init__(self, services: ProcessServices, supervisor: Supervisor, *, member: str = "") -> None:
        self._services = services
        self._supervisor = supervisor
        self._member = member
        self._lanes: dict[str, tuple[GroupGauges, Lanes]] = {}

    def start(self, consumers: Sequence[Consumer]) -> None:
        for consumer in consumers:
            self._supervisor.run(consumer.group, self._run_consumer(consumer))

    def _run_consumer(self, consumer: Consumer) -> Callable[[], Awaitable[None]]:
        gauges = GroupGauges(self._services, consumer.topic, consumer.group, consumer.channel)

        async def run() -> None:
            lanes = self._build_lanes(consumer)
            self._lanes[consumer.group] = (gauges, lanes)
            stopper = asyncio.create_task(self._stop_with(lanes))
            try:
                member = f"{self._member}.{consumer.group}" if self._member else ""
                await lanes.run([consumer.topic], consumer.group, consumer.handler, consumer.give_up, member=member)
            finally:
                stopper.cancel()

        return run

    def _build_lanes(self, consumer: Consumer) -> Lanes:
        tenants = self._services.config.tenants
        turns = {name: tenant.limits.turns_at_once for name, tenant in tenants.items()}
        limits = ConsumerLimits(drain=DRAIN_SECONDS)
        return Lanes(
            self._services.bus,
            self._services.state.parking,
            limits=limits,
            clock=self._services.clock,
            suspended=self._services.is_state_lost,
            low_on_memory=self._services.overload_flag,
            tenant_limit=lambda tenant: turns.get(tenant, limits.running_per_tenant),
            poison_watch=self._build_poison_watch(consumer.group),
        )

    def _build_poison_watch(self, group: str) -> PoisonWatch | None:
        services = self._services
        if services.recorder is None:
            return None
        return PoisonWatch(
            group, services.recorder, services.state.strikes, services.recorder.folder.parent, services.clock
        )

    async def _stop_with(self, lanes: Lanes) -> None:
        await self._supervisor.stopping.wait()
        lanes.stop()

    async def report(self) -> None:
        """Report the gauges: load and age by channel, lag by topic and group."""
        for gauges, lanes in list(self._lanes.values()):
            await gauges.report(lanes)
