"""docs/how-to/contacts.md, followed: somebody writes, is found, gets everything that is held about them, and is
forgotten."""

from __future__ import annotations

import json

import pytest

from tests.site.blocks import list_blocks
from tests.site.reader import Reader
from tests.site.test_project_pages import assert_like

PAGE = "docs/how-to/contacts.md"
FOLLOWED = {PAGE: {"sh", "json", "text"}}


@pytest.mark.slow
def test_somebody_who_wrote_is_found_exported_and_erased(shop: Reader) -> None:
    blocks = list_blocks(PAGE)
    script = "\necho\n".join(block.text for block in blocks if block.kind == "sh")
    printed = shop.run_script(script)
    (listed,) = [json.loads(line) for line in printed.splitlines() if line.startswith('{"items"')]
    (shown,) = [block.text for block in blocks if block.kind == "json"]
    assert_like(json.loads(shown), listed)
    (end,) = [block.text.strip() for block in blocks if block.kind == "text"]
    assert end in printed.splitlines()
    lines = [json.loads(line) for line in (shop.folder / "contact.jsonl").read_text().splitlines()]
    assert lines[0]["data"]["id"] == listed["items"][0]["id"]
    asked = [line["source"] for line in lines if line["data"].get("text") == "How much is shipping?"]
    assert "state" in asked
    assert any(source.startswith("parley.inbound.web/") for source in asked)
    counts = [line.split() for line in printed.splitlines() if line.split()[:1] == ["messages"]]
    assert len(counts) == 2, "as deleted, and in the proof"
    assert counts[0] == counts[1]
    assert ["contact", "id", listed["items"][0]["id"]] in [line.split() for line in printed.splitlines()]
    assert shop.run("parley contact find --json").strip() == "[]"
