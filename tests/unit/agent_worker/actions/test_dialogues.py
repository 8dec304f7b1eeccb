"""Dialogues as data: each is held with ``local``, and each answer is what the file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.agent_worker.actions.desk import desk_at

DIALOGUES: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "dialogues.yaml").read_text())


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=[dialogue["name"] for dialogue in DIALOGUES])
async def test_a_dialogue_goes_as_written(dialogue: dict[str, Any], tmp_path: Path) -> None:
    customer, locale = dialogue.get("customer", ""), dialogue.get("locale", "en")
    async with desk_at(tmp_path, customer=customer, locale=locale) as desk:
        for line in dialogue["talk"]:
            if isinstance(line, dict):
                assert desk.draft is not None
                assert [choice.label for choice in desk.draft.choices] == line["choices"]
                continue
            said, *expected = line
            text = said.format(code=desk.mailed_code) if "{code}" in said else said
            draft = await desk.say(text)
            for part in expected:
                assert part in draft.text, f"{said!r} was answered by {draft.text!r}"
        assert desk.done == dialogue["done"]


def test_there_are_enough_of_them() -> None:
    assert len(DIALOGUES) >= 25
    assert len({dialogue["name"] for dialogue in DIALOGUES}) == len(DIALOGUES)
