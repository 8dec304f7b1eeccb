"""Discord's connection against the simulated Discord: one request a call, every answer understood, nothing shown
twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.discord.channel import DiscordChannel
from connectors.discord.connection import DiscordConnection, nonce
from connectors.discord.settings import ACCOUNT
from connectors.tools import Tools
from schemas.errors import (
    CredentialsRevoked,
    NotFound,
    SendDelayed,
    SendRefused,
    SendUnknown,
    TooLarge,
)
from schemas.messages import Attachment, Author, Choice, OutboundMessage, RemoteFile
from schemas.ports import Account, Call, Fetcher, Lookup, Reply, Seer, Sending
from tests.platforms.discord import Discord
from tests.platforms.discord.stage import Clock
from tests.platforms.vendor import Fault, File, Shown

SEND = "Create Message"
LEAF = Attachment(id="a" * 64, name="leaf one.png", type="image/png", size=4)


def now() -> datetime:
    return datetime.now(UTC)


async def files(tenant: str, attachment: str) -> tuple[Attachment, bytes]:
    if (tenant, attachment) != ("shop", LEAF.id):
        raise NotFound("no such file")
    return LEAF, b"leaf"


@dataclass
class Desk:
    """A channel with a connection to a Discord where mia writes."""

    server: Discord
    clock: Clock
    channel: DiscordChannel
    account: Account
    connection: DiscordConnection

    @property
    def place(self) -> str:
        return self.server.place("mia")

    def calls(self, text: str = "Less water.", *, answers: str = "", **fields: Any) -> list[Call]:
        whole: dict[str, Any] = {
            "id": "0d1f2e3a-0000-5000-8000-000000000001",
            "author": Author(kind="agent"),
            "text": text,
            "place": self.place,
            "contact_id": "c",
            "created_at": now(),
            "expires_at": now() + timedelta(days=1),
        }
        return self.channel.render(OutboundMessage(**whole | fields), Sending("c1", self.account, answers=answers))

    async def send(self, call: Call, marker: str = "r1") -> str:
        return self.channel.judge(call, await self.connection.perform(call, marker))

    @property
    def shown(self) -> list[Shown]:
        return self.server.ledger.at(self.place)

    def asked(self, operation: str = SEND) -> int:
        return sum(request.operation == operation for request in self.server.ledger.requests)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock = Clock()
    server = Discord(now=clock, pace=0)
    nothing: Any = None
    async with server.serving():
        account = Account("shop", "discord", "main", ACCOUNT.model_validate(server.settings()))
        channel = DiscordChannel(Tools(transcript=nothing, signals=nothing, clock=now, read_file=files))
        connection = channel.connect(account)
        assert isinstance(connection, DiscordConnection)
        yield Desk(server, clock, channel, account, connection)
        await connection.close()


# ── Sending ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_reply_is_shown_under_what_it_answers_and_pings_nobody(desk: Desk) -> None:
    desk.server.move("mia", desk.server.world.home)
    asked = await desk.server.say("mia", "my fern is yellow")
    mia = desk.server.world.user("mia").id
    (call,) = desk.calls(f"Less water, <@{mia}> @everyone", answers=asked)
    id_ = await desk.send(call)
    (shown,) = desk.shown
    assert (shown.id, shown.reply_to, shown.marker) == (id_, asked, nonce("r1"))
    assert (shown.native["mentions"], shown.native["mention_everyone"]) == ([], False)


async def test_an_answer_to_what_is_gone_meanwhile_is_shown_without_a_reference(desk: Desk) -> None:
    asked = await desk.server.say("mia", "never mind")
    await desk.server.delete("mia", asked)
    await desk.send(desk.calls(answers=asked)[0])
    assert [each.reply_to for each in desk.shown] == [""]


async def test_a_file_goes_along_under_its_name(desk: Desk) -> None:
    (call,) = desk.calls("Like this:", attachments=[LEAF])
    await desk.send(call)
    (shown,) = desk.shown
    assert [(each.name, each.type, each.data) for each in shown.files] == [("leaf_one.png", "image/png", b"leaf")]


async def test_a_file_that_we_no_longer_have_refuses_the_message(desk: Desk) -> None:
    (call,) = desk.calls(attachments=[LEAF.model_copy(update={"id": "b" * 64})])
    with pytest.raises(SendRefused, match="file_gone"):
        await desk.send(call)
    assert not desk.shown


async def test_a_long_answer_is_shown_whole_and_in_order(desk: Desk) -> None:
    words = " ".join(f"word{number}" for number in range(900))
    for number, call in enumerate(desk.calls(words)):
        await desk.send(call, f"r1.{number}")
    assert len(desk.shown) > 2
    assert " ".join(each.text for each in desk.shown).split() == words.split()


async def test_a_second_connection_of_another_process_with_the_same_marker_shows_nothing_twice(desk: Desk) -> None:
    (call,) = desk.calls()
    other = DiscordConnection(desk.account, files)
    first, second = await desk.send(call), desk.channel.judge(call, await other.perform(call, "r1"))
    await other.close()
    assert first == second
    assert len(desk.shown) == 1


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

FAULTS = [
    (Fault("limit", retry_after=0.3), SendDelayed, 300, False),
    (Fault("limit", retry_after=1336.5, code="shared"), SendDelayed, 1_336_500, False),
    (Fault("limit", retry_after=0.7, code="global"), SendDelayed, 700, True),
    (Fault("limit", retry_after=9, code="20016"), SendDelayed, 9000, False),
    (Fault("limit", retry_after=9, code="no_via"), SendDelayed, 9000, False),
    (Fault("limit", retry_after=240, code="cloudflare"), SendDelayed, 240_000, True),
    (Fault("lose", status=403), SendDelayed, 60_000, True),
    (Fault("refuse", status=500), SendUnknown, None, False),
    (Fault("lose", status=502), SendUnknown, None, False),
    (Fault("lose", status=524), SendUnknown, None, False),
    (Fault("drop"), SendUnknown, None, False),
    (Fault("fail_after", status=500), SendUnknown, None, False),
    (Fault("drop_after"), SendUnknown, None, False),
    (Fault("garbage"), SendUnknown, None, False),
]


@pytest.mark.parametrize(("fault", "error", "wait", "of_account"), FAULTS)
async def test_each_fault_means_one_request_and_its_own_failure(
    desk: Desk, fault: Fault, error: type[Exception], wait: int | None, of_account: bool
) -> None:
    desk.server.faults.next(replace(fault, operation=SEND))
    with pytest.raises(error) as raised:
        await desk.send(desk.calls()[0])
    assert desk.asked() == 1
    found: Any = raised.value
    assert (found.retry_after_ms, getattr(found, "of_account", False)) == (wait, of_account)


@pytest.mark.parametrize("kind", ["fail_after", "drop_after", "garbage"])
async def test_what_was_shown_before_the_answer_was_lost_is_shown_once_when_it_is_repeated(
    desk: Desk, kind: Any
) -> None:
    desk.server.faults.next(Fault(kind, SEND))
    (call,) = desk.calls()
    with pytest.raises(SendUnknown):
        await desk.send(call)
    assert await desk.send(call) == desk.shown[0].id
    assert len(desk.shown) == 1


async def test_nobody_there_is_a_delay_and_no_doubt(desk: Desk) -> None:
    nowhere = desk.account.settings.model_copy(update={"api_base": "http://127.0.0.1:9/api/v10"})
    connection = DiscordConnection(replace(desk.account, settings=nowhere), files)
    with pytest.raises(SendDelayed):
        await connection.perform(desk.calls()[0], "r1")
    await connection.close()


async def test_a_token_that_was_reset_stops_the_account(desk: Desk) -> None:
    desk.server.world.token = "another"
    with pytest.raises(CredentialsRevoked):
        await desk.send(desk.calls()[0])


async def test_after_too_many_refusals_nothing_is_asked_for_a_while(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.discord.refusals.MOST", 3)
    connection = DiscordConnection(desk.account, files)
    refused = Fault("refuse", SEND, status=403, code="50007")
    desk.server.faults.next(Fault("limit", SEND, code="shared"), refused, Fault("limit", SEND), refused)
    (call,) = desk.calls()
    for _ in range(4):
        await connection.perform(call, "r1")
    with pytest.raises(SendDelayed) as raised:
        await connection.perform(call, "r1")
    await connection.close()
    assert raised.value.of_account
    assert 590_000 < (raised.value.retry_after_ms or 0) <= 600_001
    assert desk.asked() == 4


def _closed(desk: Desk) -> None:
    desk.server.world.user("mia").dms_open = False


def _left(desk: Desk) -> None:
    desk.server.world.user("mia").in_guild = False


def _gone(desk: Desk) -> None:
    del desk.server.world.channels[desk.place]


def _moderated(desk: Desk) -> None:
    desk.server.world.forbidden_words.add("water")


def _denied(desk: Desk) -> None:
    desk.server.channel("mia").denied.add("VIEW_CHANNEL")


REFUSALS = [(_closed, "blocked"), (_left, "blocked"), (_moderated, "moderated"), (_denied, "missing_permission")]


@pytest.mark.parametrize(("happens", "reason"), [*REFUSALS, (_gone, "not_found")])
async def test_a_no_for_good_says_why(desk: Desk, happens: Any, reason: str) -> None:
    (call,) = desk.calls()
    happens(desk)
    with pytest.raises(SendRefused, match=f"^{reason}$"):
        await desk.send(call)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"content": "x" * 2001}, "too_long"),
        ({"content": "\u200b"}, "empty"),
        ({"content": "x", "components": [{"type": 99}]}, "invalid"),
    ],
)
async def test_a_form_that_discord_does_not_take_says_what_is_wrong(desk: Desk, body: Any, reason: str) -> None:
    (call,) = desk.calls()
    with pytest.raises(SendRefused, match=f"^{reason}$"):
        await desk.send(replace(call, arguments={**call.arguments, "body": body}))


def test_a_pause_that_is_no_number_is_none(desk: Desk) -> None:
    for odd in (None, "soon", -1, float("nan"), float("inf")):
        with pytest.raises(SendDelayed) as raised:
            desk.channel.judge(desk.calls()[0], Reply(429, {"retry_after": odd}))
        assert raised.value.retry_after_ms is None


# ── Look-up ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def look(desk: Desk, call: Call) -> str | None:
    assert isinstance(desk.connection, Lookup)
    return await desk.connection.lookup(call, "r1")


@pytest.mark.parametrize(
    "fields",
    [{}, {"text": "🌿 **bold** <@1> \u200b x"}, {"attachments": [LEAF]}, {"choices": [Choice(id="yes", label="Yes")]}],
)
async def test_what_was_shown_is_found_long_after_the_nonce_is_forgotten(desk: Desk, fields: dict[str, Any]) -> None:
    asked = await desk.server.say("mia", "my fern is yellow")
    (call,) = desk.calls(answers=asked, **fields)
    desk.server.faults.next(Fault("drop_after", SEND))
    with pytest.raises(SendUnknown):
        await desk.send(call)
    desk.clock.forward(7200)
    await desk.server.say("mia", "hello?")
    assert await look(desk, call) == desk.shown[0].id


@pytest.mark.parametrize("earlier", ["Less water.", "Something else."])
async def test_what_was_said_before_the_question_is_not_taken_for_its_answer(desk: Desk, earlier: str) -> None:
    await desk.send(desk.calls(earlier)[0], "r0")
    asked = await desk.server.say("mia", "my fern is yellow")
    assert await look(desk, desk.calls(answers=asked)[0]) is None


async def test_the_same_words_of_a_person_or_of_a_command_are_not_ours(desk: Desk) -> None:
    asked = await desk.server.say("mia", "my fern is yellow")
    await desk.server.say("mia", "Less water.")
    desk.server.people.webhook_says(desk.server.channel("mia"), "CI", "Less water.")
    assert await look(desk, desk.calls(answers=asked)[0]) is None


async def test_it_is_looked_for_through_as_many_pages_as_were_written_since(desk: Desk) -> None:
    asked = await desk.server.say("mia", "my fern is yellow")
    (call,) = desk.calls(answers=asked)
    shown = await desk.send(call)
    for number in range(250):
        await desk.server.say("mia", f"and {number}")
    assert await look(desk, call) == shown
    assert desk.asked("Get Channel Messages") == 3


async def test_too_much_to_look_through_is_no_answer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.discord.connection.PAGES", 1)
    asked = await desk.server.say("mia", "my fern is yellow")
    for number in range(101):
        await desk.server.say("mia", f"and {number}")
    with pytest.raises(SendUnknown):
        await look(desk, desk.calls(answers=asked)[0])


async def test_a_history_that_is_hidden_says_nothing_unless_the_place_is_as_it_was(desk: Desk) -> None:
    desk.server.move("mia", desk.server.world.home)
    asked = await desk.server.say("mia", "my fern is yellow")
    (call,) = desk.calls()
    call = replace(call, arguments={**call.arguments, "since": asked})
    desk.server.channel("mia").denied.add("READ_MESSAGE_HISTORY")
    assert await look(desk, call) is None
    await desk.server.say("mia", "hello?")
    with pytest.raises(SendRefused, match="history_hidden"):
        await look(desk, call)


LOOKS = [
    (Fault("limit"), SendDelayed),
    (Fault("refuse", status=500), SendUnknown),
    (Fault("drop"), SendUnknown),
    (Fault("garbage"), SendUnknown),
    (Fault("refuse", status=404, code="10003"), SendRefused),
]


@pytest.mark.parametrize(("fault", "error"), LOOKS)
async def test_a_look_up_that_fails_is_no_answer(desk: Desk, fault: Fault, error: type[Exception]) -> None:
    # Twice: a question may be asked again by the client where an open connection turns out to be dead.
    desk.server.faults.next(*[replace(fault, operation="Get Channel Messages")] * 2)
    with pytest.raises(error):
        await look(desk, desk.calls()[0])


# ── Files, typing ────────────────────────────────────────────────────────────────────────────────────────────────────


async def sent_file(desk: Desk, **more: Any) -> RemoteFile:
    id_ = await desk.server.say("mia", "look", files=[File("leaf.png", "image/png", b"x" * 1000)])
    (attached,) = desk.server.world.message(id_)[1].data["attachments"]
    return RemoteFile(ref=f"{desk.place}/{id_}/{attached['id']}", **more)


async def test_a_file_is_fetched_also_days_later(desk: Desk) -> None:
    assert isinstance(desk.connection, Fetcher)
    file = await sent_file(desk)
    desk.clock.forward(3 * 86_400)
    assert await desk.connection.fetch(file, 1000) == (b"x" * 1000, "image/png", "leaf.png")


async def test_a_file_of_a_forwarded_message_is_fetched(desk: Desk) -> None:
    file = await sent_file(desk)
    channel, mia = desk.server.channel("mia"), desk.server.world.user("mia")
    forwarded = desk.server.people.forward(mia, channel, file.ref.split("/")[1])
    again = file.model_copy(update={"ref": f"{desk.place}/{forwarded.id}/{file.ref.split('/')[2]}"})
    assert (await desk.connection.fetch(again, 1000))[0] == b"x" * 1000


async def test_a_file_that_is_too_large_is_not_fetched_at_all(desk: Desk) -> None:
    with pytest.raises(TooLarge):
        await desk.connection.fetch(await sent_file(desk), 999)


async def test_a_file_of_a_deleted_message_is_gone(desk: Desk) -> None:
    file = await sent_file(desk)
    await desk.server.delete("mia", file.ref.split("/")[1])
    with pytest.raises(NotFound):
        await desk.connection.fetch(file, 1000)


@pytest.mark.parametrize("fault", [Fault("drop"), Fault("limit"), Fault("refuse", status=500)])
async def test_a_file_that_cannot_be_had_now_may_be_asked_for_later(desk: Desk, fault: Fault) -> None:
    file = await sent_file(desk)
    desk.server.faults.next(fault, fault)
    with pytest.raises(SendDelayed):
        await desk.connection.fetch(file, 1000)


async def test_an_answer_on_its_way_shows_as_typing_and_never_as_a_failure(desk: Desk) -> None:
    assert isinstance(desk.connection, Seer)
    await desk.connection.seen(desk.place, "1")
    assert desk.server.channel("mia").typing_until > desk.clock()
    faults: Sequence[Fault] = (Fault("drop"), Fault("limit"), Fault("refuse", status=500), Fault("lose", status=502))
    for fault in faults:
        desk.server.faults.next(fault)
        await desk.connection.seen(desk.place, "1")
    assert desk.asked("Trigger Typing Indicator") == 5
