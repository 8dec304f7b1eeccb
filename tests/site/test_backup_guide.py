"""docs/how-to/backup.md, followed: an installation is saved, somebody is erased, and the restore is without them."""

from __future__ import annotations

import pytest

from tests.site.blocks import list_blocks
from tests.site.reader import Reader

PAGE = "docs/how-to/backup.md"
FOLLOWED = {PAGE: {"sh", "text"}}


@pytest.mark.slow
def test_an_installation_is_saved_and_restored_without_whom_was_erased(shop: Reader) -> None:
    blocks = list_blocks(PAGE)
    printed = shop.run_script("\n".join(block.text for block in blocks if block.kind == "sh"))
    for block in blocks:
        if block.kind == "text":
            assert block.text.strip() in printed.splitlines()
    assert (shop.folder / "restored" / "parley.db").is_file()
    assert "PARLEYB1" in (shop.folder / "vault" / "keys").read_bytes()[:8].decode()
