"""Installations with a desk: in the simulated Slack, or behind the webhook desk of the tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.scenarios.customers.customer import Customers
from tests.scenarios.customers.discord import DiscordCustomers
from tests.scenarios.customers.instagram import InstagramCustomers
from tests.scenarios.customers.slack import SlackCustomers
from tests.scenarios.customers.web import WebCustomers
from tests.scenarios.customers.whatsapp_meta import WhatsAppCustomers
from tests.scenarios.customers.whatsapp_twilio import TwilioCustomers
from tests.scenarios.scenario_installation import ScenarioSettings
from tests.simulators.slack.server import SlackVendor

KINDS: tuple[type[Any], ...] = (
    WebCustomers,
    SlackCustomers,
    DiscordCustomers,
    WhatsAppCustomers,
    TwilioCustomers,
    InstagramCustomers,
)
FASTER = 20
"""Than Slack lets a desk be: one channel takes a message a second, and all conversations of a run share it."""
ENV = {"TEST_HURRY_DESK": str(FASTER), "TEST_HURRY": "3"}
UNHURRIED = {"TEST_HURRY_DESK": "", "TEST_HURRY": ""}
RULES = {"undo_seconds": 0.1, "tags": ["plants", "parcels"]}


def in_slack(customers: Sequence[Customers]) -> dict[str, Any]:
    slack_of(customers).limits.speed = FASTER
    return unhurried(customers)


def unhurried(customers: Sequence[Customers]) -> dict[str, Any]:
    return {"desk": {"channel": slack_of(customers).channel("desk").id, **RULES}}


def behind_a_webhook(customers: Sequence[Customers]) -> dict[str, Any]:
    return {"desk": {"kind": "webhook", "channel": "support", **RULES}}


DESK = ScenarioSettings(KINDS, in_slack, ENV)
REAL = ScenarioSettings(KINDS, unhurried, UNHURRIED)
"""At Slack's own pace, and ours."""
WEBHOOK = ScenarioSettings(KINDS, behind_a_webhook, {"TEST_DESK": "webhook", "TEST_HURRY": "3"}, has_help_desk=True)
DESKS = {"slack": DESK, "webhook": WEBHOOK}


def slack_of(customers: Sequence[Customers]) -> SlackVendor:
    vendor: SlackVendor = next(each.vendor for each in customers if isinstance(each, SlackCustomers))
    return vendor
