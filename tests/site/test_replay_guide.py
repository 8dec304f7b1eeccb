"""docs/how-to/replay.md, followed: a past answer is the same today, and another one with new documents."""

from __future__ import annotations

import re

import pytest

from tests.site.blocks import Block, list_blocks
from tests.site.reader import Reader

PAGE = "docs/how-to/replay.md"
FOLLOWED = {PAGE: {"sh", "text", "yaml"}}


def see(reader: Reader, block: Block) -> str:
    """What the terminal shows."""
    return reader.run_script(f"{block.text.strip()} 2>&1")


@pytest.mark.slow
def test_a_past_answer_is_replayed_today_and_with_new_documents(shop: Reader) -> None:
    assert "€4.90" in shop.run('parley chat -m "How much is shipping?"')
    replay, output, candidate, replay_candidate = list_blocks(PAGE)
    shown = output.text.strip()
    assert see(shop, replay).splitlines()[-1] == re.sub(r"[1-9]\d*", "1", shown)
    (shop.folder / "candidate.yaml").write_text(candidate.text)
    knowledge = shop.folder / "new-documents"
    knowledge.mkdir()
    delivery = (shop.folder / "knowledge" / "delivery.md").read_text()
    (knowledge / "delivery.md").write_text(delivery.replace("€4.90", "€5.90"))
    assert see(shop, replay_candidate).splitlines()[-1] == "1 turns: 0 the same, 1 changed, 0 diverged"
    page = (shop.folder / "replay.html").read_text()
    assert "€4.90" in re.sub(r"</?(mark|del|ins)>", "", page)
    assert "€5.90" in re.sub(r"</?(mark|del|ins)>", "", page)
