"""Dialogues as data: each is held with ``local``, through the whole worker, and each answer is what the file says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.agent_worker.actions.desk import Counter, counter_at, desk_at

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
                assert part in answer, f"{said!r} was answered by {answer!r}"
        assert await desk.done() == dialogue["done"]


def test_there_are_enough_of_them() -> None:
    assert len(DIALOGUES) >= 25
    assert len({dialogue["name"] for dialogue in DIALOGUES}) == len(DIALOGUES)
