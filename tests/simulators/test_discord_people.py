"""Acts of people at the simulated Discord, as Discord's library receives them, and the interface of all vendors."""

from __future__ import annotations

import asyncio

import pytest

from tests.simulators.discord import Discord
from tests.simulators.discord.raw_client import bot_at
from tests.simulators.discord.sdk import connect_bot, discord
from tests.simulators.discord.server_state import Channel, User
from tests.simulators.vendor import File, Vendor


@pytest.fixture
def server() -> Discord:
    return Discord(pace=0)


@pytest.fixture
def mia(server: Discord) -> User:
    return server.world.user("mia")


@pytest.fixture
def home(server: Discord) -> Channel:
    return server.world.home


def test_it_is_a_vendor_like_the_others(server: Discord) -> None:
    vendor: Vendor = server
    assert vendor.name == "discord"
    assert set(vendor.settings()) == {"token", "api_base", "gateway_url"}


def test_the_same_seed_gives_the_same_ids_and_they_grow() -> None:
    one, two = (Discord(now=lambda: 1_800_000_000.0, seed=3) for _ in range(2))
    assert one.world.token == two.world.token
    ids = [int(one.world.ids.snowflake()) for _ in range(100)]
    assert ids == sorted(set(ids))
    assert ids == [int(two.world.ids.snowflake()) for _ in range(100)]


async def test_a_person_writes_only_what_can_be_sent(server: Discord) -> None:
    async with bot_at(server) as bot:
        for text in ("x" * 4001, " \n"):
            with pytest.raises(ValueError, match=r"4000|nothing to send"):
                await server.say("mia", text)
        await server.say("mia", "x" * 4000)
        await server.say("mia", " half \ud83d of it\n")
        await bot.nth("message", 2)
        assert [each.content for each in bot.all("message")] == ["x" * 4000, "half  of it"]


async def test_an_edit_is_heard_with_its_date(server: Discord) -> None:
    async with bot_at(server) as bot:
        said = await server.say("mia", "fern")
        await server.edit("mia", said, "moss")
        raw_edit = await bot.nth("raw_message_edit")
        assert (str(raw_edit.message_id), raw_edit.data["content"]) == (said, "moss")
        assert raw_edit.data["edited_timestamp"] is not None
        message = await bot.get_partial_messageable(int(server.place("mia"))).fetch_message(int(said))
        assert message.content == "moss"


async def test_a_card_for_a_link_is_an_update_without_an_edit(server: Discord) -> None:
    async with bot_at(server) as bot:
        said = await server.say("mia", "https://example.com/")
        server.people.unfurl(*server.world.message(said))
        update = await bot.nth("raw_message_edit")
        assert len(update.data["embeds"]) == 1
        assert (update.data["content"], update.data["edited_timestamp"]) == ("https://example.com/", None)


async def test_an_update_of_a_few_fields_ends_the_library(server: Discord) -> None:
    async with bot_at(server) as bot:
        assert bot.running is not None
        server.people.unfurl(*server.world.message(await server.say("mia", "https://example.com/")), partial=True)
        with pytest.raises(KeyError):
            await asyncio.wait_for(bot.running, 30)


async def test_deletions_come_one_by_one_or_in_bulk(server: Discord, mia: User, home: Channel) -> None:
    async with bot_at(server) as bot:
        ids = [server.people.write(mia, home, str(number)).id for number in range(3)]
        await server.delete("mia", ids[0])
        assert str((await bot.nth("raw_message_delete")).message_id) == ids[0]
        server.people.delete(home, *ids[1:])
        assert {str(id) for id in (await bot.nth("raw_bulk_message_delete")).message_ids} == set(ids[1:])
        assert home.messages == {}


async def test_all_reactions_can_be_taken_away(server: Discord, mia: User, home: Channel) -> None:
    async with bot_at(server) as bot:
        message = server.people.write(mia, home, "hello")
        for emoji in ("👍", "🌿"):
            await server.react("mia", message.id, emoji)
        server.people.reactions.clear(home, message, "👍")
        assert str((await bot.nth("raw_reaction_clear_emoji")).emoji) == "👍"
        server.people.reactions.clear(home, message)
        await bot.nth("raw_reaction_clear")
        assert message.data.get("reactions", []) == []


