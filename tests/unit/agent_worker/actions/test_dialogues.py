"""Dialogues as data: each is held with ``local``, through the whole worker, and each answer is what the file says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent_worker.voice import DEFAULT_VOICE
from tests.unit.agent_worker.actions.example_shop import Counter, counter_at, desk_at

DIALOGUES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "dialogues.yaml").read_text())


@pytest.fixture(scope="module")
async def counter(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Counter]:
    async with counter_at(tmp_path_factory.mktemp("counter")) as made:
        yield made


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=[dialogue["name"] for dialogue in DIALOGUES])
async def test_a_dialogue_goes_as_written(dialogue: dict[str, Any], counter: Counter, tmp_path: Path) -> None:
    who = {name: dialogue[name] for name in ("customer", "locale", "documents") if name in dialogue}
    async with desk_at(counter, tmp_path, **who) as desk:
        for line in dialogue["talk"]:
            if isinstance(line, dict):
                assert desk.choices == line["choices"]
                continue
            said, *expected = line
            text = said.format(code=desk.mailed_code) if "{code}" in said else said
            answer = await desk.say(text)
            for part in expected:
                is_there = part.removeprefix("!") in answer
                assert is_there is not part.startswith("!"), f"{said!r} was answered by {answer!r}"
        assert await desk.done() == dialogue["done"]


async def test_another_person_in_the_thread_cannot_confirm_for_the_contact(counter: Counter, tmp_path: Path) -> None:
    async with desk_at(counter, tmp_path, customer="c-1001") as desk:
        contact = desk.contact
        assert "Which order is it?" in await desk.say("please cancel my order")
        desk.contact = "somebody-else"
        assert "Hello" in await desk.say("hello")
        desk.contact = contact
        assert DEFAULT_VOICE.confirm in await desk.say("NP-10231")
        desk.contact = "somebody-else"
        await desk.say("yes")
        assert await desk.done() == []
        desk.contact = contact
        await desk.say("please cancel my order")
        desk.contact = "somebody-else"
        assert DEFAULT_VOICE.confirm not in await desk.say("NP-10231")


def test_there_are_enough_of_them() -> None:
    assert len(DIALOGUES) >= 25
    assert len({dialogue["name"] for dialogue in DIALOGUES}) == len(DIALOGUES)
