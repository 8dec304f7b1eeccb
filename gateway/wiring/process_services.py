"""The parts of a process: its configuration, open adapters and shared objects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from connectors.registry import CHANNELS
from gateway.config.settings import Config
from gateway.http.overload import OverloadFlag
from gateway.storage.attachment_collector import AttachmentCollector
from gateway.storage.quotas import QuotaBlobs, StorageQuota
from gateway.storage.retention_cleaner import RetentionCleaner
from gateway.wiring.engines import periods_of
from infra.flight_recorder import FlightRecorder
from schemas import topics
from schemas.audit.trail import AuditTrail
from schemas.key_ring import KeyRing
from schemas.ports import Account, Bus, Channel, Clock, Metrics, State
from schemas.privacy.key_service import ContactKeyService

if TYPE_CHECKING:
    from agent_worker.knowledge.library import Library

AccountLookup = Callable[[str, str, str], Account | None]
"""``(tenant, channel, account name)`` → the account, or None if it is not configured."""


def _return_false() -> bool:
    return False


async def _no_problems() -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessServices:
    """The services of a process and its adapters, built by ``gateway.wiring.compose``.

    ``channels`` are the open channels by name. ``knowledge`` is None in processes that do not search. ``overload_flag``
    is set while the edge refuses requests because of overload. ``sleep`` belongs to ``clock``. ``check_readiness``
    returns the problem of each part that is not ready. ``recorder`` records what the process handles, and
    ``self_repair`` checks and repairs the state store; None in processes without them. ``contact_keys`` is None without
    a secret key.
    """

    config: Config
    bus: Bus
    state: State
    blobs: QuotaBlobs
    metrics: Metrics
    clock: Clock
    accounts: AccountLookup
    secret_key: KeyRing
    admin_token: KeyRing
    quota: StorageQuota
    channels: Mapping[str, Channel] = field(default_factory=dict)
    knowledge: Library | None = None
    recorder: FlightRecorder | None = None
    overload_flag: OverloadFlag = field(default_factory=OverloadFlag)
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    is_state_lost: Callable[[], bool] = _return_false
    check_readiness: Callable[[], Awaitable[dict[str, str]]] = _no_problems
    audit: AuditTrail
    contact_keys: ContactKeyService | None = None
    self_repair: Callable[[], Coroutine[object, object, None]] | None = None


def list_accounts(config: Config) -> list[Account]:
    """All accounts of all tenants."""
    accounts_found: list[Account] = []

    def of_channel(channel: str) -> list[Account]:
        return [account for account in accounts_found if account.channel == channel]

    for tenant, section in config.tenants.items():
        for channel, accounts in section.channels.accounts().items():
            for name, settings in accounts.items():
                desk = section.desk.places(channel, name) if section.desk is not None else frozenset()
                accounts_found.append(Account(tenant, channel, name, settings, partial(of_channel, channel), desk))
    return accounts_found


def build_account_lookup(config: Config) -> AccountLookup:
    """The lookup of configured accounts."""
    accounts = {(account.tenant, account.channel, account.name): account for account in list_accounts(config)}

    def lookup(tenant: str, channel: str, name: str) -> Account | None:
        return accounts.get((tenant, channel, name))

    return lookup


def build_attachment_collector(services: ProcessServices) -> AttachmentCollector:
    """The job that deletes attachments that no message refers to."""
    return AttachmentCollector(
        services.blobs,
        services.quota,
        leases=services.state.leases,
        transcript=services.state.transcript,
        tenants=services.config.tenants,
        clock=services.clock,
    )


def build_retention_cleaner(services: ProcessServices) -> RetentionCleaner:
    """The job that removes what is older than its tenant's retention."""
    name_groups = (topics.worker_group, topics.sender_group, topics.receipts_group, topics.desk_group)
    return RetentionCleaner(
        bus=services.bus,
        state=services.state,
        blobs=services.blobs,
        periods=periods_of(services.config),
        # Of all channels: records may have been parked before a channel was removed from the configuration.
        groups=[name_group(channel) for channel in CHANNELS for name_group in name_groups],
        clock=services.clock,
        keys=services.contact_keys,
    )
