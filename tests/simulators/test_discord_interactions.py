"""Buttons, menus and slash commands of the simulated Discord: three seconds to answer, fifteen minutes to go on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulators.discord import Discord
from tests.simulators.discord.interactions import Interaction
from tests.simulators.discord.raw_client import Clock, bot_at, open_raw_client
from tests.simulators.discord.sdk import Bot, discord

ASK = {
    "name": "ask",
    "description": "Ask the shop",
    "options": [{"name": "question", "description": "What?", "type": 3, "required": True}],
}


@pytest.fixture
def server() -> Discord:
    return Discord(pace=0.02)


def choices() -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Refund", custom_id="refund"))
    options = [discord.SelectOption(label=name.capitalize(), value=name) for name in ("fern", "moss")]
    view.add_item(discord.ui.Select(custom_id="plant", options=options, max_values=2))
    return view


async def press_button(server: Discord, bot: Bot, label: str = "Refund") -> tuple[Any, Interaction]:
    """A message with choices, one of which somebody picked: the library's view of it, and Discord's."""
    await bot.get_partial_messageable(int(server.place("mia"))).send("Pick", view=choices())
    id = await server.choose("mia", server.ledger.shown[0], label)
    return await bot.nth("interaction"), server.interactions.made[id]


def texts(server: Discord) -> list[str]:
    return [each.text for each in server.ledger.at(server.place("mia"))]


async def test_a_button_is_answered_with_a_message(server: Discord) -> None:
    async with bot_at(server) as bot:
        interaction, made = await press_button(server, bot)
        assert (interaction.data["custom_id"], interaction.user.name) == ("refund", "mia")
        response = await interaction.response.send_message("Done.")
        assert str(response.message_id) == server.ledger.shown[1].id
        assert made.answered == 4
        assert texts(server) == ["Pick", "Done."]


async def test_options_of_a_menu_come_as_values(server: Discord) -> None:
    async with bot_at(server) as bot:
        interaction, _ = await press_button(server, bot, "Moss")
        assert interaction.data == {"custom_id": "plant", "component_type": 3, "values": ["moss"]}
        await interaction.response.edit_message(content="Moss it is.", view=None)
        assert texts(server) == ["Moss it is."]
        assert server.ledger.shown[0].choices == []


async def test_a_component_that_is_not_shown_cannot_be_picked(server: Discord) -> None:
    async with bot_at(server) as bot:
        await press_button(server, bot)
        with pytest.raises(ValueError, match="cannot be picked"):
            await server.choose("mia", server.ledger.shown[0], "Exchange")


async def test_a_deferred_update_leaves_the_message_and_lets_it_be_edited(server: Discord) -> None:
    async with bot_at(server) as bot:
        interaction, _ = await press_button(server, bot)
        await interaction.response.defer()
        await interaction.edit_original_response(content="Picked.", view=None)
        await interaction.followup.send("And more.")
        assert texts(server) == ["Picked.", "And more."]


async def test_thinking_is_nothing_to_read_until_the_first_follow_up_takes_its_place(server: Discord) -> None:
    async with bot_at(server) as bot:
        interaction, made = await press_button(server, bot)
        await interaction.response.defer(thinking=True)
        assert texts(server) == ["Pick"]
        first = await interaction.followup.send("Found it.", wait=True)
        assert made.original is not None
        assert str(first.id) == made.original.id
        second = await interaction.followup.send("One more thing.", wait=True)
        await second.edit(content="One more.")
        assert texts(server) == ["Pick", "Found it.", "One more."]
        await second.delete()
        assert texts(server) == ["Pick", "Found it."]


async def test_a_refused_first_follow_up_leaves_it_thinking(server: Discord) -> None:
    async with bot_at(server) as bot:
        interaction, made = await press_button(server, bot)
        await interaction.response.defer(thinking=True)
        with pytest.raises(discord.HTTPException) as long:
            await interaction.followup.send("x" * 2001)
        assert long.value.code == 50035
        assert made.original is not None
        assert made.original.data["flags"] == 1 << 7


async def test_an_ephemeral_message_is_not_in_the_channel(server: Discord) -> None:
    async with bot_at(server) as bot:
        interaction, _ = await press_button(server, bot)
        await interaction.response.send_message("Secret.", ephemeral=True)
        assert texts(server) == ["Pick", "Secret."]
        assert [each.content async for each in interaction.channel.history()] == ["Pick"]


async def test_after_three_seconds_the_first_answer_is_too_late() -> None:
    clock = Clock()
    server = Discord(now=clock, pace=0.02)
    async with bot_at(server) as bot:
        interaction, made = await press_button(server, bot)
        clock.forward(3.1)
        with pytest.raises(discord.NotFound) as late:
            await interaction.response.send_message("Done.")
        assert late.value.code == 10062
        assert made.answered == 0
        assert texts(server) == ["Pick"]


async def test_after_fifteen_minutes_the_token_is_no_longer_good() -> None:
    clock = Clock()
    server = Discord(now=clock, pace=0.02)
    async with bot_at(server) as bot:
        interaction, _ = await press_button(server, bot)
        await interaction.response.defer(thinking=True)
        clock.forward(901)
        with pytest.raises(discord.HTTPException) as late:
            await interaction.followup.send("Found it.")
        assert (late.value.status, late.value.code) == (401, 50027)


async def test_a_second_first_answer_is_refused(server: Discord) -> None:
    async with bot_at(server) as bot, open_raw_client(server) as rest:
        _, made = await press_button(server, bot)
        path = f"/interactions/{made.id}/{made.token}/callback"
        assert (await rest.ask("POST", path, {"type": 6}, token="")).status == 204
        assert (await rest.ask("POST", path, {"type": 6}, token="")).code == 40060


async def test_before_an_answer_nothing_can_follow(server: Discord) -> None:
    async with bot_at(server) as bot, open_raw_client(server) as rest:
        _, made = await press_button(server, bot)
        answer = await rest.ask(
            "POST", f"/webhooks/{server.world.application}/{made.token}", {"content": "x"}, token=""
        )
        assert (answer.status, answer.code) == (404, 10015)


async def test_an_unknown_interaction_or_a_wrong_token_is_refused(server: Discord) -> None:
    async with bot_at(server) as bot, open_raw_client(server) as rest:
        _, made = await press_button(server, bot)
        for path in (f"/interactions/1/{made.token}/callback", f"/interactions/{made.id}/x/callback"):
            assert (await rest.ask("POST", path, {"type": 6}, token="")).code == 10062


async def test_a_command_cannot_be_answered_with_an_update_of_no_message(server: Discord) -> None:
    async with bot_at(server) as bot, open_raw_client(server) as rest:
        await bot.http.bulk_upsert_global_commands(bot.application_id, [ASK])  # type: ignore[arg-type]
        made = server.command("mia", "ask", "why?")
        path = f"/interactions/{made.id}/{made.token}/callback"
        assert (await rest.ask("POST", path, {"type": 6}, token="")).code == 50035


async def test_a_slash_command_is_made_by_the_library_and_typed_by_a_person(server: Discord) -> None:
    bot = Bot()
    tree = discord.app_commands.CommandTree(bot)

    @tree.command(description="Ask the shop")
    async def ask(interaction: discord.Interaction, question: str) -> None:
        await interaction.response.send_message(f"You asked: {question}")

    async with bot_at(server, bot):
        with pytest.raises(ValueError, match="no command"):
            server.command("mia", "ask", "too early")
        (command,) = await tree.sync()
        assert command.name == "ask"
        with pytest.raises(ValueError, match="has the options"):
            server.command("mia", "ask")
        made = server.command("mia", "ask", "is moss alive?")
        await server.ledger.until(lambda: made.answered)
        (shown,) = server.ledger.shown
        assert shown.text == "You asked: is moss alive?"
        assert shown.native["type"] == 20


async def test_commands_can_be_listed_changed_and_taken_away(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        base = f"/applications/{server.world.application}/commands"
        made = await rest.ask("POST", base, ASK)
        assert made.status == 201
        assert (await rest.ask("POST", base, {**ASK, "description": "Other"})).status == 200
        one = f"{base}/{made.json['id']}"
        assert (await rest.ask("PATCH", one, {"description": "Third"})).json["description"] == "Third"
        assert [each["description"] for each in (await rest.ask("GET", base)).json] == ["Third"]
        assert (await rest.ask("DELETE", one)).status == 204
        assert (await rest.ask("GET", one)).code == 10063
        guild = f"/applications/{server.world.application}/guilds/{server.world.guild}/commands"
        assert (await rest.ask("PUT", guild, [ASK])).status == 200
        assert (await rest.ask("GET", base)).json == []


@pytest.mark.parametrize(
    "command",
    [
        {**ASK, "name": "Ask"},
        {**ASK, "name": "a b"},
        {**ASK, "name": "x" * 33},
        {**ASK, "description": ""},
        {**ASK, "description": "x" * 101},
        {**ASK, "options": [{"name": "q", "description": "d", "type": 12}]},
    ],
)
async def test_a_command_that_discord_would_not_take_is_refused(server: Discord, command: dict[str, Any]) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        answer = await rest.ask("PUT", f"/applications/{server.world.application}/commands", [command])
        assert (answer.status, answer.code) == (400, 50035)


async def test_an_old_or_forged_button_reaches_the_bot_as_it_is(server: Discord) -> None:
    async with bot_at(server) as bot:
        await bot.get_partial_messageable(int(server.place("mia"))).send("Pick", view=choices())
        channel, message = server.world.message(server.ledger.shown[0].id)
        data = {"custom_id": "from-an-old-version", "component_type": 99}
        server.people.interact(server.world.user("mia"), channel, message, data)
        assert (await bot.nth("interaction")).data == data


async def test_in_a_server_an_interaction_names_the_member(server: Discord) -> None:
    server.move("mia", server.world.home)
    server.world.user("mia").nick = "Mimi"
    async with bot_at(server) as bot:
        interaction, _ = await press_button(server, bot)
        assert isinstance(interaction.user, discord.Member)
        assert interaction.user.nick == "Mimi"
        assert interaction.guild_id == int(server.world.guild)
