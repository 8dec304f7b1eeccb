"""Names that only the vendor knows: asked for after a message, once, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from connectors.inbound import profiles
from connectors.inbound.profiles import MIN_PAUSE, NAME_TTL, NO_PROFILE_PAUSE, REVOKED_PAUSE, ProfileLookup
from connectors.outbound.connections import AccountConnections
from schemas import topics
from schemas.conversation import Contact
from schemas.errors import CredentialsRevoked, RetryLater, StateUnavailable
from schemas.messages import Address, Author, InboundMessage
from schemas.ports import Account, Profile
from tests.unit.connectors.conftest import ACCOUNT, CHANNEL, TENANT, ConnectorEnvironment, ScriptedChannel

ANN = Profile("Ann Bloom", "en-US")


class Vendor(ScriptedChannel):
    """Also a ProfileFetcher: one answer a question, then Ann's name."""

    def __init__(self, *answers: Profile | Exception | None) -> None:
        super().__init__()
        self.answers = list(answers)
        self.questions: list[str] = []
        self.open = asyncio.Event()
        self.open.set()

    def select_profile_address(self, addresses: Sequence[Address]) -> Address | None:
        return next(iter(addresses), None)

    async def fetch_profile(self, address: Address) -> Profile | None:
        self.questions.append(address.value)
        await self.open.wait()
        answer = self.answers.pop(0) if self.answers else ANN
        if isinstance(answer, Exception):
            raise answer
        return answer


@asynccontextmanager
async def run_lookup(
    world: ConnectorEnvironment, vendor: Vendor, accounts: AccountConnections | None = None
) -> AsyncIterator[ProfileLookup]:
    asked = ProfileLookup(
        CHANNEL,
        vendor,
        accounts or AccountConnections(vendor, world.clock),
        bus=world.bus,
        contacts=world.state.contacts,
        limiter=world.state.limiter,
        clock=world.clock,
        account_of=lambda tenant, channel, name: Account(tenant, channel, name, None),
    )
    yield asked
    await asked.close()


def hear_message(
    world: ConnectorEnvironment,
    asked: ProfileLookup,
    contact: str = "",
    place: str = "p",
    author: Author | None = None,
    account: str = ACCOUNT,
) -> None:
    message = InboundMessage(
        id="m",
        external_id="1",
        place=place,
        contact_id=contact or world.contact,
        author=author or Author(kind="contact"),
        text="hi",
        sent_at=world.clock(),
    )
    asked.enqueue_authors([world.record(message, topics.MESSAGE_RECEIVED, account=account)])


async def wait_until_idle(asked: ProfileLookup) -> None:
    """Until everybody who was to be asked for was."""
    async with asyncio.timeout(30):
        while not asked.is_idle:  # noqa: ASYNC110  # nothing tells
            await asyncio.sleep(0.005)


async def contact_of(world: ConnectorEnvironment, id_: str = "") -> Contact:
    found = await world.state.contacts.get(TENANT, id_ or world.contact)
    assert found is not None
    return found


async def create_contact(world: ConnectorEnvironment, value: str) -> Contact:
    contact, _ = await world.state.contacts.resolve(
        TENANT, CHANNEL, ACCOUNT, value, [Address(channel=CHANNEL, value=value)], now=world.clock()
    )
    return contact


async def test_a_contact_who_writes_gets_the_vendors_name_and_locale_also_on_the_log(
    world: ConnectorEnvironment,
) -> None:
    async with run_lookup(world, Vendor()) as asked:
        hear_message(world, asked)
        await wait_until_idle(asked)
    known = await contact_of(world)
    assert (known.name, known.locale, known.named_at) == ("Ann Bloom", "en-US", world.clock())
    assert [each.payload(Contact) for each in await world.logged(topics.STATE)] == [known]


async def test_a_name_holds_for_a_day_in_every_process_and_then_a_newer_one_takes_its_place(
    world: ConnectorEnvironment,
) -> None:
    first, second = Vendor(), Vendor(Profile("Ann Green"))
    async with run_lookup(world, first) as asked, run_lookup(world, second) as another:
        hear_message(world, asked)
        hear_message(world, asked)
        await wait_until_idle(asked)
        world.clock.now += NAME_TTL - timedelta(seconds=1)
        for each in (asked, another):
            hear_message(world, each)
            await wait_until_idle(each)
        assert (first.questions, second.questions) == (["p"], [])
        world.clock.now += timedelta(seconds=2)
        hear_message(world, another)
        await wait_until_idle(another)
    assert (second.questions, (await contact_of(world)).name) == (["p"], "Ann Green")


async def test_of_several_processes_that_hear_somebody_at_once_one_asks(world: ConnectorEnvironment) -> None:
    one, other = Vendor(), Vendor()
    async with run_lookup(world, one) as asked, run_lookup(world, other) as another:
        for each in (asked, another, asked):
            hear_message(world, each)
        await wait_until_idle(asked)
        await wait_until_idle(another)
    assert one.questions + other.questions == ["p"]


@pytest.mark.parametrize("answer", [None, Profile(""), Profile("\u200b\x07")])
async def test_a_contact_without_a_name_is_looked_up_once_an_hour(
    world: ConnectorEnvironment, answer: Profile | None
) -> None:
    vendor = Vendor(answer)
    async with run_lookup(world, vendor) as asked:
        for pause in (timedelta(0), NO_PROFILE_PAUSE - timedelta(seconds=1), timedelta(seconds=2)):
            world.clock.now += pause
            hear_message(world, asked)
            await wait_until_idle(asked)
    assert len(vendor.questions) == 2
    assert (await contact_of(world)).name == "Ann Bloom"


