"""Discord's own library, unmodified, against the simulated Discord: every call that a support bot makes."""

from __future__ import annotations

import io

import aiohttp
import pytest

from tests.simulators.discord import Discord
from tests.simulators.discord.raw_client import Clock, bot_at, open_raw_client
from tests.simulators.discord.sdk import Bot, discord, led_to
from tests.simulators.vendor import File


@pytest.fixture
def server() -> Discord:
    return Discord(pace=0)


async def test_login_tells_the_bot_who_it_is_and_where(server: Discord) -> None:
    async with bot_at(server) as bot:
        assert bot.user is not None
        assert str(bot.user.id) == server.world.bot.id
        assert str(bot.application_id) == server.world.application
        assert [guild.name for guild in bot.guilds] == [server.world.guild_name]
        assert bot.guilds[0].text_channels[0].name == "support"


async def test_a_wrong_token_is_a_failed_login(server: Discord) -> None:
    async with server.serving(), led_to(server), Bot() as bot:
        with pytest.raises(discord.LoginFailure):
            await bot.login("wrong")


async def test_a_direct_message_is_answered_with_a_reply(server: Discord) -> None:
    async with bot_at(server) as bot:
        said = await server.say("mia", "my fern is yellow")
        message = await bot.nth("message")
        assert (str(message.id), message.content, message.author.name) == (said, "my fern is yellow", "mia")
        assert message.guild is None
        sent = await message.reply("Less water.", nonce=7)
        shown = server.ledger.at(server.place("mia"))
        assert [(each.id, each.text, each.reply_to, each.marker) for each in shown] == [
            (str(sent.id), "Less water.", said, "7")
        ]
        assert sent.type is discord.MessageType.reply


async def test_the_same_nonce_gives_the_same_message(server: Discord) -> None:
    async with bot_at(server) as bot:
        channel = bot.get_partial_messageable(int(server.place("mia")))
        first = await channel.send("once", nonce="reply-1")
        second = await channel.send("once", nonce="reply-1")
        assert first.id == second.id
        assert len(server.ledger.shown) == 1


async def test_a_nonce_is_forgotten_after_minutes() -> None:
    clock = Clock()
    server = Discord(now=clock, pace=0.02)
    async with bot_at(server) as bot:
        channel = bot.get_partial_messageable(int(server.place("mia")))
        first = await channel.send("once", nonce="reply-1")
        clock.forward(server.posts.nonce_seconds + 1)
        assert (await channel.send("once", nonce="reply-1")).id != first.id


async def test_the_nonce_comes_with_the_event_and_is_not_kept_with_the_message(server: Discord) -> None:
    async with bot_at(server) as bot:
        channel = bot.get_partial_messageable(int(server.place("mia")))
        sent = await channel.send("hello", nonce="reply-1")
        assert (await bot.nth("message")).nonce == "reply-1"
        assert (await channel.fetch_message(sent.id)).nonce is None


async def test_cards_buttons_and_files_arrive_as_a_person_sees_them(server: Discord) -> None:
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Yes", custom_id="yes"))
    view.add_item(discord.ui.Button(label="Site", url="https://example.com"))
    async with bot_at(server) as bot:
        channel = bot.get_partial_messageable(int(server.place("mia")))
        file = discord.File(io.BytesIO(b"a,b\n"), "order list.csv", description="the order")
        sent = await channel.send("Look", embed=discord.Embed(title="Order", description="7"), view=view, file=file)
        (shown,) = server.ledger.shown
        assert (shown.text, shown.choices) == ("Look\nOrder\n7", ["Yes"])
        assert [(each.name, each.data) for each in shown.files] == [("order_list.csv", b"a,b\n")]
        assert sent.attachments[0].description == "the order"
        assert await sent.attachments[0].read() == b"a,b\n"


async def test_layout_components_stand_instead_of_text(server: Discord) -> None:
    view = discord.ui.LayoutView(timeout=None)
    view.add_item(discord.ui.TextDisplay("Which one?"))
    view.add_item(discord.ui.ActionRow(discord.ui.Button(label="Fern", custom_id="fern")))
    async with bot_at(server) as bot:
        channel = bot.get_partial_messageable(int(server.place("mia")))
        sent = await channel.send(view=view)
        assert (server.ledger.shown[0].text, server.ledger.shown[0].choices) == ("Which one?", ["Fern"])
        view.clear_items().add_item(discord.ui.TextDisplay("Thanks."))
        await sent.edit(view=view)
        assert (server.ledger.shown[0].text, server.ledger.shown[0].choices) == ("Thanks.", [])


async def test_an_edit_changes_what_is_shown_and_a_deletion_takes_it_away(server: Discord) -> None:
    async with bot_at(server) as bot:
        channel = bot.get_partial_messageable(int(server.place("mia")))
        sent = await channel.send("one")
        edited = await sent.edit(content="two")
        assert edited.edited_at is not None
        assert [each.text for each in server.ledger.at(server.place("mia"))] == ["two"]
        await sent.delete()
        assert server.ledger.at(server.place("mia")) == []
        with pytest.raises(discord.NotFound) as gone:
            await sent.edit(content="three")
        assert gone.value.code == 10008


