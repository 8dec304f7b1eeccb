"""The simulated Discord accepts messages up to each limit, and not one character more."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulators.discord import Discord
from tests.simulators.discord.raw_client import open_raw_client

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


@pytest.mark.parametrize("content", ["", " \n\t", "\u200b", None])
async def test_nothing_to_read_is_an_empty_message(server: Discord, content: str | None) -> None:
    async with server.serving(), open_raw_client(server) as rest:
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
    async with server.serving(), open_raw_client(server) as rest:
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
async def test_messages_at_the_limits_are_sent(server: Discord, body: dict[str, Any]) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        assert (await rest.send(server.place("mia"), **body)).status == 200
        assert len(server.ledger.shown) == 1


async def test_an_edit_has_the_bounds_of_a_message(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        channel = server.place("mia")
        made = await rest.send(channel, content="one")
        path = f"/channels/{channel}/messages/{made.json['id']}"
        assert (await rest.ask("PATCH", path, {"content": "x" * 2001})).code == 50035
        assert (await rest.ask("PATCH", path, {"content": ""})).code == 50006
        assert server.ledger.shown[0].text == (await rest.ask("GET", path)).json["content"] == "one"


async def test_a_refusal_names_the_length_limit_that_was_exceeded(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        for length, most in ((2001, 2000), (4001, 4000)):
            errors = (await rest.send(server.place("mia"), content="x" * length)).json["errors"]
            assert errors["content"]["_errors"][0]["message"] == f"Must be {most} or fewer in length."


async def test_a_form_that_is_a_list_is_refused(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        assert (await rest.ask("POST", f"/channels/{server.place('mia')}/messages", [1])).code == 50035


async def test_half_characters_and_outer_space_are_not_kept(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        sent = (await rest.send(server.place("mia"), content=" a\ud800b \n")).json
        assert sent["content"] == server.ledger.shown[0].text == "ab"


async def test_a_message_to_all_cannot_be_for_one_persons_eyes(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        sent = (await rest.send(server.place("mia"), content="x", flags=1 << 6)).json
        assert sent["flags"] == 0
        assert (await rest.ask("GET", f"/channels/{server.place('mia')}/messages/{sent['id']}")).status == 200


async def test_the_person_replied_to_is_pinged_unless_the_request_says_otherwise(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        reference = {"message_id": await server.say("mia", "hello")}
        loud = (await rest.send(server.place("mia"), content="x", message_reference=reference)).json
        assert [each["username"] for each in loud["mentions"]] == ["mia"]
        quiet = {"content": "x", "message_reference": reference, "allowed_mentions": {"parse": []}}
        assert (await rest.send(server.place("mia"), **quiet)).json["mentions"] == []
