"""Training data is written from what the log holds, on both engines, and names nobody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.harness.contract_client import ContractClient, wait_for
from tests.harness.installation import QUESTIONS


async def write_data(shop: ContractClient, folder: Path) -> dict[str, Any] | None:
    """The data card; None while nothing that was judged is on the log."""
    options = ("--tenant", "plantstore", "--url", shop.base, "--model-share", "1", "--out", str(folder), "--json")
    status, output = await shop.installation.command("finetune", "data", *options)
    card: dict[str, Any] = json.loads(output[output.index("{") :])
    return card if status == 0 else None


async def test_data_is_written_from_thumbs_and_from_answers_of_people(own_shop: ContractClient, tmp_path: Path) -> None:
    liked, disliked = [await own_shop.visitor() for _ in range(2)]
    for visitor, text, thumb in (
        (liked, QUESTIONS[0], "up"),
        (disliked, f"{QUESTIONS[1]} Write to ann@bloom.example", "down"),
    ):
        async with visitor.tab(last_seq=0) as tab:
            await tab.send(type="message", client_msg_id="one", text=text)
            reply = await tab.reply()
            await tab.send(type="feedback", message_id=reply["id"], value=thumb)

    async def find_all() -> dict[str, Any] | None:
        # A thumb is on the log when it is, not when the socket has taken it.
        card = await write_data(own_shop, tmp_path / "training")
        return card if card is not None and set(card["sources"]) == {"thumb_up", "rejected"} else None

    card = await wait_for(find_all, deadline=90)
    assert (card["examples"], card["contacts"]) == (2, 2)
    assert card["documents"], "the answer cites a document"
    rows = [
        json.loads(line)
        for split in ("train", "held-out")
        for line in (tmp_path / "training" / f"kto.{split}.jsonl").read_text().splitlines()
    ]
    assert {row["label"] for row in rows} == {True, False}
    for row in rows:
        request = json.loads(row["prompt"][-1]["content"])
        assert request["passages"]
        assert "ann@bloom.example" not in json.dumps(row)
    assert any("<EMAIL_1>" in row["prompt"][-1]["content"] for row in rows)
    status, output = await own_shop.installation.command(
        "finetune", "advise", "--tenant", "plantstore", "--url", own_shop.base, "--json"
    )
    advice = json.loads(output[output.index("{") :])
    assert (status, advice["recommended"], advice["good_examples"]) == (0, None, 0), "a model's answer is no model"
    assert advice["verdict"].startswith("nothing yet")
