"""The tenants' desks, from the configuration to the consumer that keeps them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from connectors.desk.port import Desk, DeskHost
from connectors.desk.posts.consumer import Commands, DeskConsumer, Meanwhile
from connectors.desk.posts.timers import DueSweep
from connectors.desk.rules import DeskEmojiRules, DeskRules, DeskTimesRules
from connectors.outbound.policy import policies
from gateway.config.desk import Desk as DeskSettings
from gateway.config.settings import Tenant
from gateway.wiring.parts import Parts, each_account
from schemas.errors import SetupError

SWEEP_EVERY = 15.0


def desk_of(parts: Parts, name: str) -> Desk:
    """Raises SetupError where people cannot work in this channel."""
    channel = parts.channels[name]
    if not isinstance(channel, DeskHost):
        raise SetupError(f"people cannot work in the channel {name}")
    return channel.at_desk()


def consumer_of(parts: Parts, desk: Desk, commands: Callable[[Meanwhile], Commands]) -> DeskConsumer:
    return DeskConsumer(
        desk,
        rules_of(parts),
        bus=parts.bus,
        state=parts.state,
        metrics=parts.metrics,
        clock=parts.clock,
        account_of=parts.accounts,
        commands=commands,
    )


def sweep_of(parts: Parts) -> DueSweep:
    return DueSweep(rules_of(parts), bus=parts.bus, state=parts.state, clock=parts.clock)


def rules_of(parts: Parts) -> dict[str, DeskRules]:
    """The desks, by tenant."""
    windows = _windows(parts)
    return {
        name: _rules(name, tenant, tenant.desk, windows.get(name, {}))
        for name, tenant in parts.config.tenants.items()
        if tenant.desk is not None
    }


def _windows(parts: Parts) -> dict[str, dict[tuple[str, str], timedelta]]:
    """By tenant: how long the channels let people answer, where they limit it."""
    found: dict[str, dict[tuple[str, str], timedelta]] = {}
    for account in each_account(parts.config):
        if (channel := parts.channels.get(account.channel)) is None:
            continue
        policy = policies(channel)(account)
        if (window := policy.person_window or policy.window) is not None:
            found.setdefault(account.tenant, {})[account.channel, account.name] = window
    return found


def _rules(name: str, tenant: Tenant, desk: DeskSettings, windows: dict[tuple[str, str], timedelta]) -> DeskRules:
    times = DeskTimesRules(
        first_reply=_minutes(desk.times.first_reply),
        next_reply=_minutes(desk.times.next_reply),
        remind=desk.times.remind,
        escalate_to=desk.times.escalate_to,
        mention=desk.times.mention,
    )
    return DeskRules(
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
    )


def _minutes(limit: float) -> timedelta | None:
    return timedelta(minutes=limit) if limit else None