async def test_stickers_voice_polls_and_forwards_have_no_text_of_their_own(
    server: Discord, mia: User, home: Channel
) -> None:
    async with bot_at(server) as bot:
        people = server.people
        original = people.write(mia, home, "the original", files=[File("leaf.png", "image/png", b"png")])
        people.send_sticker(mia, home, "Wave")
        people.send_voice(mia, home, File("voice-message.ogg", "audio/ogg", b"ogg"))
        people.send_poll(mia, home, "Which?", ["Fern", "Moss"])
        people.forward(mia, home, original.id)
        await bot.nth("message", 5)
        sticker, voice, poll, forward = bot.all("message")[1:]
        assert [each.content for each in (sticker, voice, poll, forward)] == [""] * 4
        assert sticker.stickers[0].name == "Wave"
        assert (voice.flags.voice, voice.attachments[0].is_voice_message()) == (True, True)
        assert [each.text for each in poll.poll.answers] == ["Fern", "Moss"]
        (snapshot,) = forward.message_snapshots
        assert snapshot.content == "the original"
        assert await snapshot.attachments[0].read() == b"png"


async def test_webhooks_bots_and_system_messages_can_be_told_from_customers(
    server: Discord, mia: User, home: Channel
) -> None:
    async with bot_at(server) as bot:
        server.people.webhook_says(home, "deploys", "done")
        server.people.bot_says(home, "otherbot", "beep")
        server.people.system(mia, home, 7)
        await bot.nth("message", 3)
        hook, other, joined = bot.all("message")
        assert hook.webhook_id is not None
        assert (other.author.bot, other.webhook_id) == (True, None)
        assert joined.type is discord.MessageType.new_member


async def test_a_reply_carries_the_message_it_answers_or_null(server: Discord, mia: User, home: Channel) -> None:
    async with bot_at(server) as bot:
        first = server.people.write(mia, home, "one")
        server.people.write(mia, home, "two", reply_to=first.id)
        server.people.delete(home, first.id)
        server.people.write(mia, home, "three", reply_to=first.id)
        await bot.nth("message", 3)
        there, gone = bot.all("message")[1:]
        assert there.reference.resolved.content == "one"
        assert isinstance(gone.reference.resolved, discord.DeletedReferencedMessage)


async def test_a_reply_to_the_bot_mentions_it(server: Discord, home: Channel) -> None:
    async with bot_at(server) as bot:
        sent = await bot.get_partial_messageable(int(home.id)).send("Which one?")
        server.move("mia", home)
        await server.say("mia", "the fern", reply_to=str(sent.id))
        message = await bot.nth("message", 2)
        assert message.mentions == [bot.user]


async def test_typing_channels_and_threads_are_heard(server: Discord, mia: User, home: Channel) -> None:
    async with bot_at(server) as bot:
        server.people.type(mia, home)
        assert (await bot.nth("raw_typing")).user_id == int(mia.id)
        starter = server.people.write(mia, home, "my fern")
        thread = server.people.open_thread(mia, home, "fern", starter=starter)
        server.people.write(mia, thread, "more about it")
        message = await bot.nth("message", 2)
        assert (str(message.channel.id), message.channel.name) == (starter.id, "fern")
        first, _ = [each async for each in message.channel.history(oldest_first=True)]
        assert first.type is discord.MessageType.thread_starter_message
        server.people.delete_channel(home)
        assert (await bot.nth("guild_channel_delete")).id == int(home.id)
        assert thread.id not in server.world.channels


async def test_events_can_be_kept_back_and_let_go_in_another_order(server: Discord) -> None:
    async with bot_at(server) as bot:
        server.gateway.hold()
        said = await server.say("mia", "one")
        await server.edit("mia", said, "two")
        server.gateway.release(backwards=True)
        await bot.nth("message")
        assert [name for name, _ in bot.seen if name in ("raw_message_edit", "message")] == [
            "raw_message_edit",
            "message",
        ]


async def test_a_message_can_be_announced_again(server: Discord) -> None:
    async with bot_at(server) as bot:
        said = await server.say("mia", "hello")
        server.redeliver(said, times=2)
        await bot.nth("message", 3)
        assert {str(each.id) for each in bot.all("message")} == {said}


async def test_settled_means_that_the_client_has_named_the_newest_event(server: Discord) -> None:
    async with server.serving():
        with pytest.raises(TimeoutError):
            await server.settled(deadline=0.1)
        async with connect_bot(server) as bot:
            for number in range(20):
                await server.say("mia", str(number))
            await server.settled(deadline=30)
            assert len(bot.all("message")) == 20
            server.gateway.ask_reconnect()
            await server.say("mia", "after")
            await server.settled(deadline=30)
            assert len(bot.all("message")) == 21
