"""What people do at the tenants' desks: the way in for it, and what does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.outbound.connections import Accounts
from gateway.wiring.parts import Parts
from schemas import topics

if TYPE_CHECKING:
    from connectors.desk.commands.dispatch import Acts
    from connectors.desk.commands.undo_window import Meanwhile
    from connectors.desk.inbound.pipeline import Door
    from connectors.slack.desk.web_api import WebApi
    from gateway.wiring.vendor_files import VendorFiles


def door_of(parts: Parts) -> Door | None:
    """None where no tenant has a desk. Whoever asked for it closes it."""
    if not parts.config.desks or topics.DESK not in parts.channels:
        return None
    # Slack's library is an extra: an installation without a desk has to start without it.
    from connectors.desk.inbound.pipeline import Door
    from gateway.wiring.desk import rules_of

    return Door(
        rules=rules_of(parts),
        slack=slack_of(parts),
        bus=parts.bus,
        state=parts.state,
        clock=parts.clock,
        own_numbers={name: tenant.protection.finder for name, tenant in parts.config.tenants.items()},
    )


def acts_of(parts: Parts, files: VendorFiles, slack: WebApi, meanwhile: Meanwhile) -> Acts:
    from connectors.desk.commands.dispatch import Acts
    from gateway.wiring.desk import rules_of

    return Acts(
        rules=rules_of(parts),
        slack=slack,
        account_of=parts.accounts,
        store=files.fetch_of_colleague,
        bus=parts.bus,
        state=parts.state,
        clock=parts.clock,
        meanwhile=meanwhile,
        revises=frozenset(name for name, channel in parts.channels.items() if channel.capabilities.revises),
    )


def slack_of(parts: Parts) -> WebApi:
    from connectors.slack.desk.web_api import WebApi

    return WebApi(Accounts(parts.channels[topics.DESK], parts.clock))
