"""Names looked up at vendors that do not send them with messages: the real clients against the simulated vendors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from connectors.channel_services import ChannelServices
from connectors.registry import CHANNELS, open_channel
from schemas.errors import CredentialsRevoked, RetryLater
from schemas.messages import Address
from schemas.ports import Profile, ProfileAddressSelector, ProfileFetcher
from tests.channels.meta import MetaAccount, account_of, bench_of
from tests.channels.test_slack_connection import Desk
from tests.simulators.meta import Instagram
from tests.simulators.slack.server import SlackVendor
from tests.simulators.vendor import Fault

NOTHING: Any = None
TOOLS = ChannelServices(NOTHING, NOTHING, NOTHING, NOTHING)


def test_channels_with_profiles_look_contacts_up_by_an_address_of_their_own() -> None:
    known = {"slack": "T1:U1", "instagram": "7100000000000001"}
    for name in CHANNELS:
        channel = open_channel(name, TOOLS)
        assert isinstance(channel, ProfileAddressSelector) == (name in known)
        if isinstance(channel, ProfileAddressSelector):
            odd = ("T1:D1", "T1", "../me", "", "７１")
            others = [Address(channel="web", value=known[name]), *(Address(channel=name, value=each) for each in odd)]
            right = Address(channel=name, value=known[name])
            assert channel.select_profile_address(others) is None
            assert channel.select_profile_address([*others, right]) == right


# ── Slack ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    vendor = SlackVendor(pace=0.0002)
    vendor.limits.enforced = False
    async with vendor.serving():
        at_work = Desk(vendor)
        yield at_work
        await at_work.connection.close()


def person(desk: Desk, name: str, **about: Any) -> Address:
    who = desk.slack.people.person(name, about.pop("kind", None))
    for field, value in about.items():
        setattr(who, field, value)
    return Address(channel="slack", value=f"{desk.slack.workspace.team}:{who.id}", assurance="channel")


async def test_somebody_on_slack_is_called_what_they_want_to_be_called(desk: Desk) -> None:
    assert isinstance(desk.connection, ProfileFetcher)
    assert await desk.connection.fetch_profile(person(desk, "Ann Bloom", display_name="Ann")) == Profile("Ann", "en-US")
    assert await desk.connection.fetch_profile(person(desk, "Ben Leaf", display_name="")) == Profile(
        "Ben Leaf", "en-US"
    )
    assert await desk.connection.fetch_profile(person(desk, "Otto", kind="outsider")) == Profile("Otto", "en-US")


async def test_of_nobody_slack_says_nothing_and_what_it_lacks_is_told_as_such(desk: Desk) -> None:
    ann = person(desk, "Ann")
    assert await desk.connection.fetch_profile(Address(channel="slack", value="T1:U404")) is None
    for fault in (
        Fault("refuse", "users.info", status=200, code="user_not_visible"),
        Fault("refuse", "users.info", status=200, code="user_not_found"),
    ):
        desk.slack.faults.next(fault)
        assert await desk.connection.fetch_profile(ann) is None
    desk.slack.scopes.discard("users:read")
    with pytest.raises(CredentialsRevoked, match="missing_scope"):
        await desk.connection.fetch_profile(ann)


async def test_slack_that_asks_to_wait_or_is_away_is_asked_later(desk: Desk) -> None:
    ann = person(desk, "Ann")
    desk.slack.faults.next(Fault("limit", "users.info", retry_after=30))
    with pytest.raises(RetryLater) as limited:
        await desk.connection.fetch_profile(ann)
    assert limited.value.retry_after_ms == 30_000
    for fault in (Fault("drop"), Fault("refuse", status=503), Fault("garbage")):
        desk.slack.faults.next(fault)
        with pytest.raises(RetryLater):
            await desk.connection.fetch_profile(ann)
    assert await desk.connection.fetch_profile(ann) == Profile("Ann", "en-US")


# ── Instagram ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=["instagram", "facebook"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[MetaAccount]:
    async with bench_of(Instagram(login=request.param)) as bench:
        yield bench


def anna(bench: MetaAccount) -> Address:
    return Address(channel="instagram", value=bench.vendor.place("anna"), assurance="channel")


async def test_somebody_on_instagram_is_called_by_name_else_by_username(bench: MetaAccount) -> None:
    assert isinstance(bench.connection, ProfileFetcher)
    bench.vendor.person("anna").profile_name = "Anna 🌿 Bloom"
    assert await bench.connection.fetch_profile(anna(bench)) == Profile("Anna 🌿 Bloom")
    bench.vendor.person("anna").profile_name = None
    assert await bench.connection.fetch_profile(anna(bench)) == Profile("anna")


async def test_instagram_says_nothing_of_who_has_not_agreed_is_not_there_or_has_blocked_us(bench: MetaAccount) -> None:
    bench.vendor.person("anna").blocked = True
    assert await bench.connection.fetch_profile(anna(bench)) is None  # (#230)
    silent = Address(channel="instagram", value=bench.vendor.place("never wrote"))
    assert await bench.connection.fetch_profile(silent) is None
    assert await bench.connection.fetch_profile(Address(channel="instagram", value="7404")) is None  # (#100), 33


async def test_instagram_that_does_not_answer_now_is_asked_later_and_a_token_that_is_no_good_is_told(
    bench: MetaAccount,
) -> None:
    for fault in (Fault("limit"), Fault("refuse", status=503), Fault("lose", status=502)):
        bench.vendor.faults.next(fault)
        with pytest.raises(RetryLater):
            await bench.connection.fetch_profile(anna(bench))
    bench.vendor.faults.next(Fault("refuse", status=403, code="200"))
    with pytest.raises(CredentialsRevoked):
        await bench.connection.fetch_profile(anna(bench))
    wrong = bench.channel.connect(account_of("instagram", bench.vendor.settings() | {"access_token": "wrong"}))
    try:
        assert isinstance(wrong, ProfileFetcher)
        with pytest.raises(CredentialsRevoked):
            await wrong.fetch_profile(anna(bench))
    finally:
        await wrong.close()
