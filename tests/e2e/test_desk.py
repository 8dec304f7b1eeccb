"""Support teams take over in Slack, answer the customer where the customer is, and give the conversation back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.conftest import ENGINES
from tests.e2e.desk_stage import Stage, heard, labels, marks, tenant, words
from tests.harness.client import Contact
from tests.harness.installation import Installation
from tests.harness.processes import Nursery
from tests.platforms.slack.server import SlackVendor


@pytest.fixture(params=ENGINES)
async def stage(
    request: pytest.FixtureRequest, nursery: Nursery, tmp_path: Path, topic_prefix: str
) -> AsyncIterator[Stage]:
    servers = {}
    if request.param == "scaled":
        servers = {"kafka": request.getfixturevalue("kafka_bootstrap"), "redis": request.getfixturevalue("redis_url")}
    slack = SlackVendor(pace=0.01)
    async with slack.serving():
        parley = Installation.make(
            nursery, tmp_path, prefix=topic_prefix, tenants={"plantstore": tenant(slack)}, **servers
        )
        await parley.prepare()
        await parley.start()
        slack.call(f"{parley.base}/v1/webhooks/slack/plantstore/main")
        if parley.scaled:
            await parley.put_documents()
        yield Stage(parley, slack)
        await parley.stop()


@pytest.fixture
async def ann(stage: Stage) -> AsyncIterator[Contact]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        contact = Contact(stage.parley.base, http, "ann")
        await contact.open()
        yield contact


async def test_a_person_takes_over_answers_and_gives_back(stage: Stage, ann: Contact) -> None:
    await ann.say("Do you add a heat pack in winter?")
    await heard(ann, lambda lines: len(lines) == 2)
    await ann.say("I want to talk to a person please")
    card = await stage.card()
    assert "waits for a person" in words(card.body)
    assert "heat pack" in words(card.body)

    await stage.claimed("Mo", card)
    written = stage.reply("Mo", card, "Hello, this is *Mo*. What can I do?")
    await heard(ann, lambda lines: any("this is" in line["text"] for line in lines))
    said = next(line for line in await ann.transcript() if "this is" in line["text"])
    assert said["author"] == {"kind": "person", "name": "Mo"}
    await stage.until(lambda: marks(written))
    assert len(marks(written)) == 1

    await ann.say("My plant is ill")
    await stage.in_thread(card, "My plant is ill")
    stage.reply("Mo", card, "// let us look into the greenhouse")
    stage.reply("Mo", card, "Please send a photo")
    await heard(ann, lambda lines: any("photo" in line["text"] for line in lines))
    assert not any("greenhouse" in line["text"] for line in await ann.transcript())

    await stage.press("Mo", card, "Return to agent")
    await stage.until(lambda: "back with the agent" in words(card.body))
    assert labels(card.body) == ["Take over"]
    asked = await ann.say("How long can I return a pot?")
    answer = await ann.answered(asked.message_id)
    assert "30 days" in answer["text"]

    await ann.say("I want to talk to a person please")
    await stage.in_thread(card, "again")
    assert len(stage.cards) == 1
