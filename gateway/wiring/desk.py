"""The tenants' desks: their rules, their inbound events, and the consumer that posts to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo

from connectors.desk.client import DeskClient
from connectors.desk.commands.dispatch import DeskCommandDispatcher
from connectors.desk.commands.undo_window import Meanwhile
from connectors.desk.inbound.pipeline import DeskInboundPipeline
from connectors.desk.port import DeskHost
from connectors.desk.posts.consumer import DeskConsumer
from connectors.desk.posts.timers import NoticeTimer
from connectors.desk.posts.weekly_report import WeeklyReportTimer
from connectors.desk.rules import DeskEmojiRules, DeskPerson, DeskTimesRules, TenantDeskRules, WeeklyReportRules
from connectors.outbound.policy import get_policy_lookup
from gateway.config.desk import DeskSettings
from gateway.config.settings import Config, Tenant
from gateway.insights.weekly_report import write_weekly_report
from gateway.wiring.process_services import ProcessServices, list_accounts
from gateway.wiring.supervisor import Supervisor
from gateway.wiring.vendor_files import VendorFiles
from schemas.errors import SetupError
from schemas.handoff.rules import name_operator
from schemas.ports import Account, ChannelEvent

SWEEP_EVERY = 15.0
REPORT_EVERY = 300.0


class DeskRouter:
    """Passes inbound events to the desk of their channel. See schemas.ports.DeskDoor."""

    def __init__(self, desks: Mapping[str, DeskInboundPipeline]) -> None:
        self._desks = desks

    async def accept(self, account: Account, events: Sequence[ChannelEvent]) -> None:
        if (desk := self._desks.get(account.channel)) is not None:
            await desk.accept(account, events)

    async def close(self) -> None:
        for desk in self._desks.values():
            await desk.close()


def build_desk_router(services: ProcessServices) -> DeskRouter | None:
    """The handler of the desks' inbound events, or None if no tenant has a desk. The caller closes it."""
    kinds = set(services.config.desks.values()).intersection(services.channels)
    if not kinds:
        return None
    own_numbers = {name: tenant.protection.own_number_finder for name, tenant in services.config.tenants.items()}
    desks = {
        kind: DeskInboundPipeline(
            rules=build_desk_rules(services, kind),
            client=_build_client(services, kind),
            bus=services.bus,
            state=services.state,
            clock=services.clock,
            audit=services.audit,
            own_numbers=own_numbers,
        )
        for kind in kinds
    }
    return DeskRouter(desks)


def start_desk(services: ProcessServices, kind: str, supervisor: Supervisor) -> DeskConsumer:
    """Build the consumer of all desks of one kind, and start their timers. The supervisor closes what they use."""
    rules, files, client = (
        build_desk_rules(services, kind),
        VendorFiles.from_services(services),
        _build_client(services, kind),
    )
    consumer = DeskConsumer(
        client.desk,
        rules,
        bus=services.bus,
        state=services.state,
        metrics=services.metrics,
        clock=services.clock,
        account_of=services.accounts,
        commands=partial(_build_commands, services, rules, files, client),
    )
    for each in (consumer, files, client):
        supervisor.add_cleanup(each.close)
    reports = WeeklyReportTimer(
        consumer, rules, partial(write_weekly_report, services), state=services.state, clock=services.clock
    )
    supervisor.run_every(f"weekly reports of {kind}", REPORT_EVERY, reports.run)
    timer = NoticeTimer(kind, rules, bus=services.bus, state=services.state, clock=services.clock)
    supervisor.run_every(f"desk times of {kind}", SWEEP_EVERY, timer.run)
    return consumer


def _build_client(services: ProcessServices, kind: str) -> DeskClient:
    """The client of one kind of desk. Raises SetupError if the channel cannot be a desk."""
    channel = services.channels[kind]
    if not isinstance(channel, DeskHost):
        raise SetupError(
            f"the channel {kind} cannot be a desk", fix="set `desk.kind` to a channel that can, such as slack"
        )
    return DeskClient(channel.at_desk(), services.clock)


def _build_commands(
    services: ProcessServices,
    rules: Mapping[str, TenantDeskRules],
    files: VendorFiles,
    client: DeskClient,
    meanwhile: Meanwhile,
) -> DeskCommandDispatcher:
    return DeskCommandDispatcher(
        rules=rules,
        client=client,
        account_of=services.accounts,
        store=files.fetch_of_colleague,
        bus=services.bus,
        state=services.state,
        clock=services.clock,
        meanwhile=meanwhile,
        revises=frozenset(name for name, channel in services.channels.items() if channel.capabilities.edits),
    )


def build_desk_rules(services: ProcessServices, kind: str) -> dict[str, TenantDeskRules]:
    """The rules of all desks of one kind, by tenant."""
    windows = _find_windows(services)
    return {
        name: replace(
            _build_rules(name, tenant, tenant.desk, windows.get(name, {})), people=_find_people(services.config, name)
        )
        for name, tenant in services.config.tenants.items()
        if tenant.desk is not None and tenant.desk.kind == kind
    }


def _find_windows(services: ProcessServices) -> dict[str, dict[tuple[str, str], timedelta]]:
    """How long people may answer, by tenant, channel and account, for the channels that limit it."""
    windows: dict[str, dict[tuple[str, str], timedelta]] = {}
    for account in list_accounts(services.config):
        if (channel := services.channels.get(account.channel)) is None:
            continue
        policy = get_policy_lookup(channel)(account)
        if (window := policy.person_window or policy.window) is not None:
            windows.setdefault(account.tenant, {})[account.channel, account.name] = window
    return windows


def _build_rules(
    name: str, tenant: Tenant, desk: DeskSettings, windows: dict[tuple[str, str], timedelta]
) -> TenantDeskRules:
    times = DeskTimesRules(
        first_reply=_to_timedelta(desk.times.first_reply),
        next_reply=_to_timedelta(desk.times.next_reply),
        remind=desk.times.remind,
        escalate_to=desk.times.escalate_to,
        mention=desk.times.mention,
    )
    return TenantDeskRules(
        tenant=name,
        name=tenant.name or name,
        account=desk.account,
        channel=desk.channel,
        channels=desk.channels,
        undo_seconds=desk.undo_seconds,
        emoji=DeskEmojiRules(**desk.emoji.model_dump()),
        hours=desk.hours.office(),
        times=times,
        rating=desk.rating,
        outcomes=tuple(desk.outcomes),
        tags=tuple(desk.tags),
        windows=windows,
        report=_build_report_rules(desk),
        role=desk.role,
    )


def _find_people(config: Config, tenant: str) -> dict[str, DeskPerson]:
    """The operators at the desk. Those who may not work for the tenant have no role there."""
    return {
        desk_id: DeskPerson(each.role if not each.tenants or tenant in each.tenants else None, name_operator(name))
        for name, each in config.operators.items()
        for desk_id in each.desk_ids
    }


def _build_report_rules(desk: DeskSettings) -> WeeklyReportRules | None:
    weekday = desk.report_weekday
    return None if weekday is None else WeeklyReportRules(weekday, ZoneInfo(desk.hours.timezone))


def _to_timedelta(limit: float) -> timedelta | None:
    return timedelta(minutes=limit) if limit else None
