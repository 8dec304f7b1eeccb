"""An export reads what the log holds, on both engines, and shows nobody's name or number."""

from __future__ import annotations

import json
from typing import Any

from tests.harness.contract_client import ContractClient, Visitor, wait_for
from tests.harness.installation import QUESTIONS


def api_options(shop: ContractClient) -> tuple[str, ...]:
    return "--tenant", "plantstore", "--url", shop.base


async def export_rows(shop: ContractClient, *flags: str) -> list[dict[str, Any]]:
    output = await shop.installation.run("turns", "export", *api_options(shop), *flags)
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


async def ask_and_rate(visitor: Visitor, text: str, thumb: str) -> dict[str, Any]:
    async with visitor.tab(last_seq=0) as tab:
        await tab.send(type="message", client_msg_id="one", text=text)
        reply = await tab.reply()
        if thumb:
            await tab.send(type="feedback", message_id=reply["id"], value=thumb)
        return reply


async def test_talks_are_exported_as_approved_and_replies_as_rejected(own_shop: ContractClient) -> None:
    liked, disliked, plain, handed = [await own_shop.visitor() for _ in range(4)]
    accepted = await ask_and_rate(liked, f"{QUESTIONS[0]} Call +49 151 2345678", "up")
    rejected = await ask_and_rate(disliked, f"{QUESTIONS[1]} Write to ann@bloom.example", "down")
    await ask_and_rate(plain, QUESTIONS[2], "")
    await ask_and_rate(handed, QUESTIONS[2], "")
    said = {"client_msg_id": "p", "text": "Only rain water, please."}
    await own_shop.installation.admin("POST", f"conversations/{handed.conversation}/messages", json=said)

    async def all_there() -> list[dict[str, Any]] | None:
        # A thumb is on the log when it is, not when the socket has taken it; and so is who owns a conversation.
        rows = await export_rows(own_shop)
        thumbs = [row.get("approved") for row in rows].count("thumb") + sum("rejected" in row for row in rows)
        return rows if len(rows) == 3 and thumbs == 2 else None

    rows = {row["conversation"]: row for row in await wait_for(all_there, deadline=90)}
    assert rows.keys() == {liked.conversation, disliked.conversation, plain.conversation}
    approved = rows[liked.conversation]
    assert (approved["approved"], rows[plain.conversation]["approved"]) == ("thumb", "resolved")
    assert approved["messages"][0] == {"role": "user", "content": f"{QUESTIONS[0]} Call [phone]"}
    assert approved["messages"][1]["role"] == "assistant"
    assert approved["messages"][1]["content"] == accepted["text"]
    assert rows[disliked.conversation]["rejected"] == rejected["text"]
    assert rows[disliked.conversation]["prompt"] == [{"role": "user", "content": f"{QUESTIONS[1]} Write to [email]"}]

    kinds = {
        flag: {row["conversation"] for row in await export_rows(own_shop, flag)}
        for flag in ("--approved", "--rejected")
    }
    assert kinds == {"--approved": {liked.conversation, plain.conversation}, "--rejected": {disliked.conversation}}
    assert await export_rows(own_shop, "--since", "2999-01-01") == []
    assert await export_rows(own_shop, "--until", "2000-01-01") == []
    assert len(await export_rows(own_shop, "--since", "2000-01-01", "--channel", "web")) == 3
    (turn,) = (await own_shop.admin("GET", f"conversations/{plain.conversation}")).body["turns"]
    shown = await own_shop.installation.run("turns", "show", turn["id"], *api_options(own_shop))
    for part in (turn["id"], "passage", "cited", "route", "model", "retrieve", "confidence"):
        assert part in shown
    refused = await own_shop.admin("GET", "training?since=tomorrow")
    assert refused.code == "invalid_request"
