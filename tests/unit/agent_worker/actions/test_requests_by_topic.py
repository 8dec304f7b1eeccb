"""An action that is requested by a topic is asked about in every language, and by nobody else's choice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent_worker.actions.spec import Action
from agent_worker.voice import DEFAULT_VOICE, translate_voice
from gateway.config.privacy import PrivacySettings
from gateway.contacts.erasure_requests import NAME, ErasureArguments, ErasureResult, build_erasure_action
from tests.unit.agent_worker.actions.shop import Shop, open_shop, refund, status

WISHES: dict[str, dict[str, list[str]]] = yaml.safe_load(
    (Path(__file__).parents[1] / "intents" / "wishes.yaml").read_text(encoding="utf-8")
)
ACTION = build_erasure_action(PrivacySettings(), DEFAULT_VOICE)


class Requests:
    """Counts the requests."""

    def __init__(self) -> None:
        self.noted = 0

    def replace_run(self) -> Action:
        async def note(_context: Any, _arguments: ErasureArguments) -> ErasureResult:
            self.noted += 1
            return ErasureResult(erasure_id="e-1")

        return replace(ACTION, run=note, look_up=note)


@pytest.fixture
def requests() -> Requests:
    return Requests()


@pytest.fixture
async def shop(tmp_path: Path, requests: Requests) -> AsyncIterator[Shop]:
    async with open_shop(tmp_path, actions=(refund, status, requests.replace_run())) as shop:
        yield shop


@pytest.mark.parametrize("language", WISHES)
async def test_a_wish_in_any_language_is_asked_about_in_that_language(
    shop: Shop, requests: Requests, language: str
) -> None:
    await shop.say("wish", WISHES[language]["deletion"][0])
    voice = translate_voice(DEFAULT_VOICE, language)
    assert await shop.last() == f"{voice.erasure_explained}\n\n**{voice.erasure_title}**\n\n{voice.confirm}"
    assert requests.noted == 0
    await shop.hear(shop.yes(await shop.pending(), text=voice.confirm_yes))
    assert (await shop.last(), requests.noted) == (voice.erasure_begun, 1)
    assert await shop.outcomes() == [f"{NAME} succeeded"]


@pytest.mark.parametrize(
    "text", ["How can I delete my data?", "Let me talk to a person about deleting my data", "Do you sell ferns?"]
)
async def test_whoever_asks_how_or_for_a_person_is_not_asked(shop: Shop, text: str) -> None:
    await shop.say("other", text)
    assert (await shop.memory()).confirmation is None


@pytest.mark.parametrize(
    "text", ["Delete my data please. Is the shop open today?", "Is the shop open today? How can I pay? Delete my data."]
)
async def test_what_else_was_asked_is_named(shop: Shop, text: str) -> None:
    """And nothing else is asked that a yes might answer. "How can I" is not said of the deletion."""
    await shop.say("both", text)
    said = await shop.last()
    assert "“Is the shop open today" in said
    assert said.count("?") == text.count("?") + 1
    assert said.endswith(DEFAULT_VOICE.confirm)
    assert (await shop.pending()).action == NAME


async def test_a_no_leaves_everything(shop: Shop, requests: Requests) -> None:
    await shop.say("wish", "Delete my data")
    await shop.say("no", "no")
    assert (await shop.last(), requests.noted) == (DEFAULT_VOICE.action_declined, 0)


async def test_no_model_is_offered_it(shop: Shop, requests: Requests) -> None:
    await shop.say("ask", f"{NAME} {{}}")
    assert NAME not in {offer.name for offer in shop.model.asked[-1].offers}
    assert requests.noted == 0
