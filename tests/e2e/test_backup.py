"""A backup restores everybody who was not erased since, and nothing of the others; conversations go on."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import redis.asyncio

from gateway.config.loader import load
from infra.backup.encryption import CHUNK
from tests.e2e.stored_data import files
from tests.e2e.test_erasure import Person, erase, find_contacts, find_places
from tests.faults.faulty_installation import IMPATIENT
from tests.harness.chat_client import Contact
from tests.harness.contract_client import wait_for
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import ForkServer

PEOPLE = 6
PASSPHRASE = {"PARLEY_BACKUP_PASSPHRASE": "correct horse battery staple", "TEST_SCRYPT_COST": str(1 << 10)}
"""Derives keys at once: each command would compute for half a second. tests/deploy/test_backup.py derives real ones."""


async def read_file(contact: Contact) -> str:
    """The content of the file that the contact has sent."""
    lines = await contact.transcript()
    address = urlsplit(next(file["url"] for line in lines for file in line["attachments"]))
    async with contact.http.get(f"{contact.base}{address.path}?{address.query}") as answer:
        assert answer.status == 200, await answer.text()
        return await answer.text()


@contextmanager
def keep_talking(contacts: list[Contact]) -> Iterator[None]:
    """Let contacts write without a pause."""

    async def talk(contact: Contact) -> None:
        while True:
            await contact.say(QUESTIONS[len(contact.sent) % 3])

    talking = [asyncio.create_task(talk(contact)) for contact in contacts]
    try:
        yield
    finally:
        for task in talking:
            task.cancel()


async def check_goes_on(contact: Contact, base: str) -> None:
    """Check that a contact is known and gets one answer to another question."""
    contact.base = base
    before = await contact.transcript()
    said = await contact.say(QUESTIONS[1], f"{contact.name}-after")
    await contact.answered(said.message_id)
    lines = await contact.transcript()
    assert [line["id"] for line in lines[: len(before)]] == [line["id"] for line in before]
    assert sum(line["in_reply_to"] == said.message_id for line in lines) == 1


async def test_a_restore_brings_back_all_but_the_erased(
    parley: Installation, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    people = [Person(Contact(parley.base, http, f"person-{n}")) for n in range(PEOPLE)]
    await asyncio.gather(*(person.speak() for person in people))
    await find_contacts(parley, people)
    others = [Contact(parley.base, http, f"other-{n}") for n in range(3)]
    await asyncio.gather(*(other.open() for other in others))
    data, keys = tmp_path / "backups" / "monday", tmp_path / "vault" / "keys"
    with keep_talking(others):
        await parley.run("backup", "create", str(data), "--keys", str(keys), env=PASSPHRASE)
    gone, kept = people[::2], people[1::2]
    await asyncio.gather(*(erase(parley, person) for person in gone))
    await kept[0].contact.say("This is not in the backup.")
    await parley.run("backup", "keys", str(keys), env=PASSPHRASE)
    secrets = b"".join(file.read_bytes() for file in (data, keys))
    assert not any(person.canary.encode() in secrets for person in people)
    await parley.stop()

    restored = parley.build_twin(tmp_path / "restored")
    printed = await restored.run("backup", "restore", str(data), "--keys", str(keys), "--json", env=PASSPHRASE)
    report = json.loads(printed)
    assert (report["erased"], report["keys"]) == (len(gone), PEOPLE + len(others))
    assert await find_places(restored, [person.canary for person in gone]) == {person.canary: set() for person in gone}
    await restored.start()
    for person in kept:
        about = await restored.admin("GET", f"conversations/{person.contact.conversation}")
        assert any(person.canary in line["text"] for line in about["transcript"])
        await check_goes_on(person.contact, restored.base)
        assert person.canary in await read_file(person.contact)
    for person in gone:
        assert (await restored.admin("GET", f"contacts/{person.id}", ok=False))["error"]["code"] == "not_found"
    for other in others:
        await check_goes_on(other, restored.base)
    actions = [item["action"] for item in (await restored.admin("GET", "audit?action=backup"))["items"]]
    assert actions == ["backup.restore", "backup.create"]
    await restored.stop()


async def test_killed_commands_leave_nothing_that_is_taken_for_a_backup_or_an_installation(
    embedded_alone: Installation, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    parley = embedded_alone
    await parley.start()
    person = Person(Contact(parley.base, http, "ann"))
    await person.speak()
    data = tmp_path / "backups" / "monday"
    at = {"PARLEY_CRASH_AT": "backup.before_end"}
    assert (await parley.command("backup", "create", str(data), env=PASSPHRASE | at))[0] == -9
    assert not data.exists()
    (draft,) = data.parent.glob(".monday.*")
    status, printed = await parley.command("backup", "verify", str(draft), config=False, env=PASSPHRASE)
    assert (status, "cut off" in printed or "no backup" in printed or "does not open" in printed) == (2, True)
    await parley.run("backup", "create", str(data), env=PASSPHRASE)
    assert not list((parley.folder / "data").glob(".backup/*")), "no plain copy stays"
    await parley.stop()

    restored = parley.build_twin(tmp_path / "restored")
    for point in ("restore.extracted", "restore.emptied"):
        at = {"PARLEY_CRASH_AT": point}
        assert (await restored.command("backup", "restore", str(data), env=PASSPHRASE | at))[0] == -9
        assert not (restored.folder / "data" / "parley.db").exists()
    await restored.run("backup", "restore", str(data), env=PASSPHRASE)
    assert not (restored.folder / "data" / ".restore").exists()
    await restored.start()
    await check_goes_on(person.contact, restored.base)
    status, printed = await restored.command("backup", "restore", str(data), "--replace", "--yes", env=PASSPHRASE)
    assert (status, "in use by process" in printed) == (2, True)
    await restored.stop()
    status, printed = await restored.command("backup", "restore", str(data), env=PASSPHRASE)
    assert (status, "holds an installation" in printed) == (2, True)
    await restored.run("backup", "restore", str(data), "--replace", "--yes", env=PASSPHRASE)


async def test_a_backup_that_was_changed_or_does_not_fit_is_refused_and_nothing_is_written(
    embedded_alone: Installation, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    parley = embedded_alone
    await parley.start()
    person = Person(Contact(parley.base, http, "ann"))
    await person.speak()
    data, early = tmp_path / "data-file", tmp_path / "early-keys"
    await parley.run("backup", "keys", str(early), env=PASSPHRASE)
    await parley.run("backup", "create", str(data), env=PASSPHRASE)
    await parley.stop()
    whole, restored = data.read_bytes(), parley.build_twin(tmp_path / "restored")
    at = len(whole) // 2
    changed = {
        "cut": whole[: (len(whole) - 1) // CHUNK * CHUNK or -1],
        "flipped": whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :],
        "longer": whole + b"x",
    }
    for name, content in changed.items():
        (tmp_path / name).write_bytes(content)
        command = ["backup", "restore", str(tmp_path / name), "--keys", f"{data}.keys"]
        status, printed = await restored.command(*command, env=PASSPHRASE)
        assert (status, "error[setup]" in printed) == (2, True), name
    for option, reason in ((["--keys", str(early)], "is older than"), (["--keys", str(data)], "not the keys")):
        status, printed = await restored.command("backup", "restore", str(data), *option, env=PASSPHRASE)
        assert (status, reason in printed) == (2, True), printed
    status, printed = await restored.command(
        "backup", "restore", str(data), env=PASSPHRASE | {"PARLEY_BACKUP_PASSPHRASE": "another long passphrase"}
    )
    assert (status, "does not open" in printed) == (2, True)
    assert {file.name for file in files(restored.folder / "data")} <= {"parley.db.lock"}


async def test_generated_secrets_are_restored_and_a_key_file_protects_as_well(
    fork_server: ForkServer, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    parley = Installation.make(fork_server, tmp_path / "first", secret_key="", admin_token="")
    await parley.start()
    person = Person(Contact(parley.base, http, "ann"))
    await person.speak()
    key_file, data = tmp_path / "key", tmp_path / "data-file"
    key_file.write_text("k" * 44)
    protected = "--key-file", str(key_file)
    await parley.run("backup", "create", str(data), *protected)
    await parley.stop()
    status, printed = await parley.command("backup", "verify", str(data), config=False, env=PASSPHRASE)
    assert (status, "protected by a key file" in printed) == (2, True)
    restored = parley.build_twin(tmp_path / "restored")
    await restored.run("backup", "restore", str(data), *protected)
    for name in ("secret_key", "admin_token"):
        assert (restored.folder / "data" / name).read_text() == (parley.folder / "data" / name).read_text()
    await restored.start()
    await check_goes_on(person.contact, restored.base)
    await restored.stop()
    printed = await restored.run("doctor", "--json")
    (backup,) = [one for one in json.loads(printed)["findings"] if one["check"] == "backup"]
    assert backup["status"] == "ok"
    assert "0 hours ago" in backup["detail"]


async def test_keys_of_another_installation_are_refused(
    embedded_alone: Installation, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    first, second = embedded_alone, embedded_alone.build_twin(tmp_path / "second")
    for parley in (first, second):
        await parley.start()
        await Person(Contact(parley.base, http, "ann")).speak()
        await parley.stop()
    data = tmp_path / "data-file"
    await first.run("backup", "create", str(data), env=PASSPHRASE)
    await second.run("backup", "keys", str(tmp_path / "keys"), env=PASSPHRASE)
    third = first.build_twin(tmp_path / "third")
    command = ["backup", "restore", str(data), "--keys", str(tmp_path / "keys")]
    status, printed = await third.command(*command, env=PASSPHRASE)
    assert (status, "belongs to another installation" in printed) == (2, True)


@pytest.mark.scaled
async def test_a_restore_on_servers_is_repeated_after_a_kill_and_refused_where_something_is(
    fork_server: ForkServer, kafka_bootstrap: str, redis_url: str, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    prefix = f"t-{uuid.uuid4().hex[:8]}."
    parley = Installation.make(fork_server, tmp_path / "first", kafka=kafka_bootstrap, redis=redis_url, prefix=prefix)
    parley.env["TEST_KAFKA_PROFILE"] = json.dumps(IMPATIENT)
    await parley.prepare()
    await parley.start()
    await parley.put_documents()
    person = Person(Contact(parley.base, http, "ann"))
    await person.speak()
    data = tmp_path / "data-file"
    at = {"PARLEY_CRASH_AT": "backup.before_end"}
    assert (await parley.command("backup", "create", str(data), env=PASSPHRASE | at))[0] == -9
    assert not data.exists()
    await parley.run("backup", "create", str(data), env=PASSPHRASE)
    await parley.stop()
    status, printed = await parley.command("backup", "restore", str(data), env=PASSPHRASE)
    assert (status, "has members" in printed) == (2, True), printed
    await wait_until_forgotten(parley, data)
    status, printed = await parley.command("backup", "restore", str(data), env=PASSPHRASE)
    assert (status, "holds records" in printed) == (2, True)
    status, printed = await parley.command("backup", "restore", str(data), "--replace", "--yes", env=PASSPHRASE)
    assert (status, "the state store is not empty" in printed) == (2, True)

    restored = parley.build_twin(tmp_path / "restored")
    at = {"PARLEY_CRASH_AT": "restore.extracted"}
    assert (await restored.command("backup", "restore", str(data), env=PASSPHRASE | at))[0] == -9
    await restored.run("backup", "restore", str(data), env=PASSPHRASE)
    await restored.start()
    before = len(await list_lines(restored, person))
    await check_goes_on(person.contact, restored.base)
    assert before == 2
    await restored.stop()
    await wait_until_forgotten(restored, data)
    config = load(restored.config)
    async with redis.asyncio.Redis.from_url(config.state) as client:
        async for key in client.scan_iter(match=f"{config.topic_prefix}*", count=1000):
            await client.delete(key)
    await restored.run("backup", "restore", str(data), "--replace", "--yes", env=PASSPHRASE)
    await restored.start()
    assert len(await list_lines(restored, person)) == 2, "what was said since is gone"
    await restored.stop()


async def wait_until_forgotten(parley: Installation, data: Path) -> None:
    """Wait until Kafka has forgotten the processes that were stopped."""

    async def look() -> bool:
        _, printed = await parley.command("backup", "restore", str(data), env=PASSPHRASE)
        return "has members" not in printed

    await wait_for(look, deadline=90)


async def list_lines(parley: Installation, person: Person) -> list[str]:
    about = await parley.admin("GET", f"conversations/{person.contact.conversation}")
    return [line["text"] for line in about["transcript"]]
