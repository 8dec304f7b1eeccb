"""Files of the process are readable by its user alone."""

from __future__ import annotations

import stat
from pathlib import Path

import aiohttp

from tests.harness.chat_client import Contact
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import ROOT, ForkServer

SHOP = ROOT / "examples" / "plantstore" / "shop" / "actions.py"


def modes(folder: Path) -> dict[str, int]:
    """The mode of the folder and of each file and folder in it, by path."""
    return {str(path.relative_to(folder)): stat.S_IMODE(path.lstat().st_mode) for path in (folder, *folder.rglob("*"))}


def assert_private(folder: Path) -> dict[str, int]:
    found = modes(folder)
    wrong = {name: oct(mode) for name, mode in found.items() if mode != (0o700 if (folder / name).is_dir() else 0o600)}
    assert wrong == {}
    return found


async def use_installation(installation: Installation) -> None:
    """A question is answered, a file is sent, and a code is mailed."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as http:
        contact = Contact(installation.base, http, "ann")
        await contact.open()
        await contact.answered((await contact.say(QUESTIONS[0])).message_id)
        form = aiohttp.FormData()
        form.add_field("file", b"a,b\n1,2\n", filename="table.csv", content_type="text/csv")
        headers = {"Authorization": f"Bearer {contact.token}"}
        async with http.post(f"{contact.chat}/attachments", data=form, headers=headers) as answer:
            assert answer.status == 201, await answer.text()
        asked = await contact.say("where is my order NP-10231?")
        assert "six-digit code" in (await contact.answered(asked.message_id))["text"]


async def test_the_data_folder_is_for_its_owner_alone_and_is_tightened_where_it_was_not(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    tenant = {
        "name": "Plant store",
        "fold": {"web": 0.05, "others": 0.05},
        "channels": {"web": {"main": {}}},
        "knowledge": {"paths": ["knowledge"]},
        "actions": {"sources": [str(SHOP)], "settings": {"shop_folder": str(data / "shop")}},
    }
    installation = Installation.make(
        fork_server, tmp_path, tenants={"plantstore": tenant}, secret_key="", admin_token=""
    )
    await installation.start()
    await use_installation(installation)
    found = assert_private(data)
    assert {".", "secret_key", "admin_token", "parley.db", "parley.db-wal", "shop/outbox.jsonl"} <= found.keys()
    assert {name.partition("/")[0] for name in found} >= {"blobs", "knowledge", "shop"}
    await installation.stop()

    for path in (data, *data.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not ours")
    elsewhere.chmod(0o644)
    (data / "link").symlink_to(elsewhere)
    await installation.start()
    (data / "link").unlink()
    assert_private(data)
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644, "links are not followed"
    await installation.stop()


async def test_a_command_that_writes_before_the_first_start_makes_a_private_folder(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    installation = Installation.make(fork_server, tmp_path, secret_key="", admin_token="")
    note = tmp_path / "note.md"
    note.write_text("# Note\n\nWe are open on Mondays.\n")
    await installation.run("knowledge", "add", str(note), "--tenant", "plantstore")
    assert_private(tmp_path / "data")
