"""A customer who is not understood at once picks a section, by a button or in words, and is answered from it."""

from __future__ import annotations

from typing import Any

import pytest

from agent_worker.voice import DEFAULT_VOICE
from tests.harness.contract_client import ContractClient, Visitor

SECTIONS = {
    "Crowns": "A crown covers a tooth that is broken or worn. It takes two visits.",
    "Implants": "An implant replaces a tooth with a screw in the jaw. It takes five months.",
    "Bridges": "A bridge fills the gap of a tooth between two others. It takes three weeks.",
}
VAGUE = "What can you do about my tooth?"
NEARLY = "Is there something for a tooth?"


async def ask(shop: ContractClient, question: str) -> tuple[Visitor, dict[str, Any]]:
    """A visitor, and the reply to the question."""
    for heading, text in SECTIONS.items():
        body = {"title": "Teeth", "body": f"## {heading}\n\n{text}"}
        assert (await shop.admin("PUT", f"knowledge/{heading.casefold()}", json=body)).status == 200
    visitor = await shop.visitor()
    return visitor, await visitor.ask(question)


async def offer(shop: ContractClient) -> tuple[Visitor, dict[str, Any]]:
    """A visitor to whom the sections are offered."""
    visitor, offered = await ask(shop, VAGUE)
    assert (offered["text"], offered["citations"]) == (DEFAULT_VOICE.did_you_mean, [])
    labels = {choice["label"] for choice in offered["choices"]}
    assert labels == {"Teeth: Crowns", "Teeth: Implants", "Teeth: Bridges", DEFAULT_VOICE.none_of_these}
    return visitor, offered


@pytest.mark.parametrize("words", ["", "2", "the second one"])
async def test_a_picked_section_answers(own_shop: ContractClient, words: str) -> None:
    visitor, offered = await offer(own_shop)
    picked = offered["choices"][1]
    choice = {} if words else {"choice": {"in_reply_to": offered["id"], "id": picked["id"]}}
    said = await visitor.say(words or picked["label"], **choice)
    answer = await visitor.until("agent", after=said.body["seq"])
    (heading,) = [name for name in SECTIONS if picked["label"] == f"Teeth: {name}"]
    assert answer["text"] == f"{SECTIONS[heading]} [1]"
    assert [one["quote"] for one in answer["citations"]] == [SECTIONS[heading]]


async def test_none_of_the_sections_leads_to_a_person(own_shop: ContractClient) -> None:
    visitor, _ = await offer(own_shop)
    answer = await visitor.ask(DEFAULT_VOICE.none_of_these)
    assert answer["text"] == DEFAULT_VOICE.not_found
    assert [choice["id"] for choice in answer["choices"]] == ["person"]


async def test_a_section_that_probably_answers_is_quoted_as_the_closest(own_shop: ContractClient) -> None:
    visitor, closest = await ask(own_shop, NEARLY)
    introduction = DEFAULT_VOICE.closest.replace("{heading}", "Teeth: Crowns")
    assert closest["text"] == f"{introduction}\n\n{SECTIONS['Crowns']} [1]\n\n{DEFAULT_VOICE.or_one_of_these}"
    assert {choice["label"] for choice in closest["choices"][:-1]} == {"Teeth: Implants", "Teeth: Bridges"}
    answer = await visitor.ask("no")
    assert answer["text"] == DEFAULT_VOICE.not_found
