"""The agent's work for people at the desk and for the customer afterwards: drafts, waits, ratings."""

from __future__ import annotations

from typing import Any

from agent_worker.voice import DEFAULT_VOICE
from tests.e2e.slack_desk import DeskInstallation, wait_for_transcript
from tests.harness.chat_client import Contact
from tests.simulators.slack.message_contents import words


def _last(lines: list[dict[str, Any]], text: str) -> dict[str, Any] | None:
    return next((line for line in reversed(lines) if text in line["text"]), None)


async def test_a_draft_a_resolution_and_how_it_went(stage: DeskInstallation, ann: Contact) -> None:
    """The customer hears how long it takes; people read a draft that nobody else sees, resolve, and the customer rates
    it by a choice, which opens nothing; what the customer writes then is the agent's."""
    await ann.say("I want to talk to a person please")
    told = await wait_for_transcript(ann, lambda lines: _last(lines, "A colleague will take over"))
    assert "within 30 minutes" in told["text"]
    assert [choice["id"] for choice in told["choices"]] == ["assistant"]
    card = await stage.card()
    await stage.claimed("Mo", card)

    await ann.say("Do you add a heat pack in winter?")
    await stage.in_thread(card, "Do you add a heat pack")
    await stage.press("Mo", card, "Draft")
    draft = await stage.in_thread(card, "heat pack to every parcel")
    assert "only people see this" in words(draft.body)
    assert not _last(await ann.transcript(), "to every parcel")
    stage.reply("Mo", card, "We do, and your heat pack will be free.")
    await wait_for_transcript(ann, lambda lines: _last(lines, "your heat pack will be free"))

    await stage.press("Mo", card, "Resolve")
    await stage.slack.interactions.submit("Mo", {"Outcome": "Solved", "Note for colleagues": "Her sister is with her."})
    asked = await wait_for_transcript(ann, lambda lines: _last(lines, DEFAULT_VOICE.rating_ask))
    assert len(asked["choices"]) == 5
    good = asked["choices"][3]
    await ann.say(good["label"], choice={"in_reply_to": asked["id"], "id": good["id"]})
    await wait_for_transcript(ann, lambda lines: _last(lines, "Thank you for telling us"))
    shown = await stage.parley.admin("GET", f"conversations/{ann.conversation}")
    assert shown["owner"] == "closed"
    (kept,) = shown["resolutions"]
    assert (kept["outcome"], kept["note"], kept["score"]) == ("Solved", "Her sister is with her.", 4)
    await stage.in_thread(card, "Her sister is with her.")
    await stage.in_thread(card, "rating: 4 of 5")
    assert not _last(await ann.transcript(), "sister")

    again = await ann.say("Will my heat pack be free?")
    answer = await ann.answered(again.message_id)
    assert "your heat pack will be free" in answer["text"]

    await ann.say("I do not want to live any more")
    await wait_for_transcript(ann, lambda lines: _last(lines, "call your local emergency number"))
    await stage.until(lambda: "🆘 Danger to life" in words(card.body))
    await stage.until(lambda: any("<!here> 🚨 *Danger to life*" in words(post.body) for post in stage.room.top()))
