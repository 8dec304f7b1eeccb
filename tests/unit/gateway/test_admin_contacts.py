"""Contacts over the admin API, and the commands that use it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.commands import contacts as commands
from schemas import ids
from schemas.conversation import Contact, Origin
from schemas.errors import Unavailable
from schemas.messages import Address
from schemas.ports import ContactUpdate
from tests.unit.gateway.conftest import TEXT, Instance
from tests.unit.gateway.test_access_tokens import create_token
from tests.unit.gateway.test_cli import CommandResult, process


async def meet(instance: Instance, name: str, *values: str, channel: str = "web") -> Contact:
    """A contact with a conversation at its first address."""
    state, now = instance.services.state, instance.clock()
    addresses = [Address(channel=channel, value=value) for value in values]
    change = ContactUpdate(at=now, name=name)
    contact, id_ = await state.contacts.resolve("shop", channel, "main", values[0], addresses, now=now, change=change)
    origin = Origin(tenant="shop", channel=channel, account="main", place=values[0], contact_id=contact.id)
    await state.conversations.begin(id_, origin, [], now=now)
    return contact


async def find(instance: Instance, query: str = "") -> list[Any]:
    answer = await instance.admin("GET", f"/contacts?{query}")
    assert answer.status == 200, answer.body
    items: list[Any] = answer.body["items"]
    return items


async def test_contacts_are_found_with_their_addresses_and_last_activity(instance: Instance) -> None:
    ada = await meet(instance, "Ada Lovelace", "v-1")
    instance.clock.tick(60)
    await meet(instance, "Zoë", "491701", channel="whatsapp")
    (found,) = await find(instance, "q=love")
    assert found == {
        "id": ada.id,
        "name": "Ada Lovelace",
        "addresses": [{"channel": "web", "value": "v-1", "assurance": "anonymous"}],
        "last_at": "2026-05-04T09:30:00.000Z",
    }
    assert [item["name"] for item in await find(instance, "q=zoe")] == ["Zoë"]
    assert [item["name"] for item in await find(instance, "q=%2B49%20170")] == ["Zoë"]
    assert [item["name"] for item in await find(instance)] == ["Ada Lovelace", "Zoë"]
    assert [item["name"] for item in await find(instance, "channel=whatsapp")] == ["Zoë"]
    assert (await instance.call("GET", "/v1/admin/other/contacts?q=ada")).body == {"items": [], "next": ""}


async def test_pages_lead_to_the_next_one(instance: Instance) -> None:
    for number in range(5):
        await meet(instance, f"Ada {number}", f"v-{number}")
    pages: list[list[str]] = []
    after = ""
    while True:
        page = (await instance.admin("GET", f"/contacts?limit=2&after={after}")).body
        pages.append([item["name"] for item in page["items"]])
        after = page["next"]
        if not after:
            break
    assert [len(names) for names in pages] == [2, 2, 1]
    assert all(names == sorted(names) for names in pages), "where names are encrypted, only a page is in their order"
    assert sorted(name for names in pages for name in names) == [f"Ada {number}" for number in range(5)]


@pytest.mark.parametrize("query", ["channel=fax", "limit=0", "after=nonsense", f"q={'x' * 201}"])
async def test_a_search_that_cannot_be_is_refused(instance: Instance, query: str) -> None:
    answer = await instance.admin("GET", f"/contacts?{query}")
    assert (answer.status, answer.code) == (400, "invalid_request")


async def test_one_contact_is_shown_with_facts_and_conversations(instance: Instance) -> None:
    ada = await meet(instance, "Ada", "v-1")
    instance.clock.tick(60)
    other = await meet(instance, "Ada", "v-2")
    await meet(instance, "Ada", "v-1", "v-2")
    body = (await instance.admin("GET", f"/contacts/{other.id}")).body
    assert (body["id"], body["name"], body["facts"]["merged_ids"]) == (ada.id, "Ada", [other.id])
    assert [address["value"] for address in body["addresses"]] == ["v-1", "v-2"]
    expected = [ids.conversation_id("shop", "web", "main", place) for place in ("v-1", "v-2")]
    assert {item["id"] for item in body["conversations"]} == set(expected)
    assert body["facts"]["opted_out"] is False
    for path in ("/contacts/nobody", "/contacts/nobody/export"):
        assert (await instance.admin("GET", path)).code == "not_found"
    assert (await instance.call("GET", f"/v1/admin/other/contacts/{ada.id}")).code == "not_found"


async def test_reading_needs_the_scope_read_and_exporting_admin_and_both_are_recorded(instance: Instance) -> None:
    ada = await meet(instance, "Ada", "v-1")
    reader, admin = await create_token(instance, "read"), await create_token(instance, "admin")
    assert (await instance.admin("GET", "/contacts", token=reader)).status == 200
    assert (await instance.admin("GET", f"/contacts/{ada.id}", token=reader)).status == 200
    assert (await instance.admin("GET", f"/contacts/{ada.id}/export", token=reader)).status == 403
    answer = await instance.admin("GET", f"/contacts/{ada.id}/export", token=admin)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="contact-{ada.id}.jsonl"'
    assert answer.headers["Cache-Control"] == "no-store"
    records = (await instance.admin("GET", "/audit?action=contact")).body["items"]
    assert [(each["action"], each["subject"]) for each in records] == [
        ("contact.export", f"contact:{ada.id}"),
        ("contact.read", f"contact:{ada.id}"),
    ]


async def run(instance: Instance, *arguments: str, folder: Path) -> CommandResult:
    """`parley contact …` against the instance."""
    (folder / "parley.yaml").write_text(TEXT)
    more = ("--tenant", "shop", "--url", instance.address)
    return await asyncio.to_thread(process, "contact", *arguments, *more, cwd=folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the commands are called."""
    made = tmp_path / "terminal"
    made.mkdir()
    return made


