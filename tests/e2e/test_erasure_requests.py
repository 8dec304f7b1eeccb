"""Contacts have their own data erased by writing so: nothing happens without their yes, and no kill loses it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from agent_worker.voice import DEFAULT_VOICE, translate_voice
from gateway.contacts.erasure_requests import NAME
from schemas.privacy.contact_keys import ContactKey
from tests.e2e.test_erasure import Person, find_contacts
from tests.harness.chat_client import Contact
from tests.harness.contract_client import wait_for
from tests.harness.installation import QUICK_ERASURE, Installation
from tests.harness.processes import ForkServer

GERMAN = translate_voice(DEFAULT_VOICE, "de")
KILLS = ("worker.after_intent", "worker.after_commit")


async def ask(person: Person, text: str) -> dict[str, Any]:
    said = await person.contact.say(text)
    return await person.contact.answered(said.message_id)


async def is_gone(parley: Installation, person: Person) -> bool:
    found = await parley.admin("GET", f"contacts/{person.id}", ok=False)
    return bool(found.get("error", {}).get("code") == "not_found")


async def wait_until_gone(parley: Installation, person: Person) -> None:
    async def look() -> bool:
        return await is_gone(parley, person)

    await wait_for(look, deadline=120)


async def find_erasures(parley: Installation) -> list[dict[str, Any]]:
    """The records of the audit trail."""
    return list((await parley.admin("GET", "audit?action=contact.erase"))["items"])


async def test_a_contact_who_asks_and_confirms_is_erased_after_a_last_message(
    parley: Installation, http: aiohttp.ClientSession
) -> None:
    gone, kept = (Person(Contact(parley.base, http, name)) for name in ("gone", "kept"))
    for person in (gone, kept):
        await person.speak()
    await find_contacts(parley, [gone, kept])
    asked = await ask(gone, "Bitte löschen Sie alle meine Daten")
    assert asked["text"] == f"{GERMAN.erasure_explained}\n\n**{GERMAN.erasure_title}**\n\n{GERMAN.confirm}"
    assert [choice["label"] for choice in asked["choices"]] == [GERMAN.confirm_yes, GERMAN.confirm_no]
    refused = await ask(kept, "Please delete all my data")
    assert refused["text"].startswith(DEFAULT_VOICE.erasure_explained)
    assert (await ask(kept, "no"))["text"] == DEFAULT_VOICE.action_declined
    assert await find_erasures(parley) == [], "nothing begins without a yes"
    assert (await ask(gone, "ja"))["text"] == GERMAN.erasure_begun
    await wait_until_gone(parley, gone)
    (record,) = await find_erasures(parley)
    assert (record["actor"], record["surface"], record["subject"]) == (
        f"contact:{gone.id}",
        "web",
        f"contact:{gone.id}",
    )

    async def is_lost() -> bool:
        found = await parley.admin("GET", f"conversations/{gone.contact.conversation}", ok=False)
        return "error" in found and found["error"]["code"] == "not_found"

    await wait_for(is_lost, deadline=120)  # it goes after the key, without which the contact is not found any more
    about = await parley.admin("GET", f"conversations/{kept.contact.conversation}")
    assert any(kept.canary in line["text"] for line in about["transcript"])


@pytest.fixture
async def alone(embedded_alone: Installation) -> AsyncIterator[Installation]:
    """Outcomes in doubt are looked up at once."""
    settings: dict[str, Any] = yaml.safe_load(embedded_alone.config.read_text())
    settings["tenants"]["plantstore"]["actions"] = {"settle_seconds": 0}
    embedded_alone.config.write_text(yaml.safe_dump(settings))
    await embedded_alone.prepare()
    yield embedded_alone
    await embedded_alone.stop()


@pytest.mark.slow
@pytest.mark.parametrize("point", KILLS)
async def test_a_kill_after_the_yes_does_not_lose_the_request(
    alone: Installation, http: aiohttp.ClientSession, point: str
) -> None:
    await alone.start()
    person = Person(Contact(alone.base, http, "gone"))
    await person.speak()
    await find_contacts(alone, [person])
    asked = await ask(person, "Delete all my data, please")
    await alone.roles["dev"].stop()
    await alone.start(env={"PARLEY_CRASH_AT": point})
    # The process may be gone before it has said that it took the yes: whoever was not answered says it again.
    agreed = asyncio.create_task(person.contact.say("yes"))
    assert await asyncio.wait_for(asyncio.shield(alone.roles["dev"].exited), 90) == -9, f"{point} was not reached"
    assert holds_key(alone, person), "nothing is erased before the last message"
    await alone.start()
    said = await agreed
    first = await person.contact.answered(said.message_id)
    texts = [first["text"], *[line["text"] for line in await person.contact.transcript(first["seq"])]]
    while DEFAULT_VOICE.erasure_begun not in texts:
        texts += [line["text"] for line in await person.contact.transcript(first["seq"], wait=20)]
    assert texts.count(asked["text"]) == 0, "nobody is asked again"
    await wait_until_gone(alone, person)
    assert len(await find_erasures(alone)) >= 1


def holds_key(parley: Installation, person: Person) -> bool:
    """Return whether what the contact said can still be read, while no process runs."""
    with closing(sqlite3.connect(parley.folder / "data" / "parley.db")) as connection:
        query = "SELECT body FROM state_contact_keys WHERE contact = ?"
        ((body,),) = connection.execute(query, (person.id,)).fetchall()
    return ContactKey.model_validate_json(body).stage == "kept"


@pytest.fixture
async def approving(fork_server: ForkServer, tmp_path: Path) -> AsyncIterator[Installation]:
    made = Installation.make(fork_server, tmp_path)
    made.env.update(QUICK_ERASURE)
    settings: dict[str, Any] = yaml.safe_load(made.config.read_text())
    settings["tenants"]["plantstore"]["privacy"] = {"erasure_approval": True}
    made.config.write_text(yaml.safe_dump(settings))
    await made.prepare()
    await made.start()
    yield made
    await made.stop()


@pytest.mark.slow
async def test_where_a_colleague_has_to_approve_nothing_is_erased_before(
    approving: Installation, http: aiohttp.ClientSession
) -> None:
    person, other = (Person(Contact(approving.base, http, name)) for name in ("gone", "denied"))
    for each in (person, other):
        await each.speak()
    await find_contacts(approving, [person, other])
    for each, decision in ((other, "deny"), (person, "approve")):
        await ask(each, "Please delete all my data")
        asked = await ask(each, "yes")
        assert asked["text"] == DEFAULT_VOICE.approval_asked
        where = f"conversations/{each.contact.conversation}"
        (waiting,) = (await approving.admin("GET", f"{where}/approvals"))["items"]
        assert (waiting["action"], waiting["arguments"]) == (NAME, {})
        assert not await is_gone(approving, each)
        told = DEFAULT_VOICE.erasure_begun if decision == "approve" else DEFAULT_VOICE.approval_denied
        # Who looks only afterwards may find that all is gone.
        hearing = asyncio.create_task(hear(each, asked["seq"], told))
        await approving.admin("POST", f"{where}/approvals/{waiting['id']}", json={"decision": decision, "by": "Rosa"})
        await asyncio.wait_for(hearing, 60)
    await wait_until_gone(approving, person)
    assert not await is_gone(approving, other)
    assert [record["subject"] for record in await find_erasures(approving)] == [f"contact:{person.id}"]


async def hear(person: Person, seq: int, text: str) -> None:
    """Wait for a line of this text behind the number."""
    while True:
        for line in await person.contact.transcript(seq, wait=20):
            if line["text"] == text:
                return
            seq = line["seq"]
