"""Composition of a process from its services.

- ``open_embedded(config)``: the services over the SQLite file, for commands while no instance runs. Nothing is served.
- ``serve_dev(config)``: everything in one process.
- ``serve_role(config, role, channels)``: one role of a scaled installation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

import structlog
from aiohttp import web

from agent_worker.actions.parsing.date_languages import load_date_parser
from agent_worker.knowledge.answer_threshold import ANSWERABLE_ABOVE
from agent_worker.knowledge.library import Library
from agent_worker.knowledge.text.analysis import NO_SYNONYMS, synonyms_of
from agent_worker.media.decoder import MediaDecoder
from agent_worker.nlu.calendar_names import load_calendar_names
from agent_worker.nlu.classification import load_phrases
from agent_worker.nlu.language_detection import load_language_model
from agent_worker.sources.registry import load_sources
from connectors.channel_services import ChannelServices
from connectors.registry import explain_missing_library, open_channel
from gateway.config.settings import Config
from gateway.contacts import erasure
from gateway.contacts.key_rotation import KeyRotation
from gateway.documents.startup_import import StartupImport
from gateway.documents.sync_service import DocumentImports, SyncService
from gateway.http import health
from gateway.http.app import build_admin_app, build_app, run_server, serve_forever
from gateway.http.responses import error_middleware
from gateway.http.webhooks import build_path
from gateway.storage import attachment_collector
from gateway.storage.attachments import AttachmentService
from gateway.storage.quotas import QuotaBlobs, StorageQuota
from gateway.wiring import gauges
from gateway.wiring.consumers import (
    RESOLVE_EVERY,
    SWEEP_EVERY,
    ConsumerRunner,
    build_worker,
    connector_consumers,
    worker_consumers,
)
from gateway.wiring.engines import (
    Engine,
    build_file_sealer,
    channels_of,
    check_topics,
    open_engine,
    periods_of,
    refuse_embedded,
)
from gateway.wiring.gauges import build_readiness
from gateway.wiring.models.encoders import open_encoder
from gateway.wiring.models.transcription import open_voice_notes
from gateway.wiring.process_services import (
    ProcessServices,
    build_account_lookup,
    build_attachment_collector,
    build_retention_cleaner,
    list_accounts,
)
from gateway.wiring.secret_reload import SecretReload, describe_settings
from gateway.wiring.supervisor import Supervisor
from gateway.wiring.vendor_files import VendorFiles
from gateway.wiring.vendor_streams import start_backfills, start_streams
from infra import open_files, process_tuning
from infra.blobs import open_blobs
from infra.database.lock import claim_folder
from infra.flight_recorder import run_flight_recorder
from infra.metrics import PrometheusMetrics
from infra.state.recovery import StateRecovery
from infra.tracing import member_name, record_traces
from schemas.audit.records import INSTALLATION
from schemas.audit.trail import AuditTrail
from schemas.errors import Unavailable
from schemas.ports import Channel, ImportState

log = structlog.get_logger("parley.compose")
Role = Literal["edge", "connectors", "worker"]
STOP_TIMEOUT = 40.0
"""Seconds for all parts to end after a stop. Lanes drain for at most 25 s, requests for 10 s."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def open_services(
    config: Config, *, searches: bool = True, answers: bool = True, documents: StartupImport | None = None
) -> AsyncIterator[tuple[ProcessServices, StateRecovery]]:
    """All services over the configured engine, and the recovery of the state store. No records are consumed yet.
    Without ``searches`` the tenants' documents are left out, without ``answers`` what only answers need is not loaded
    before it is used. The process is not ready before ``documents`` are imported."""
    data_dir = Path(config.data_dir)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(open_engine(config, data_dir))
        recovery = StateRecovery(
            engine.state, engine.bus, channels=channels_of(config), clock=utc_now, periods=periods_of(config)
        )
        imports = DocumentImports(config, engine.state.leases, utc_now, documents)
        opened = _open_library(config, engine, data_dir, imports.find, answers=answers)
        library = await stack.enter_async_context(opened) if searches else None
        quota = StorageQuota(
            engine.state.limiter, lambda tenant: config.tenants[tenant].limits, utc_now, config.secret_key
        )
        own_number_finders = {name: tenant.protection.own_number_finder for name, tenant in config.tenants.items()}
        sealer = build_file_sealer(config, engine)
        blobs = QuotaBlobs(open_blobs(config.blobs, data_dir, utc_now, own_number_finders, sealer), quota)
        services = ProcessServices(
            config=config,
            bus=engine.bus,
            state=engine.state,
            audit=AuditTrail(bus=engine.bus, state=engine.state, clock=utc_now),
            contact_keys=engine.contact_keys,
            blobs=blobs,
            quota=quota,
            metrics=PrometheusMetrics(),
            clock=utc_now,
            accounts=build_account_lookup(config),
            secret_key=config.secret_key,
            admin_token=config.admin_token,
            channels=_open_channels(config, engine, blobs),
            knowledge=library,
            # Until the first check the state counts as lost, because it must not be used if it is.
            is_state_lost=lambda: not recovery.available.is_set(),
            check_readiness=build_readiness(engine, library, recovery, documents),
            self_repair=engine.self_repair,
        )
        yield services, recovery