async def test_the_commands_find_and_export_through_the_running_instance(instance: Instance, folder: Path) -> None:
    ada = await meet(instance, "Ada Lovelace", "v-1")
    await meet(instance, "Eve", "v-2")
    found = await run(instance, "find", "love", folder=folder)
    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.split() == [
        *("ID", "NAME", "ADDRESSES", "LAST", "ACTIVE"),
        *(ada.id, "Ada", "Lovelace", "web:v-1", "2026-05-04T09:30:00.000Z"),
    ]
    listed = await run(instance, "find", "--json", folder=folder)
    assert [item["name"] for item in json.loads(listed.stdout)] == ["Ada Lovelace", "Eve"]
    limited = await run(instance, "find", "--limit", "1", folder=folder)
    assert "Ada Lovelace" in limited.stdout
    assert "Eve" not in limited.stdout
    assert "more than 1" in limited.stderr
    written = await run(instance, "export", ada.id, "--out", "ada.jsonl", folder=folder)
    assert written.returncode == 0, written.stderr
    printed = await run(instance, "export", ada.id, folder=folder)
    for text in ((folder / "ada.jsonl").read_text(), printed.stdout):
        lines = [json.loads(line) for line in text.splitlines()]
        assert (lines[0]["data"]["name"], lines[-1]["kind"]) == ("Ada Lovelace", "end")


async def test_an_export_that_fails_leaves_no_file(
    instance: Instance, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = folder / "out"
    out.mkdir()
    missing = await run(instance, "export", "nobody", "--out", "out/a.jsonl", folder=folder)
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "error[not_found]: no such contact" in missing.stderr
    ada = await meet(instance, "Ada", "v-1")
    monkeypatch.setattr("gateway.contacts.export.AuditLog.read_all", break_off)
    broken = await run(instance, "export", ada.id, "--out", "out/a.jsonl", folder=folder)
    assert broken.returncode == 2
    assert "error[unavailable]" in broken.stderr
    assert list(out.iterdir()) == []


async def break_off(_log: object, tenant: str) -> AsyncIterator[bytes]:
    if tenant:
        raise Unavailable("the log is away")
    yield b""


def test_an_export_without_its_last_line_is_not_taken_for_whole() -> None:
    assert commands.read_count(b'{"kind":"contact"}\n{"kind":"end","source":"export","data":{"lines":2}}\n') == 2
    for end in (b"", b'{"kind":"contact","data":{"lines":2}}\n', b'{"kind":"end","data":{"lines"', b"7\n"):
        with pytest.raises(Unavailable):
            commands.read_count(end)
