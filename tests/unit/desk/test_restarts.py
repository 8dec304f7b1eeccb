"""Changes between a desk consumer that was killed and the next one: every line is still in the thread, once."""

from __future__ import annotations

import pytest

from tests.unit.desk.conftest import DeskEnvironment
from tests.unit.desk.desk_crashes import look_and_die, until_done

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(64)
DEATHS = pytest.mark.parametrize("point", ["connector.after_intent", "connector.after_send", "connector.after_record"])


async def with_card(world: DeskEnvironment) -> None:
    await world.hand_off()
    keeper = world.keeper()
    await world.look(keeper)
    await keeper.close()


def list_file_names(world: DeskEnvironment) -> list[str]:
    return [file["name"] for post in world.thread for file in post.body.get("files", [])]


@DEATHS
async def test_a_line_whose_file_is_fetched_meanwhile_is_there_once_with_its_file_below(
    world: DeskEnvironment, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_card(world)
    line = await world.say("here it is")
    assert await look_and_die(world, monkeypatch, point)
    kept = await world.blobs.put("shop", "pot.png", "image/png", PICTURE)
    await world.state.transcript.attach(world.conversation, line.id, [kept])
    await until_done(world)
    await world.say("do you see it?")
    for _ in range(2):
        await until_done(world)
    assert "\n".join(world.texts()).count("here it is") == 1
    assert list_file_names(world) == ["pot.png"]
    assert [bool(post.body.get("files")) for post in world.thread] == [False, True, False]


@DEATHS
async def test_a_line_that_is_said_meanwhile_is_not_taken_for_part_of_the_post_that_is_in_doubt(
    world: DeskEnvironment, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await with_card(world)
    await world.say("line 0")
    assert await look_and_die(world, monkeypatch, point)
    await world.say("line 1")
    await world.say("line 2")
    await until_done(world)
    shown = "\n".join(world.texts())
    assert [shown.count(f"line {number}") for number in range(3)] == [1, 1, 1]
    assert shown.index("line 0") < shown.index("line 1") < shown.index("line 2")


async def test_a_file_that_is_fetched_late_stands_before_what_was_said_after_it(world: DeskEnvironment) -> None:
    await with_card(world)
    line = await world.say("here it is")
    await until_done(world)
    kept = await world.blobs.put("shop", "pot.png", "image/png", PICTURE)
    await world.state.transcript.attach(world.conversation, line.id, [kept])
    await world.say("do you see it?")
    await until_done(world)
    assert [bool(post.body.get("files")) for post in world.thread] == [False, True, False]


async def test_a_long_message_that_is_taken_back_is_nowhere_any_more(world: DeskEnvironment) -> None:
    await world.hand_off()
    line = await world.say(" ".join(f"secret{number}" for number in range(4000)))
    await until_done(world)
    assert len(world.thread) > 2
    await world.state.transcript.edit(world.conversation, line.id, "")
    await world.state.transcript.mark(world.conversation, [line.id], "deleted")
    await until_done(world)
    assert "secret" not in str([post.body for post in [*world.cards, *world.thread]])


async def test_of_a_long_message_that_is_edited_again_and_again_only_its_latest_words_stand_there(
    world: DeskEnvironment,
) -> None:
    """Also where it was short in between, says again what it said before, or is taken back in the end."""
    await world.hand_off()
    line = await world.say("first words")
    await until_done(world)
    long = {name: " ".join(f"{name}{number}" for number in range(4000)) for name in ("one", "two")}
    for revision, text in enumerate([long["one"], long["two"], "short", long["one"], long["two"], "short"], 1):
        await world.state.transcript.edit(world.conversation, line.id, text, revision=revision)
        await until_done(world)
        shown = " ".join("\n".join(world.texts()).split())
        for word in ("first words", "short", "one0", "one3999", "two0", "two3999"):
            assert (word in shown) == (word in text), (revision, word)
        assert shown.count("3999") == text.count("3999")
    await world.state.transcript.edit(world.conversation, line.id, long["one"], revision=7)
    await until_done(world)
    await world.state.transcript.mark(world.conversation, [line.id], "deleted")
    await world.state.transcript.edit(world.conversation, line.id, "")
    await until_done(world)
    assert not any(word in str([post.body for post in world.thread]) for word in ("one0", "one3999", "two0", "short"))
