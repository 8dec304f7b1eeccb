"""What people do at the tenants' desks: the way in for it, and what does it."""

from __future__ import annotations

from connectors.desk.client import DeskClient
from connectors.desk.commands.dispatch import DeskCommands
from connectors.desk.commands.undo_window import Meanwhile
from connectors.desk.inbound.pipeline import DeskInbound
from gateway.wiring.desk import desk_of, rules_of
from gateway.wiring.parts import Parts
from gateway.wiring.vendor_files import VendorFiles
from schemas import topics


def door_of(parts: Parts) -> DeskInbound | None:
    """None where no tenant has a desk. Whoever asked for it closes it."""
    if not parts.config.desks or topics.DESK not in parts.channels:
        return None
    return DeskInbound(
        rules=rules_of(parts),
        client=client_of(parts),
        bus=parts.bus,
        state=parts.state,
        clock=parts.clock,
        own_numbers={name: tenant.protection.finder for name, tenant in parts.config.tenants.items()},
    )


def commands_of(parts: Parts, files: VendorFiles, client: DeskClient, meanwhile: Meanwhile) -> DeskCommands:
    return DeskCommands(
        rules=rules_of(parts),
        client=client,
        account_of=parts.accounts,
        store=files.fetch_of_colleague,
        bus=parts.bus,
        state=parts.state,
        clock=parts.clock,
        meanwhile=meanwhile,
        revises=frozenset(name for name, channel in parts.channels.items() if channel.capabilities.revises),
    )


def client_of(parts: Parts) -> DeskClient:
    return DeskClient(desk_of(parts, topics.DESK), parts.clock)