async def test_an_edit_keeps_the_files_that_it_names(server: Discord) -> None:
    async with bot_at(server) as bot:
        channel = bot.get_partial_messageable(int(server.place("mia")))
        files = [discord.File(io.BytesIO(name.encode()), name) for name in ("a.txt", "b.txt")]
        sent = await channel.send(files=files)
        await sent.edit(attachments=[sent.attachments[1], discord.File(io.BytesIO(b"c"), "c.txt")])
        assert [each.name for each in server.ledger.shown[0].files] == ["b.txt", "c.txt"]


async def test_history_is_paged_by_ids(server: Discord) -> None:
    async with bot_at(server) as bot:
        ids = [int(await server.say("mia", str(number))) for number in range(7)]
        channel = bot.get_partial_messageable(int(server.place("mia")))

        async def texts(**query: object) -> list[str]:
            return [each.content async for each in channel.history(**query)]  # type: ignore[arg-type]

        assert await texts(limit=3) == ["6", "5", "4"]
        assert await texts(after=discord.Object(ids[2]), limit=2) == ["3", "4"]
        assert await texts(before=discord.Object(ids[2])) == ["1", "0"]
        assert await texts(around=discord.Object(ids[3]), limit=3) == ["4", "3", "2"]
        assert (await channel.fetch_message(ids[5])).content == "5"


async def test_reactions_of_bot_and_person_meet_on_one_message(server: Discord) -> None:
    async with bot_at(server) as bot:
        said = await server.say("mia", "thanks")
        message = await bot.nth("message")
        await message.add_reaction("👍")
        await server.react("mia", said, "👍")
        fetched = await message.channel.fetch_message(message.id)
        assert [(str(each.emoji), each.count, each.me) for each in fetched.reactions] == [("👍", 2, True)]
        seen = [await bot.nth("raw_reaction_add", number) for number in (1, 2)]
        assert [str(each.user_id) for each in seen] == [server.world.bot.id, server.world.user("mia").id]
        await message.remove_reaction("👍", discord.Object(int(server.world.bot.id)))
        await server.react("mia", said, "👍", take_back=True)
        assert (await message.channel.fetch_message(message.id)).reactions == []


async def test_a_reaction_counts_once_and_can_be_taken_back_once(server: Discord) -> None:
    async with server.serving(), open_raw_client(server) as rest:
        said = await server.say("mia", "thanks")
        message = f"/channels/{server.place('mia')}/messages/{said}"
        one = f"{message}/reactions/👍/@me"
        answers = [await rest.ask(method, one) for method in ("PUT", "PUT")]
        assert [each.status for each in answers] == [204, 204]
        (reaction,) = (await rest.ask("GET", message)).json["reactions"]
        assert (reaction["count"], reaction["me"]) == (1, True)
        assert set(reaction) == {"emoji", "count", "count_details", "me", "me_burst", "burst_colors"}
        assert (await rest.ask("DELETE", one)).status == 204
        assert (await rest.ask("DELETE", one)).code == 10014


async def test_typing_is_seen_until_a_message_comes(server: Discord) -> None:
    async with bot_at(server) as bot:
        channel = bot.get_partial_messageable(int(server.place("mia")))
        await channel.typing()
        assert server.channel("mia").typing_until > server.world.now()
        await channel.send("done")
        assert server.channel("mia").typing_until == 0


async def test_a_direct_message_can_be_opened_from_a_user(server: Discord) -> None:
    mia = server.world.user("mia")
    async with bot_at(server) as bot:
        user = await bot.fetch_user(int(mia.id))
        sent = await user.send("Your order is here.")
        assert str(sent.channel.id) == server.place("mia")


async def test_a_thread_is_a_place_of_its_own(server: Discord) -> None:
    server.move("mia", server.world.home)
    async with bot_at(server) as bot:
        await server.say("mia", f"<@{server.world.bot.id}> help")
        message = await bot.nth("message")
        thread = await message.create_thread(name="mia's fern")
        assert thread.id == message.id
        assert thread.parent_id == message.channel.id
        await thread.send("Here we are.")
        assert [each.text for each in server.ledger.at(str(thread.id))] == ["Here we are."]
        server.move("mia", server.world.channels[str(thread.id)])
        await server.say("mia", "yes")
        said = await bot.until(lambda: [each for each in bot.all("message") if each.content == "yes"])
        assert isinstance(said[0].channel, discord.Thread)
        with pytest.raises(discord.HTTPException) as twice:
            await message.create_thread(name="again")
        assert twice.value.code == 160004


async def test_links_of_files_are_signed_and_end() -> None:
    clock = Clock()
    server = Discord(now=clock)
    async with bot_at(server) as bot:
        said = await server.say("mia", "look", files=[File("leaf.png", "image/png", b"png")])
        message = await bot.nth("message")
        attachment = message.attachments[0]
        assert attachment.content_type == "image/png"
        assert await attachment.read() == b"png"
        async with aiohttp.ClientSession() as session:
            async with session.get(attachment.url.replace("hm=", "hm=0")) as forged:
                assert forged.status == 404
            clock.forward(90_000)
            async with session.get(attachment.url) as late:
                assert late.status == 404
        again = await message.channel.fetch_message(int(said))
        assert await again.attachments[0].read() == b"png"


async def test_a_file_goes_with_its_message(server: Discord) -> None:
    async with bot_at(server) as bot:
        channel = bot.get_partial_messageable(int(server.place("mia")))
        sent = await channel.send(file=discord.File(io.BytesIO(b"x"), "x.txt"))
        await sent.delete()
        with pytest.raises(discord.NotFound):
            await sent.attachments[0].read()
