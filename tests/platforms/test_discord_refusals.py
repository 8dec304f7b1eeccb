"""What Discord refuses, with its own codes: the simulated one does too, and then nobody sees anything."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from tests.platforms.discord import Discord
from tests.platforms.discord.stage import Answer, Clock, Raw, raw
from tests.platforms.discord.world import Channel

BUTTON = {"type": 2, "style": 1, "label": "Yes", "custom_id": "yes"}
OPTION = {"label": "Fern", "value": "fern"}
MENU = {"type": 3, "custom_id": "plant", "options": [OPTION]}
V2 = 1 << 15


def row(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(parts)}


def place_in(error: dict[str, Any], path: str) -> str:
    """The code at one place of a refused form."""
    for step in path.split("."):
        error = error[step]
    return str(error["_errors"][0]["code"])


@pytest.fixture
def server() -> Discord:
    return Discord(pace=0)


async def test_every_answer_has_discords_exact_content_type_and_came_through_a_proxy(server: Discord) -> None:
    async with server.serving(), raw(server) as rest:
        for answer in (await rest.ask("GET", "/users/@me"), await rest.ask("GET", "/users/1")):
            assert answer.headers["Content-Type"] == "application/json"
            assert answer.headers["Via"]


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_without_the_right_token_nothing_is_answered(server: Discord, token: str) -> None:
    async with server.serving(), raw(server) as rest:
        answer = await rest.ask("GET", "/users/@me", token=token)
        assert (answer.status, answer.json) == (401, {"message": "401: Unauthorized", "code": 0})


async def test_an_unknown_path_version_or_agent_is_refused(server: Discord) -> None:
    async with server.serving(), raw(server) as rest:
        assert (await rest.ask("GET", "/nothing")).status == 404
        assert (await rest.ask("GET", "/users/@me", headers={"User-Agent": ""})).code == 40333
        old = server.api_base.replace("v10", "v6")
        async with rest.session.get(f"{old}/users/@me", headers={"User-Agent": "x"}) as answer:
            assert (await answer.json())["code"] == 50041


async def test_a_body_that_is_no_json_or_of_another_type_is_refused(server: Discord) -> None:
    async with server.serving(), raw(server) as rest:
        path = f"/channels/{server.place('mia')}/messages"
        typed = {"Content-Type": "application/json"}
        assert (await rest.ask("POST", path, data=b'{"content": ', headers=typed)).code == 50109
        assert (await rest.ask("POST", path, data="content=x", headers={"Content-Type": "text/plain"})).code == 50035
        broken = {"Content-Type": "multipart/form-data; boundary=x"}
        assert (await rest.ask("POST", path, data=b"no boundary", headers=broken)).code == 50035
        assert server.ledger.shown == []


@pytest.mark.parametrize("content", ["", " \n\t", "\u200b", None])
async def test_nothing_to_read_is_an_empty_message(server: Discord, content: str | None) -> None:
    async with server.serving(), raw(server) as rest:
        answer = await rest.send(server.place("mia"), content=content)
        assert (answer.status, answer.code) == (400, 50006)


@pytest.mark.parametrize(
    ("body", "where", "code"),
    [
        ({"content": "x" * 2001}, "content", "BASE_TYPE_MAX_LENGTH"),
        ({"content": 5}, "content", "STRING_TYPE_CONVERT"),
        ({"content": "x", "nonce": "n" * 26}, "nonce", "BASE_TYPE_MAX_LENGTH"),
        ({"content": "x", "nonce": [1]}, "nonce", "NONCE_TYPE_INVALID"),
        ({"embeds": [{"title": "x"}] * 11}, "embeds", "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"description": "x" * 3001}] * 2}, "embeds", "MAX_EMBED_SIZE_EXCEEDED"),
        ({"embeds": [{"description": "x" * 4097}]}, "embeds.0.description", "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"title": "x" * 257}]}, "embeds.0.title", "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"title": "x", "url": "ftp://x"}]}, "embeds.0.url", "URL_TYPE_INVALID_SCHEME"),
        ({"embeds": [{"fields": [{"name": "x"}]}]}, "embeds.0.fields.0.value", "BASE_TYPE_REQUIRED"),
        ({"embeds": [{}]}, "embeds.0.description", "BASE_TYPE_REQUIRED"),
        ({"content": "x", "flags": 1}, "flags", "BITWISE_TYPE_INVALID"),
        ({"content": "x", "allowed_mentions": {"parse": ["all"]}}, "allowed_mentions.parse.0", "BASE_TYPE_CHOICES"),
        (
            {"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
            "allowed_mentions",
            "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
        ),
        ({"sticker_ids": ["1"]}, "sticker_ids.0", "STICKER_INVALID"),
        ({"content": "x", "message_reference": {"message_id": "1"}}, "message_reference", "REPLIES_UNKNOWN_MESSAGE"),
        ({"content": "x", "attachments": [{"id": 0}]}, "attachments.0.id", "ATTACHMENT_NOT_FOUND"),
        ({"components": [row(BUTTON)] * 6}, "components", "BASE_TYPE_BAD_LENGTH"),
        ({"components": [BUTTON]}, "components.0.type", "BASE_TYPE_CHOICES"),
        (
            {"components": [row(*[{**BUTTON, "custom_id": str(n)} for n in range(6)])]},
            "components.0.components",
            "BASE_TYPE_BAD_LENGTH",
        ),
        ({"components": [row(BUTTON, MENU)]}, "components.0", "COMPONENT_LAYOUT_WIDTH_EXCEEDED"),
        ({"components": [row(BUTTON, BUTTON)]}, "components", "COMPONENT_CUSTOM_ID_DUPLICATED"),
        (
            {"components": [row({**BUTTON, "label": "x" * 81})]},
            "components.0.components.0.label",
            "BASE_TYPE_MAX_LENGTH",
        ),
        (
            {"components": [row({**BUTTON, "custom_id": "x" * 101})]},
            "components.0.components.0.custom_id",
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            {"components": [row({**BUTTON, "custom_id": ""})]},
            "components.0.components.0.custom_id",
            "BASE_TYPE_REQUIRED",
        ),
        ({"components": [row({**BUTTON, "style": 5})]}, "components.0.components.0.url", "BASE_TYPE_REQUIRED"),
        (
            {"components": [row({"type": 2, "style": 1, "custom_id": "a"})]},
            "components.0.components.0",
            "BUTTON_COMPONENT_INVALID_EMOJI_AND_LABEL",
        ),
        ({"components": [row({**MENU, "options": []})]}, "components.0.components.0.options", "BASE_TYPE_BAD_LENGTH"),
        (
            {"components": [row({**MENU, "options": [{"label": "x", "value": str(n)} for n in range(26)]})]},
            "components.0.components.0.options",
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            {"components": [row({**MENU, "options": [OPTION, OPTION]})]},
            "components.0.components.0.options",
            "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
        ),
        (
            {"components": [row({**MENU, "options": [{**OPTION, "description": "x" * 101}]})]},
            "components.0.components.0.options.0.description",
            "BASE_TYPE_MAX_LENGTH",
        ),
        ({"components": [row({**MENU, "max_values": 26})]}, "components.0.components.0.min_values", "NUMBER_TYPE_MAX"),
        (
            {"content": "x", "flags": V2, "components": [{"type": 10, "content": "y"}]},
            "content",
            "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
        ),
        ({"components": [{"type": 10, "content": "y"}]}, "components.0.type", "BASE_TYPE_CHOICES"),
        ({"flags": V2, "components": [{"type": 10, "content": "y"}] * 41}, "components", "BASE_TYPE_MAX_LENGTH"),
        (
            {"flags": V2, "components": [{"type": 10, "content": "y" * 2001}] * 2},
            "components",
            "COMPONENT_MAX_TEXT_SIZE_EXCEEDED",
        ),
    ],
)
async def test_a_form_out_of_bounds_is_refused_at_its_place(
    server: Discord, body: dict[str, Any], where: str, code: str
) -> None:
    async with server.serving(), raw(server) as rest:
        answer = await rest.send(server.place("mia"), **body)
        assert (answer.status, answer.code, answer.json["message"]) == (400, 50035, "Invalid Form Body")
        assert place_in(answer.json["errors"], where) == code
        assert server.ledger.shown == []


@pytest.mark.parametrize(
    "body",
    [
        {"content": "x" * 2000},
        {"content": "🌿" * 2000},
        {"content": "x", "nonce": "n" * 25},
        {"embeds": [{"title": "x"}] * 10},
        {"embeds": [{"description": "x" * 3000}] * 2},
        {"content": "x", "message_reference": {"message_id": "1", "fail_if_not_exists": False}},
        {"components": [row(*[{**BUTTON, "custom_id": f"{n}-{m}"} for n in range(5)]) for m in range(5)]},
        {"components": [row({**BUTTON, "label": "x" * 80, "custom_id": "x" * 100})]},
        {"components": [row({**MENU, "options": [{"label": "x", "value": str(n)} for n in range(25)]})]},
        {"flags": V2, "components": [{"type": 10, "content": "y" * 4000}]},
    ],
)
async def test_what_is_just_within_bounds_is_sent(server: Discord, body: dict[str, Any]) -> None:
    async with server.serving(), raw(server) as rest:
        assert (await rest.send(server.place("mia"), **body)).status == 200
        assert len(server.ledger.shown) == 1


async def test_an_edit_has_the_bounds_of_a_message(server: Discord) -> None:
    async with server.serving(), raw(server) as rest:
        channel = server.place("mia")
        made = await rest.send(channel, content="one")
        path = f"/channels/{channel}/messages/{made.json['id']}"
        assert (await rest.ask("PATCH", path, {"content": "x" * 2001})).code == 50035
        assert (await rest.ask("PATCH", path, {"content": ""})).code == 50006
        assert server.ledger.shown[0].text == "one"


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
async def test_where_the_bot_may_not_write_it_is_told_why(
    server: Discord, change: Callable[[Discord, Channel], None], status: int, code: int
) -> None:
    channel = server.channel("mia")
    change(server, channel)
    async with server.serving(), raw(server) as rest:
        answer = await rest.send(channel.id, content="hello")
        assert (answer.status, answer.code) == (status, code)
        assert server.ledger.shown == []


async def test_the_bot_may_change_only_its_own_messages(server: Discord) -> None:
    server.move("mia", server.world.home)
    server.world.home.denied.add("MANAGE_MESSAGES")
    async with server.serving(), raw(server) as rest:
        said = await server.say("mia", "mine")
        path = f"/channels/{server.world.home.id}/messages/{said}"
        assert (await rest.ask("PATCH", path, {"content": "yours"})).code == 50005
        assert (await rest.ask("DELETE", path)).code == 50013
        server.world.home.denied.clear()
        assert (await rest.ask("DELETE", path)).status == 204
        assert (await rest.ask("GET", path)).code == 10008


async def test_nobody_deletes_another_persons_direct_message(server: Discord) -> None:
    async with server.serving(), raw(server) as rest:
        said = await server.say("mia", "mine")
        assert (await rest.ask("DELETE", f"/channels/{server.place('mia')}/messages/{said}")).code == 50003


async def test_a_reply_needs_the_history(server: Discord) -> None:
    server.move("mia", server.world.home)
    server.world.home.denied.add("READ_MESSAGE_HISTORY")
    async with server.serving(), raw(server) as rest:
        said = await server.say("mia", "hello")
        home = server.world.home.id
        assert (await rest.send(home, content="x", message_reference={"message_id": said})).code == 160002
        assert (await rest.ask("GET", f"/channels/{home}/messages")).json == []


async def test_history_takes_one_bound_and_at_most_a_hundred(server: Discord) -> None:
    async with server.serving(), raw(server) as rest:
        path = f"/channels/{server.place('mia')}/messages"
        assert (await rest.ask("GET", f"{path}?after=1&before=2")).code == 50035
        for limit in ("0", "101", "x"):
            assert (await rest.ask("GET", f"{path}?limit={limit}")).code == 50035


async def test_an_emoji_must_be_one(server: Discord) -> None:
    async with server.serving(), raw(server) as rest:
        said = await server.say("mia", "hello")
        path = f"/channels/{server.place('mia')}/messages/{said}/reactions"
        assert (await rest.ask("PUT", f"{path}/thumbsup/@me")).code == 10014
        assert (await rest.ask("PUT", f"{path}/leaf:1/@me")).code == 10014
        server.world.custom_emoji["1"] = "leaf"
        assert (await rest.ask("PUT", f"{path}/leaf:1/@me")).status == 204
        assert (await rest.ask("PUT", f"{path}/🌿/@me")).status == 204


async def test_a_direct_message_needs_a_person(server: Discord) -> None:
    async with server.serving(), raw(server) as rest:
        assert (await rest.ask("POST", "/users/@me/channels", {"recipient_id": "1"})).code == 50033
        assert (await rest.ask("POST", "/users/@me/channels", {"recipient_id": server.world.bot.id})).code == 50033
        assert (await rest.ask("POST", "/users/@me/channels", {})).code == 50035


async def test_a_locked_thread_takes_no_messages(server: Discord) -> None:
    thread = server.people.open_thread(server.world.user("mia"), server.world.home, "old")
    thread.locked = True
    async with server.serving(), raw(server) as rest:
        assert (await rest.send(thread.id, content="x")).code == 160005


async def test_files_that_are_too_large_or_too_many_are_refused(server: Discord) -> None:
    async with server.serving(), raw(server) as rest:

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
    async with server.serving(), raw(server) as rest:
        assert (await rest.send(server.world.home.id, content="one")).status == 200
        answer = await rest.send(server.world.home.id, content="two")
        assert (answer.status, answer.code) == (429, 20016)
        assert 50 < answer.json["retry_after"] <= 60


async def test_old_messages_take_few_edits() -> None:
    clock = Clock()
    server = Discord(now=clock, pace=0)
    async with server.serving(), raw(server) as rest:
        made = await rest.send(server.place("mia"), content="0")
        clock.forward(3601)
        codes = [await edit(rest, server, made.json["id"], str(number)) for number in range(4)]
        assert codes == [200, 200, 200, 30046]


async def edit(rest: Raw, server: Discord, id: str, text: str) -> int:
    answer = await rest.ask("PATCH", f"/channels/{server.place('mia')}/messages/{id}", {"content": text})
    return answer.status if answer.status == 200 else answer.code


async def test_mentions_count_only_where_they_are_allowed(server: Discord) -> None:
    mia = server.world.user("mia").id
    async with server.serving(), raw(server) as rest:
        text = f"@everyone <@{mia}>"
        loud = (await rest.send(server.world.home.id, content=text)).json
        assert (loud["mention_everyone"], [each["id"] for each in loud["mentions"]]) == (True, [mia])
        quiet = (await rest.send(server.world.home.id, content=text, allowed_mentions={"parse": []})).json
        assert (quiet["mention_everyone"], quiet["mentions"]) == (False, [])


async def test_what_is_not_simulated_says_so(server: Discord) -> None:
    async with server.serving(), raw(server) as rest:
        said = await server.say("mia", "hello")
        forward = {"type": 1, "message_id": said, "channel_id": server.place("mia")}
        assert (await rest.send(server.place("mia"), message_reference=forward)).status == 501
