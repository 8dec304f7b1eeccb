"""What people do at the tenants' desks: the way in for it, and what does it."""

from __future__ import annotations

from connectors.accounts import Accounts
from connectors.slack.desk.acts import Acts
from connectors.slack.desk.door import Door
from connectors.slack.desk.holding import Meanwhile
from connectors.slack.desk.web_api import WebApi
from gateway.desk import rules_of
from gateway.files import VendorFiles
from gateway.parts import Parts
from schemas import topics


def door_of(parts: Parts) -> Door | None:
    """None where no tenant has a desk. Whoever asked for it closes it."""
    rules = rules_of(parts)
    if not rules or topics.DESK not in parts.channels:
        return None
    return Door(
        rules=rules,
        slack=slack_of(parts),
        bus=parts.bus,
        state=parts.state,
        clock=parts.clock,
        own_numbers={name: tenant.protection.finder for name, tenant in parts.config.tenants.items()},
    )


def acts_of(parts: Parts, files: VendorFiles, slack: WebApi, meanwhile: Meanwhile) -> Acts:
    return Acts(
        rules=rules_of(parts),
        slack=slack,
        account_of=parts.accounts,
        store=files.fetch,
        bus=parts.bus,
        state=parts.state,
        clock=parts.clock,
        meanwhile=meanwhile,
        revises=frozenset(name for name, channel in parts.channels.items() if channel.capabilities.revises),
    )


def slack_of(parts: Parts) -> WebApi:
    return WebApi(Accounts(parts.channels[topics.DESK], parts.clock))