@asynccontextmanager
async def _open_library(
    config: Config,
    engine: Engine,
    data_dir: Path,
    find_import: Callable[[str], Awaitable[ImportState]],
    *,
    answers: bool,
) -> AsyncIterator[Library]:
    thresholds = {name: tenant.knowledge.answerable_above for name, tenant in config.tenants.items()}
    synonyms = {name: synonyms_of(tenant.knowledge.synonyms) for name, tenant in config.tenants.items()}
    loads = (load_language_model, load_date_parser, load_phrases, load_calendar_names, load_sources) if answers else ()
    encoder, *_ = await asyncio.gather(
        asyncio.to_thread(open_encoder, config), *(asyncio.to_thread(load) for load in loads)
    )
    with claim_folder(data_dir / "knowledge") as folder:
        library = Library(
            engine.bus,
            engine.state.heads,
            folder,
            clock=utc_now,
            answerable_above=lambda tenant: thresholds.get(tenant, ANSWERABLE_ABOVE),
            encoder=lambda: encoder,
            own_synonyms=lambda tenant: synonyms.get(tenant, NO_SYNONYMS),
            find_import=find_import,
        )
        await library.start()
        try:
            yield library
        finally:
            await library.close()


def _open_channels(config: Config, engine: Engine, blobs: QuotaBlobs) -> dict[str, Channel]:
    state, public_url = engine.state, config.public_url.rstrip("/")
    attachments = AttachmentService(
        blobs,
        secret_key=config.secret_key,
        public_url=public_url or config.local_url,
        clock=utc_now,
    )
    services = ChannelServices(
        transcript=state.transcript,
        signals=state.signals,
        clock=utc_now,
        read_file=blobs.get,
        file_link=attachments.sign_url,
        webhook_url=lambda account: public_url + build_path(account) if public_url else "",
        find_sent=state.deliveries.by_external_id,
        find_outcome=state.deliveries.outcome,
    )
    return {name: open_channel(name, services) for name in channels_of(config)}


@asynccontextmanager
async def open_embedded(config: Config) -> AsyncIterator[ProcessServices]:
    """The services over the SQLite file, for commands. Raises DatabaseLocked while an instance runs."""
    async with open_services(config, answers=False) as (services, recovery):
        recovery.start()
        try:
            await recovery.available.wait()
            yield services
        finally:
            await recovery.close()


