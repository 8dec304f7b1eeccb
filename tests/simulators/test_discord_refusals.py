"""The simulated Discord refuses what Discord refuses, with its codes, and then shows nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import aiohttp
import pytest

from tests.simulators.discord import Discord
from tests.simulators.discord.raw_client import Answer, Clock, RawClient, open_raw_client
from tests.simulators.discord.server_state import Channel


@pytest.fixture
def server() -> Discord:
    return Discord(pace=0)


async def test_every_answer_has_discords_exact_content_type_and_came_through_a_proxy(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        for answer in (await rest.ask("GET", "/users/@me"), await rest.ask("GET", "/users/1")):
            assert answer.headers["Content-Type"] == "application/json"
            assert answer.headers["Via"]


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_without_the_right_token_nothing_is_answered(server: Discord, token: str) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        answer = await rest.ask("GET", "/users/@me", token=token)
        assert (answer.status, answer.json) == (401, {"message": "401: Unauthorized", "code": 0})


async def test_an_unknown_path_version_or_agent_is_refused(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        assert (await rest.ask("GET", "/nothing")).status == 404
        assert (await rest.ask("GET", "/users/@me", headers={"User-Agent": ""})).code == 40333
        old = server.api_base.replace("v10", "v6")
        async with rest.session.get(f"{old}/users/@me", headers={"User-Agent": "x"}) as answer:
            assert (await answer.json())["code"] == 50041


async def test_a_body_that_is_no_json_or_of_another_type_is_refused(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        path = f"/channels/{server.place('mia')}/messages"
        typed = {"Content-Type": "application/json"}
        assert (await rest.ask("POST", path, data=b'{"content": ', headers=typed)).code == 50109
        assert (await rest.ask("POST", path, data="content=x", headers={"Content-Type": "text/plain"})).code == 50035
        broken = {"Content-Type": "multipart/form-data; boundary=x"}
        assert (await rest.ask("POST", path, data=b"no boundary", headers=broken)).code == 50035
        assert server.ledger.shown == []


def close_messages(server: Discord, channel: Channel) -> None:
    server.world.user("mia").dms_open = False


def leave(server: Discord, channel: Channel) -> None:
    server.world.user("mia").in_guild = False


def delete(server: Discord, channel: Channel) -> None:
    del server.world.channels[channel.id]


def moderate(server: Discord, channel: Channel) -> None:
    server.world.forbidden_words.add("HELLO")


def deny(permission: str) -> Callable[[Discord, Channel], None]:
    return lambda server, channel: channel.denied.add(permission)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (close_messages, 403, 50007),
        (leave, 403, 50278),
        (delete, 404, 10003),
        (moderate, 400, 200000),
        (deny("SEND_MESSAGES"), 403, 50013),
        (deny("VIEW_CHANNEL"), 403, 50001),
    ],
)
async def test_a_send_without_permission_is_refused_with_the_reason(
    server: Discord, change: Callable[[Discord, Channel], None], status: int, code: int
) -> None:
    channel = server.channel("mia")
    change(server, channel)
    async with server.serving(), open_raw_client(server) as rest:
        answer = await rest.send(channel.id, content="hello")
        assert (answer.status, answer.code) == (status, code)
        assert server.ledger.shown == []


async def test_the_bot_may_change_only_its_own_messages(server: Discord) -> None:
    server.move("mia", server.world.home)
    server.world.home.denied.add("MANAGE_MESSAGES")
    async with server.serving(), open_raw_client(server) as rest:
        said = await server.say("mia", "mine")
        path = f"/channels/{server.world.home.id}/messages/{said}"
        assert (await rest.ask("PATCH", path, {"content": "yours"})).code == 50005
        assert (await rest.ask("DELETE", path)).code == 50013
        server.world.home.denied.clear()
        assert (await rest.ask("DELETE", path)).status == 204
        assert (await rest.ask("GET", path)).code == 10008


async def test_nobody_deletes_another_persons_direct_message(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        said = await server.say("mia", "mine")
        assert (await rest.ask("DELETE", f"/channels/{server.place('mia')}/messages/{said}")).code == 50003


async def test_a_reply_needs_the_history(server: Discord) -> None:
    server.move("mia", server.world.home)
    server.world.home.denied.add("READ_MESSAGE_HISTORY")
    async with server.serving(), open_raw_client(server) as rest:
        said = await server.say("mia", "hello")
        home = server.world.home.id
        assert (await rest.send(home, content="x", message_reference={"message_id": said})).code == 160002
        assert (await rest.ask("GET", f"/channels/{home}/messages")).json == []


async def test_history_takes_one_bound_and_at_most_a_hundred(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        path = f"/channels/{server.place('mia')}/messages"
        assert (await rest.ask("GET", f"{path}?after=1&before=2")).code == 50035
        for limit in ("0", "101", "x"):
            assert (await rest.ask("GET", f"{path}?limit={limit}")).code == 50035


async def test_an_emoji_must_be_one(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        said = await server.say("mia", "hello")
        path = f"/channels/{server.place('mia')}/messages/{said}/reactions"
        assert (await rest.ask("PUT", f"{path}/thumbsup/@me")).code == 10014
        assert (await rest.ask("PUT", f"{path}/leaf:1/@me")).code == 10014
        server.world.custom_emoji["1"] = "leaf"
        assert (await rest.ask("PUT", f"{path}/leaf:1/@me")).status == 204
        assert (await rest.ask("PUT", f"{path}/🌿/@me")).status == 204


async def test_a_direct_message_needs_a_person(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        assert (await rest.ask("POST", "/users/@me/channels", {"recipient_id": "1"})).code == 50033
        assert (await rest.ask("POST", "/users/@me/channels", {"recipient_id": server.world.bot.id})).code == 50033
        assert (await rest.ask("POST", "/users/@me/channels", {})).code == 50035


async def test_a_locked_thread_takes_no_messages(server: Discord) -> None:
    thread = server.people.open_thread(server.world.user("mia"), server.world.home, "old")
    thread.locked = True
    async with server.serving(), open_raw_client(server) as rest:
        assert (await rest.send(thread.id, content="x")).code == 160005


async def test_files_that_are_too_large_or_too_many_are_refused(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:

        async def upload(*sizes: int) -> Answer:
            form = aiohttp.FormData(quote_fields=False)
            form.add_field("payload_json", json.dumps({"content": "x"}))
            for number, size in enumerate(sizes):
                form.add_field(f"files[{number}]", io.BytesIO(b"x" * size), filename=f"{number}.txt")
            return await rest.ask("POST", f"/channels/{server.place('mia')}/messages", data=form)

        for sizes in ((10 * 1024**2 + 1,), (9 * 1024**2,) * 3):
            answer = await upload(*sizes)
            assert (answer.status, answer.code) == (413, 40005)
        assert (await upload(*[1] * 11)).code == 30015
        assert (await upload(10 * 1024**2)).status == 200
        assert len(server.ledger.shown) == 1


async def test_slowmode_says_how_long(server: Discord) -> None:
    server.world.home.slowmode = 60
    async with server.serving(), open_raw_client(server) as rest:
        assert (await rest.send(server.world.home.id, content="one")).status == 200
        answer = await rest.send(server.world.home.id, content="two")
        assert (answer.status, answer.code) == (429, 20016)
        assert 50 < answer.json["retry_after"] <= 60


async def test_old_messages_take_few_edits() -> None:
    clock = Clock()
    server = Discord(now=clock, pace=0)
    async with server.serving(), open_raw_client(server) as rest:
        made = await rest.send(server.place("mia"), content="0")
        clock.forward(3601)
        codes = [await edit(rest, server, made.json["id"], str(number)) for number in range(4)]
        assert codes == [200, 200, 200, 30046]


async def edit(rest: RawClient, server: Discord, id: str, text: str) -> int:
    answer = await rest.ask("PATCH", f"/channels/{server.place('mia')}/messages/{id}", {"content": text})
    return answer.status if answer.status == 200 else answer.code


async def test_mentions_count_only_where_they_are_allowed(server: Discord) -> None:
    mia = server.world.user("mia").id
    async with server.serving(), open_raw_client(server) as rest:
        text = f"@everyone <@{mia}>"
        loud = (await rest.send(server.world.home.id, content=text)).json
        assert (loud["mention_everyone"], [each["id"] for each in loud["mentions"]]) == (True, [mia])
        quiet = (await rest.send(server.world.home.id, content=text, allowed_mentions={"parse": []})).json
        assert (quiet["mention_everyone"], quiet["mentions"]) == (False, [])


async def test_an_operation_that_is_not_simulated_says_so(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        said = await server.say("mia", "hello")
        forward = {"type": 1, "message_id": said, "channel_id": server.place("mia")}
        assert (await rest.send(server.place("mia"), message_reference=forward)).status == 501
        assert (await rest.send(server.place("mia"), poll={"question": {"text": "?"}})).status == 501
