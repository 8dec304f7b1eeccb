"""Discord's connection against the simulated Discord: one request a call, and every answer understood."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from connectors.discord import messages
from connectors.discord.connection import DiscordConnection, build_nonce
from schemas.errors import CredentialsRevoked, RetryLater, SendRefused, SendUnknown
from schemas.ports import VendorResponse
from tests.channels.discord_channel import LEAF, SEND, Desk, desk_at_discord, read_attachment
from tests.simulators.vendor import Fault


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with desk_at_discord() as there:
        yield there


# ── Sending ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_reply_is_shown_under_what_it_answers_and_pings_nobody(desk: Desk) -> None:
    desk.server.move("mia", desk.server.world.home)
    asked = await desk.server.say("mia", "my fern is yellow")
    mia = desk.server.world.user("mia").id
    (call,) = desk.calls(f"Less water, <@{mia}> @everyone", answers=asked)
    id_ = await desk.send(call)
    (shown,) = desk.shown
    assert (shown.id, shown.reply_to, shown.marker) == (id_, asked, build_nonce("r1"))
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
    other = DiscordConnection(desk.account, read_attachment)
    first, second = await desk.send(call), desk.channel.parse_response(call, await other.perform(call, "r1"))
    await other.close()
    assert first == second
    assert len(desk.shown) == 1


# ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

FAULTS = [
    (Fault("limit", retry_after=0.3), RetryLater, 300, False),
    (Fault("limit", retry_after=1336.5, code="shared"), RetryLater, 1_336_500, False),
    (Fault("limit", retry_after=0.7, code="global"), RetryLater, 700, True),
    (Fault("limit", retry_after=9, code="20016"), RetryLater, 9000, False),
    (Fault("limit", retry_after=9, code="no_via"), RetryLater, 9000, False),
    (Fault("limit", retry_after=240, code="cloudflare"), RetryLater, 240_000, True),
    (Fault("lose", status=403), RetryLater, 60_000, True),
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
async def test_repeating_a_send_whose_answer_was_lost_shows_the_message_once(desk: Desk, kind: Any) -> None:
    desk.server.faults.next(Fault(kind, SEND))
    (call,) = desk.calls()
    with pytest.raises(SendUnknown):
        await desk.send(call)
    assert await desk.send(call) == desk.shown[0].id
    assert len(desk.shown) == 1


async def test_nobody_there_is_a_delay_and_no_doubt(desk: Desk) -> None:
    nowhere = desk.account.settings.model_copy(update={"api_base": "http://127.0.0.1:9/api/v10"})
    connection = DiscordConnection(replace(desk.account, settings=nowhere), read_attachment)
    with pytest.raises(RetryLater):
        await connection.perform(desk.calls()[0], "r1")
    await connection.close()


async def test_a_token_that_was_reset_stops_the_account(desk: Desk) -> None:
    desk.server.world.token = "another"
    with pytest.raises(CredentialsRevoked):
        await desk.send(desk.calls()[0])


async def test_after_too_many_refusals_nothing_is_asked_for_a_while(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.discord.rest.MAX_REFUSALS", 3)
    connection = DiscordConnection(desk.account, read_attachment)
    refused = Fault("refuse", SEND, status=403, code="50007")
    desk.server.faults.next(Fault("limit", SEND, code="shared"), refused, Fault("limit", SEND), refused)
    (call,) = desk.calls()
    for _ in range(4):
        await connection.perform(call, "r1")
    with pytest.raises(RetryLater) as raised:
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
        with pytest.raises(RetryLater) as raised:
            desk.channel.parse_response(desk.calls()[0], VendorResponse(429, {"retry_after": odd}))
        assert raised.value.retry_after_ms is None


# ── Changes afterwards ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_message_that_was_sent_is_changed_and_keeps_its_file(desk: Desk) -> None:
    (call,) = desk.calls("Like this:", attachments=[LEAF])
    id_ = await desk.send(call)
    (new,) = desk.calls("Like that:", attachments=[LEAF])
    assert await desk.send(messages.build_edit(new, id_), "edit-1") == id_
    (shown,) = desk.shown
    assert (shown.id, shown.text, len(shown.files)) == (id_, "Like that:", 1)


async def test_a_message_is_taken_back_once(desk: Desk) -> None:
    (call,) = desk.calls()
    id_ = await desk.send(call)
    removal = messages.build_deletion(call, id_)
    assert await desk.send(removal, "removal") == id_
    assert not [each for each in desk.shown if not each.deleted]
    with pytest.raises(SendRefused, match="not_found"):
        await desk.send(removal, "removal")