async def serve_dev(
    config: Config,
    *,
    documents: StartupImport | None = None,
    address: AbstractAsyncContextManager[None] | None = None,
    on_ready: Callable[[], object] | None = None,
    reload: SecretReload | None = None,
) -> None:
    """Run everything in one process until SIGTERM or SIGINT. ``on_ready`` is called once the process listens, and
    then ``documents`` are imported beside it. ``address`` is entered as soon as no other process can have the file;
    ``reload`` renews the secrets after SIGHUP."""
    listening = asyncio.Event()
    process = run_process(config, "dev", documents=documents, reload=reload)
    async with process as (services, supervisor), address or nullcontext():

        async def import_documents() -> None:
            if documents is not None:
                await listening.wait()
                await documents.run(services)
            await supervisor.stopping.wait()

        def report() -> None:
            if on_ready is not None:
                on_ready()
            listening.set()

        supervisor.run("import of documents", lambda: supervisor.run_until_stop(import_documents()))
        start_worker(services, supervisor, channels_of(config))
        _start_connectors(services, supervisor, channels_of(config))
        await serve_edge(config, services, supervisor, report)


async def serve_role(
    config: Config, role: Role, channels: Sequence[str] = (), *, reload: SecretReload | None = None
) -> None:
    """Run one role until SIGTERM or SIGINT. ``channels`` limits workers and connectors to some channels; empty: all.
    ``reload`` renews the secrets after SIGHUP."""
    refuse_embedded(config, f"run {role}")
    served = [name for name in channels_of(config) if not channels or name in channels]
    async with run_process(config, role, searches=role != "connectors", reload=reload) as (services, supervisor):
        if role == "edge":
            _watch_groups(services, supervisor, served)
            await serve_edge(config, services, supervisor, None)
            return
        start = start_worker if role == "worker" else _start_connectors
        start(services, supervisor, served)
        for app, (host, port) in zip(_build_health_apps(services), config.addresses, strict=True):
            serve = partial(serve_forever, app, host, port, stop=supervisor.stopping)
            supervisor.run(f"health at port {port}", serve)
        await supervisor.wait()


def _build_health_apps(services: ProcessServices) -> list[web.Application]:
    """The applications of a process that serves only probes and metrics, one for each of its addresses."""
    apps = [web.Application(middlewares=[error_middleware]) for _ in services.config.addresses]
    for app in apps:
        health.add_routes(app, services, metrics=app is apps[-1])
    return apps


@asynccontextmanager
async def run_process(
    config: Config,
    role: str,
    *,
    searches: bool = True,
    documents: StartupImport | None = None,
    reload: SecretReload | None = None,
) -> AsyncIterator[tuple[ProcessServices, Supervisor]]:
    process_tuning.limit_heaps()
    process_tuning.shorten_switch_interval()
    open_files.raise_limit()
    supervisor = Supervisor()
    supervisor.stop_on_signals()
    traces = record_traces(config.telemetry.otlp_endpoint, role=role, sample=config.telemetry.sample)
    async with traces, open_services(config, searches=searches, documents=documents) as (services, recovery):
        if not config.embedded:
            await check_topics(services.bus, config)
        recovery.start()
        if reload is not None:
            supervisor.run_on_hangup("secrets", partial(reload.run, services.audit, role))
        if (keys := services.contact_keys) is not None:
            rotation = KeyRotation(keys, services.state, config.tenants)
            supervisor.run_every("keys of contacts", keys.follow_every, rotation.follow)
        if (self_repair := services.self_repair) is not None:
            supervisor.run("store", lambda: supervisor.run_until_stop(self_repair()))
        supervisor.run_every("ready gauges", gauges.LONG_INTERVAL, lambda: gauges.report_readiness(services, role))
        process_tuning.freeze_heap()
        supervisor.run_every("memory", process_tuning.EVERY, lambda: asyncio.to_thread(process_tuning.trim_heap))
        freezing = asyncio.create_task(_settle_documents(services))
        recording = asyncio.create_task(_record_configuration(services, supervisor, role))
        try:
            async with run_flight_recorder(config.data_path, config.stall_seconds) as recorder:
                try:
                    yield replace(services, recorder=recorder), supervisor
                finally:
                    await supervisor.finish(STOP_TIMEOUT)
        finally:
            freezing.cancel()
            recording.cancel()
            await recovery.close()


