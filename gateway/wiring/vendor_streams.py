"""Streams of accounts that one process at a time serves: our connections to vendors, and backfills of webhooks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from connectors.streams import EventStreamRunner
from gateway.http.app import build_inbound
from gateway.http.rate_limits import RateLimits
from gateway.http.webhooks import group_by_account
from gateway.wiring.desk import build_desk_router
from gateway.wiring.process_services import ProcessServices
from gateway.wiring.supervisor import Supervisor
from schemas.errors import Unavailable
from schemas.ports import Account, BackfillChannel, Channel, ChannelEvent, DeskInbound, EventStreamChannel


class StreamIntake:
    """Accepts events that came over a stream in the same way as those of requests."""

    def __init__(self, services: ProcessServices, desk: DeskInbound | None) -> None:
        self._services = services
        self._inbound = build_inbound(services, desk)
        self._allowance = RateLimits(services)

    async def accept(self, account: Account, events: Sequence[ChannelEvent]) -> None:
        """See connectors.streams.Accept."""
        if self._services.is_state_lost():
            raise Unavailable("state is being rebuilt", retry_after_ms=2000)
        for owner, account_events in group_by_account(account, events):
            admit = partial(self._allowance.admit_account, owner)
            await self._inbound.accept(owner, account_events, admit=admit)

    async def is_open(self) -> bool:
        return not {"bus", "state"} & (await self._services.check_readiness()).keys()


def start_streams(services: ProcessServices, supervisor: Supervisor, channels: Sequence[str]) -> None:
    """Start the streams of accounts to which we open a connection."""
    _start(services, supervisor, channels, "streams", _has_stream)


def start_backfills(services: ProcessServices, supervisor: Supervisor) -> None:
    """Start the backfills of accounts with webhooks, which fetch the events of calls that failed."""
    _start(services, supervisor, list(services.channels), "backfills", _has_backfill)


def _start(
    services: ProcessServices,
    supervisor: Supervisor,
    channels: Sequence[str],
    label: str,
    selects: Callable[[Channel, Account], bool],
) -> None:
    desk_router = build_desk_router(services)
    if desk_router is not None:
        supervisor.add_cleanup(desk_router.close)
    intake = StreamIntake(services, desk_router)
    for name in channels:
        channel = services.channels[name]
        accounts = [account for account in _accounts_of(services, name) if selects(channel, account)]
        if accounts:
            streams = EventStreamRunner(
                channel,
                accept=intake.accept,
                ready=intake.is_open,
                state=services.state,
                metrics=services.metrics,
                clock=services.clock,
            )
            supervisor.run(f"{label} of {name}", partial(streams.run, accounts, supervisor.stopping))


def _has_stream(channel: Channel, account: Account) -> bool:
    return isinstance(channel, EventStreamChannel) and channel.streams(account)


def _has_backfill(channel: Channel, account: Account) -> bool:
    return isinstance(channel, BackfillChannel) and channel.backfills(account) and not _has_stream(channel, account)


def _accounts_of(services: ProcessServices, channel: str) -> list[Account]:
    names = [
        (tenant, name)
        for tenant, section in services.config.tenants.items()
        for name in section.channels.accounts().get(channel, {})
    ]
    return [found for tenant, name in names if (found := services.accounts(tenant, channel, name)) is not None]
