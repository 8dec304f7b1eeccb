"""Questions that customers ask in vain become a group, and what people answer becomes a draft, on both engines."""

from __future__ import annotations

import json
from typing import Any

from tests.harness.contract_client import ContractClient, Visitor, wait_for

QUESTIONS = (
    "Do you sell gift vouchers?",
    "Can I buy a gift voucher for a friend?",
    "How do I order a gift voucher?",
    "Are gift vouchers available?",
)
ANSWER = "Gift vouchers cost 25 euros and are valid for three years."


async def ask_in_vain(shop: ContractClient, visitor: Visitor, question: str) -> None:
    """Ask, and have a person answer."""
    async with visitor.tab(last_seq=0) as tab:
        await tab.send(type="message", client_msg_id="one", text=question)
        await tab.reply()
    said = {"client_msg_id": "p", "text": ANSWER}
    await shop.installation.admin("POST", f"conversations/{visitor.conversation}/messages", json=said)


async def test_people_answer_what_the_documents_do_not(own_shop: ContractClient) -> None:
    visitors = [await own_shop.visitor() for _ in QUESTIONS]
    for visitor, question in zip(visitors, QUESTIONS, strict=True):
        await ask_in_vain(own_shop, visitor, question)
    conversations = {visitor.conversation for visitor in visitors}

    async def find_group() -> dict[str, Any] | None:
        # What a person wrote is on the log once its worker has read it.
        groups = (await own_shop.installation.admin("GET", "insights?since=1d"))["groups"]
        return groups[0] if groups and groups[0]["proposal"] and groups[0]["count"] == len(QUESTIONS) else None

    group = await wait_for(find_group, deadline=120)
    assert (group["cure"], set(group["conversations"])) == ("document", conversations)
    total = (await own_shop.installation.admin("GET", "outcomes"))["total"]
    assert (total["conversations"], total["handed_off"], total["autonomous"]) == (len(QUESTIONS), len(QUESTIONS), 0)
    listed = await own_shop.installation.admin("GET", "outcomes/conversations?figure=handed_off")
    assert {item["id"] for item in listed["items"]} == conversations

    options = ("--tenant", "plantstore", "--url", own_shop.base, "--json")
    output = await own_shop.installation.run("insights", "--draft", group["id"], *options)
    saved = json.loads(output[output.index("{") :])
    document = await own_shop.installation.admin("GET", f"knowledge/{saved['draft']}")
    assert ANSWER in document["body"]
    assert document["visibility"] == "internal"
