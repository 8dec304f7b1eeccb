"""`parley state backup`: a copy made under traffic opens, knows everything up to its instant, and answers."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import aiohttp
import yaml

from infra.database.backup import LEFT_OUT
from tests.harness.chat_client import Contact
from tests.harness.contract_client import wait_for
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import ForkServer


async def test_a_copy_made_under_traffic_is_whole_and_answers(fork_server: ForkServer, tmp_path: Path) -> None:
    original = Installation.make(fork_server, tmp_path / "original")
    await original.start()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        contacts = [Contact(original.base, http, f"c{n}") for n in range(5)]
        for contact in contacts:
            await contact.open()
            await contact.answered((await contact.say(QUESTIONS[0])).message_id)
        done = asyncio.Event()

        async def talk(contact: Contact) -> None:
            while not done.is_set():
                await contact.say(QUESTIONS[len(contact.sent) % 3])

        talking = [asyncio.create_task(talk(contact)) for contact in contacts]
        before = {contact.name: len(contact.sent) for contact in contacts}
        await original.run("state", "backup", str(tmp_path / "copy"))
        after = {contact.name: len(contact.sent) for contact in contacts}
        done.set()
        await asyncio.gather(*talking)
        assert any(after[name] > before[name] for name in after), "nobody had to wait for the backup"
        assert (await original.findings(contacts)).faults == []
        await original.stop()

        restored = Installation.make(fork_server, tmp_path / "restored")
        settings = yaml.safe_load(restored.config.read_text())
        restored.config.write_text(yaml.safe_dump(settings | {"data_dir": str(tmp_path / "copy")}))
        await restored.start()
        for contact in contacts:
            contact.base = restored.base
            lines = await contact.transcript()
            known = [line["text"] for line in lines if line["author"]["kind"] == "contact"]
            everything = [sent.text for sent in contact.sent]
            assert known == everything[: len(known)], "up to an instant, and nothing out of order"
            assert len(known) >= before[contact.name] - 1
            said = await contact.say(QUESTIONS[1], f"{contact.name}-after")
            await wait_for(lambda contact=contact, said=said: answer_to(contact, said.message_id))  # type: ignore[misc]
        # The others' answers may be one to all that was waiting in the copy.
        new = Contact(restored.base, http, "new")
        await new.open()
        answer = await new.answered((await new.say(QUESTIONS[1])).message_id)
        assert answer["citations"][0]["document"] == "returns"
        await restored.stop()


async def answer_to(contact: Contact, message_id: str) -> bool:
    lines = await contact.transcript()
    return any(line["in_reply_to"] == message_id for line in lines)


async def test_a_copy_holds_secrets_and_attachments_for_its_owner_alone(
    fork_server: ForkServer, tmp_path: Path
) -> None:
    made = Installation.make(fork_server, tmp_path, secret_key="", admin_token="")
    await made.start()
    async with aiohttp.ClientSession() as http:
        contact = Contact(made.base, http, "ann")
        await contact.open()
        form = aiohttp.FormData()
        form.add_field("file", b"a,b\n1,2\n", filename="table.csv", content_type="text/csv")
        url = f"{contact.chat}/attachments"
        async with http.post(url, data=form, headers={"Authorization": f"Bearer {contact.token}"}) as answer:
            assert answer.status == 201, await answer.text()
    await made.run("state", "backup", str(tmp_path / "copy"))
    copied = {path.name for path in (tmp_path / "copy").iterdir()}
    live = {path.name for path in (tmp_path / "data").iterdir() if not path.name.startswith(".")}
    assert copied == (live - LEFT_OUT) | {"parley.db"}
    assert {"secret_key", "admin_token", "blobs"} <= copied
    files = [_read_files(tmp_path / folder / "blobs") for folder in ("data", "copy")]
    assert files[0] == files[1]
    assert {".json", ""} == {Path(name).suffix for name in files[1]}
    assert not any(b"a,b\n1,2\n" in data or b"table.csv" in data for data in files[1].values())
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o700
    for name in ("secret_key", "admin_token", "parley.db"):
        assert stat.S_IMODE((tmp_path / "copy" / name).stat().st_mode) == 0o600, name
    assert (tmp_path / "copy" / "secret_key").read_text() == (tmp_path / "data" / "secret_key").read_text()
    status, output = await made.command("state", "backup", str(tmp_path / "copy"))
    assert status == 2
    assert "already exists" in output
    await made.stop()


def _read_files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_a_backup_that_cannot_be_made_leaves_nothing_behind(fork_server: ForkServer, tmp_path: Path) -> None:
    made = Installation.make(fork_server, tmp_path)
    status, output = await made.command("state", "backup", str(tmp_path / "copy"))
    assert (status, "there is no database" in output) == (2, True)
    scaled = Installation.make(fork_server, tmp_path / "scaled", kafka="127.0.0.1:9", redis="redis://127.0.0.1:9/0")
    status, output = await scaled.command("state", "backup", str(tmp_path / "copy"))
    assert (status, "Kafka and Redis" in output) == (2, True)
    assert not (tmp_path / "copy").exists()
    assert not list(tmp_path.glob(".copy*"))
