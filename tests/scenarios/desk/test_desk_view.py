"""The views that the desk scenarios look at, tested without anything running."""

from __future__ import annotations

from typing import cast

from tests.harness.installation import Installation
from tests.scenarios.customers.customer import Customers
from tests.scenarios.customers.slack import SlackCustomers
from tests.scenarios.customers.whatsapp_twilio import TwilioCustomers
from tests.scenarios.desk.desk_conversations import case_of
from tests.scenarios.desk.slack_view import SlackDeskView
from tests.scenarios.scenario_installation import ScenarioInstallation
from tests.simulators.slack.workspace import Post
from tests.simulators.vendor_clock import VendorClock


async def test_a_card_is_found_whichever_of_its_conversations_names_came_first() -> None:
    """Where Twilio's webhook did not come through, its list is the first to tell of somebody, and tells a number only:
    the conversation bears another name than by a webhook."""
    clock = VendorClock()
    slack, twilio = SlackCustomers(clock), TwilioCustomers(clock)
    customers: list[Customers] = [slack, twilio]
    stage = ScenarioInstallation(cast(Installation, None), clock, customers)
    floor = case_of(stage, twilio, "k").floor
    assert isinstance(floor, SlackDeskView)
    by_user, by_number = stage.conversation_ids(twilio, "k-whatsapp-twilio")
    other, _ = stage.conversation_ids(twilio, "somebody else")
    for number, id_ in enumerate((by_number, other)):
        ts = f"{number}.0"
        floor.room.posts[ts] = Post(floor.room, ts, {"blocks": [{"block_id": id_}]}, slack.vendor.bot)
    assert by_user != by_number
    assert await floor.card() is floor.room.posts["0.0"]