@pytest.mark.parametrize(
    ("error", "rest"),
    [
        (CredentialsRevoked("missing_scope"), REVOKED_PAUSE),
        (RetryLater("limited", retry_after_ms=30_000), timedelta(seconds=30)),
        (RetryLater("the vendor cannot be reached"), MIN_PAUSE),
    ],
)
async def test_an_account_that_is_told_nothing_asks_for_nobody_for_a_while_and_sends_on(
    world: ConnectorEnvironment, error: Exception, rest: timedelta
) -> None:
    vendor = Vendor(error)
    accounts = AccountConnections(vendor, world.clock)
    async with run_lookup(world, vendor, accounts) as asked:
        hear_message(world, asked)
        await wait_until_idle(asked)
        other = (await create_contact(world, "q")).id
        world.clock.now += rest - timedelta(seconds=1)
        hear_message(world, asked, other, "q")
        await wait_until_idle(asked)
        assert vendor.questions == ["p"]
        accounts.check_not_paused(Account(TENANT, CHANNEL, ACCOUNT, None))  # Parked, if its messages had to wait too
        world.clock.now += timedelta(seconds=61)
        hear_message(world, asked, other, "q")
        await wait_until_idle(asked)
    assert vendor.questions == ["p", "q"]
    assert (await contact_of(world, other)).name == "Ann Bloom"


async def test_a_vendor_that_does_not_answer_holds_up_nothing_and_is_given_up(
    world: ConnectorEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "LOOKUP_TIMEOUT", 0.01)
    vendor = Vendor()
    vendor.open.clear()
    async with run_lookup(world, vendor) as asked:
        hear_message(world, asked)  # returns at once
        await wait_until_idle(asked)
        vendor.open.set()
        world.clock.now += MIN_PAUSE
        hear_message(world, asked)
        await wait_until_idle(asked)
    assert vendor.questions == ["p", "p"]
    assert (await contact_of(world)).name == "Ann Bloom"


async def test_the_queue_and_the_memory_of_lookups_are_bounded(
    world: ConnectorEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "MAX_QUEUED", 3)
    monkeypatch.setattr(profiles, "MAX_REMEMBERED", 2)
    vendor = Vendor()
    contacts = {f"q{number}": (await create_contact(world, f"q{number}")).id for number in range(6)}
    async with run_lookup(world, vendor) as asked:
        for place, contact in contacts.items():
            hear_message(world, asked, contact, place)
        assert asked.remembered_count == 2
        await wait_until_idle(asked)
        assert vendor.questions == ["q0", "q1", "q2"]
        hear_message(world, asked, contacts["q5"], "q5")
        await wait_until_idle(asked)
    assert vendor.questions[3:] == ["q5"]


async def test_nobody_is_asked_about_for_what_a_person_says(world: ConnectorEnvironment) -> None:
    vendor = Vendor()
    async with run_lookup(world, vendor) as asked:
        hear_message(world, asked, author=Author(kind="person", name="Mo"))
        await wait_until_idle(asked)
    assert vendor.questions == []


async def test_a_contact_that_changes_while_its_name_is_published_is_published_again(
    world: ConnectorEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a contact the log says last what holds, whoever writes it."""
    append, alias = world.bus.append, Address(channel=CHANNEL, value="alias")

    async def slow(envelopes: Sequence[object]) -> object:
        if alias not in (await contact_of(world)).addresses:
            both = [Address(channel=CHANNEL, value="p"), alias]
            await world.state.contacts.resolve(TENANT, CHANNEL, ACCOUNT, "p", both, now=world.clock())
        return await append(envelopes)  # type: ignore[arg-type]

    monkeypatch.setattr(world.bus, "append", slow)
    async with run_lookup(world, Vendor()) as asked:
        hear_message(world, asked)
        await wait_until_idle(asked)
    last = (await world.logged(topics.STATE))[-1].payload(Contact)
    assert last == await contact_of(world)
    assert (last.name, alias in last.addresses) == ("Ann Bloom", True)


async def test_a_store_that_is_away_is_asked_again_a_minute_later(
    world: ConnectorEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StateUnavailable("gone")

    vendor = Vendor()
    async with run_lookup(world, vendor) as asked:
        with monkeypatch.context() as patch:
            patch.setattr(world.state.contacts, "get", away)
            hear_message(world, asked)
            await wait_until_idle(asked)
        world.clock.now += MIN_PAUSE
        hear_message(world, asked)
        await wait_until_idle(asked)
    assert (await contact_of(world)).name == "Ann Bloom"


async def test_while_an_account_is_paused_nobody_is_asked_for(world: ConnectorEnvironment) -> None:
    vendor = Vendor()
    accounts = AccountConnections(vendor, world.clock)
    accounts.pause(Account(TENANT, CHANNEL, ACCOUNT, None), timedelta(minutes=5), "the token was revoked")
    async with run_lookup(world, vendor, accounts) as asked:
        hear_message(world, asked)
        await wait_until_idle(asked)
        assert vendor.questions == []
        world.clock.now += timedelta(minutes=5)
        hear_message(world, asked)
        await wait_until_idle(asked)
    assert (await contact_of(world)).name == "Ann Bloom"


async def test_an_account_that_is_slow_holds_up_no_other(world: ConnectorEnvironment) -> None:
    vendor, slow = Vendor(), asyncio.Event()
    vendor.open = slow
    async with run_lookup(world, vendor) as asked:
        hear_message(world, asked)
        async with asyncio.timeout(30):
            while not vendor.questions:  # noqa: ASYNC110
                await asyncio.sleep(0)
        vendor.open = asyncio.Event()
        vendor.open.set()
        other = await create_contact(world, "q")
        hear_message(world, asked, other.id, "q", account="another")
        async with asyncio.timeout(30):
            while not (await contact_of(world, other.id)).name:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert not (await contact_of(world)).name
