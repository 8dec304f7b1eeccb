"""docs/how-to/access.md, followed: a program gets a token, is refused what it lacks the scope for, and is shut out."""

from __future__ import annotations

import json

import pytest

from tests.site.blocks import list_blocks
from tests.site.reader import Reader
from tests.site.test_project_pages import as_one_script, assert_like

PAGE = "docs/how-to/access.md"
FOLLOWED = {PAGE: {"sh", "json"}}


@pytest.mark.slow
def test_a_program_uses_a_token_until_it_is_revoked(shop: Reader) -> None:
    blocks = [block for block in list_blocks(PAGE) if block.kind in FOLLOWED[PAGE]]
    printed = [json.loads(line) for line in shop.run_script(as_one_script(blocks)).splitlines() if line[:1] == "{"]
    shown = [json.loads(block.text) for block in blocks if block.kind == "json"]
    assert len(printed) == len(shown) == 4
    for expected, answer in zip(shown, printed, strict=True):
        assert_like(expected, answer)