async def _settle_documents(services: ProcessServices) -> None:
    """Free memory once the documents are loaded: they stay, and loading them leaves much garbage behind."""
    if services.knowledge is not None:
        await services.knowledge.wait_until_ready()
        process_tuning.freeze_heap()


async def _record_configuration(services: ProcessServices, supervisor: Supervisor, role: str) -> None:
    """Record in the audit trail with which configuration this process runs, once the servers can be reached. Secrets
    are no part of its hash."""
    digest = describe_settings(services.config)
    while not supervisor.stopping.is_set():
        try:
            return await services.audit.record(
                INSTALLATION, "configuration.load", actor="process", surface=role, subject=f"configuration:{digest}"
            )
        except Unavailable:
            await supervisor.pause(2.0)


def _member_name(role: str) -> str:
    """The name of this process as a static member of its consumer groups, or an empty text. With a name a restarted
    process gets its partitions back at once."""
    name = member_name()
    return f"{name}.{role}" if name else ""


def start_worker(services: ProcessServices, supervisor: Supervisor, channels: Sequence[str]) -> None:
    files = VendorFiles.from_services(services)
    media = MediaDecoder()
    voice_notes = open_voice_notes(services, media)
    worker = build_worker(services, files, media, voice_notes)
    supervisor.add_cleanup(media.close)
    supervisor.add_cleanup(voice_notes.close)
    supervisor.add_cleanup(worker.close)
    supervisor.add_cleanup(files.close)
    consumers = ConsumerRunner(services, supervisor, member=_member_name("worker"))
    consumers.start(worker_consumers(worker, channels))
    supervisor.run_every("sweeper", SWEEP_EVERY, worker.sweep)
    supervisor.run_every("action resolver", RESOLVE_EVERY, worker.resolve)
    supervisor.run_every(
        "attachment collector", attachment_collector.COLLECT_EVERY, build_attachment_collector(services).sweep
    )
    retention = build_retention_cleaner(services)
    supervisor.run_every("retention", retention.every, retention.sweep)
    supervisor.run_every("worker gauges", gauges.INTERVAL, consumers.report)
    supervisor.run_every("erasures", erasure.SWEEP_EVERY, erasure.ContactErasureService(services).sweep)
    sync = SyncService(services)
    supervisor.run("knowledge sync", lambda: supervisor.run_until_stop(sync.run()))


def _start_connectors(services: ProcessServices, supervisor: Supervisor, channels: Sequence[str]) -> None:
    for account in list_accounts(services.config):
        if account.channel in channels:
            with explain_missing_library():
                # This opens no connection, but reports a missing library before the first message.
                services.channels[account.channel].connect(account)
    consumers = ConsumerRunner(services, supervisor, member=_member_name("connectors"))
    consumers.start(connector_consumers(services, channels, supervisor))
    supervisor.run_every("connector gauges", gauges.INTERVAL, consumers.report)
    start_streams(services, supervisor, channels)


def _watch_groups(services: ProcessServices, supervisor: Supervisor, channels: list[str]) -> None:
    """Report the lag of the consumer groups on the edge, so that it is also reported when no worker runs."""
    for group in gauges.gauges_of_groups(services, channels):
        supervisor.run_every(f"gauges of {group.name}", gauges.LONG_INTERVAL, group.report)


async def serve_edge(
    config: Config, services: ProcessServices, supervisor: Supervisor, on_ready: Callable[[], object] | None
) -> None:
    supervisor.run_every("owner gauges", gauges.INTERVAL, lambda: gauges.report_owners(services))
    start_backfills(services, supervisor)

    async def http() -> None:
        async with AsyncExitStack() as stack:
            apps = [build_app(services), *([build_admin_app(services)] if config.admin_listen else [])]
            for app, (host, port) in zip(apps, config.addresses, strict=True):
                await stack.enter_async_context(run_server(app, host, port))
            if on_ready is not None:
                on_ready()
            await supervisor.stopping.wait()

    supervisor.run("http", http)
    await supervisor.wait()
