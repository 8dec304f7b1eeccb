"""Replies that people edit or delete at the desk change at the customer too."""

from __future__ import annotations

import aiohttp

from tests.e2e.slack_desk import DeskInstallation, wait_for_transcript
from tests.harness.chat_client import Contact
from tests.simulators.slack.message_contents import words


async def test_a_customer_on_the_web_reads_the_new_words_and_nothing_of_what_was_taken_back(
    stage: DeskInstallation,
) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        ann = Contact(stage.parley.base, http, "ann")
        await ann.open()
        await ann.say("I want to talk to a person please")
        card = await stage.card()
        await stage.claimed("Mo", card)
        kept, gone = (stage.reply("Mo", card, text) for text in ("It costs 4 euro", "You are a nuisance"))
        await wait_for_transcript(ann, lambda lines: any("nuisance" in line["text"] for line in lines))
        stage.slack.people.edit("Mo", kept.ts, "It costs 5 euro")
        stage.slack.people.delete("Mo", gone.ts)
        await wait_for_transcript(ann, lambda lines: not any("nuisance" in line["text"] for line in lines))
        lines = await wait_for_transcript(ann, lambda lines: any("5 euro" in line["text"] for line in lines) and lines)
        assert not any("4 euro" in line["text"] for line in lines)
        assert [line["state"] for line in lines if line["author"]["kind"] == "person" and not line["text"]] == [
            "deleted"
        ]


async def test_a_customer_on_slack_sees_one_message_changed_and_the_other_gone(stage: DeskInstallation) -> None:
    slack = stage.slack
    place = slack.place("Ann")
    await slack.say("Ann", "I want to talk to a person please")
    card = await stage.card()
    await stage.claimed("Mo", card)
    kept, gone = (stage.reply("Mo", card, text) for text in ("It costs 4 euro", "You are a nuisance"))

    def shown() -> list[str]:
        return [each.text for each in slack.ledger.at(place) if not each.deleted]

    await stage.until(lambda: any("nuisance" in text for text in shown()))
    slack.people.edit("Mo", kept.ts, "It costs *5* euro")
    slack.people.delete("Mo", gone.ts)
    await stage.until(lambda: not any("nuisance" in text for text in shown()))
    await stage.until(lambda: any("*5* euro" in text or "5 euro" in text for text in shown()))
    assert not any("4 euro" in text for text in shown())
    assert not any("5 euro" in words(post.body) for post in stage.thread(card) if post.author is slack.bot)
