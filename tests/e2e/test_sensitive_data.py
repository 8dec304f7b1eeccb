"""Sensitive content is never stored: cards anywhere, message text in logs, secrets wherever somebody looks."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from gateway.config.loader import load
from schemas import topics
from schemas.envelope import Envelope
from tests.e2e.conftest import ENGINES
from tests.e2e.stored_data import read_stored_data, secrets
from tests.harness.contract_client import ContractClient, Visitor, wait_for
from tests.harness.installation import ADMIN_TOKEN, Installation, config_of
from tests.harness.processes import ForkServer
from tests.simulators.meta import Instagram
from tests.simulators.slack.server import SlackVendor
from tests.simulators.vendor import File

CARDS = {
    "posted": "4111 1111 1111 1111",
    "framed": "٥٥٥٥-٥٥٥٥-٥٥٥٥-٤٤٤٤",
    "named": "378282246310005",
    "remarked": "6011.1111.1111.1117",
    "person": "3566 0020 2036 0505",
    "slack": "5105 1051 0510 5100",
    "edited": "4012888888881881",
    "profile": "6011000990139424",
    "captioned": "3 0 5 6 9 3 0 9 0 2 5 9 0 4",
    "ordered": "5200828282828210",
    "listed": "2223/0031/2200/3222",
    "uploaded": "5555,3412,4444,1115",
    "sent": "4000056655665556",
    "long": "6205 5000 0000 0000 004",
}
CODE = "cvv 7319"
WORD = "quokka"
DOCUMENT = f"# Gifts\n\n## Wrapping\n\nA gift is wrapped in paper with a {WORD} on it for 2.50 euro.\n"
AT = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
QUESTION = f"Is a gift wrapped in {WORD} paper?"


@dataclass
class Shop:
    parley: Installation
    outside: ContractClient
    slack: SlackVendor
    instagram: Instagram

    async def texts(self, conversation: str, *, kind: str, least: int) -> list[str]:
        """What these said, once there is so much."""

        async def look() -> list[str] | None:
            about = await self.parley.admin("GET", f"conversations/{conversation}", ok=False)
            found = [line["text"] for line in about.get("transcript", []) if line["author"]["kind"] == kind]
            return found if len(found) >= least else None

        return await wait_for(look, deadline=60)

    async def conversations(self, channel: str, *, least: int) -> list[dict[str, Any]]:
        """All, once there are so many and each contact has a name."""

        async def look() -> list[dict[str, Any]] | None:
            found = (await self.parley.admin("GET", f"conversations?channel={channel}"))["items"]
            return found if len(found) >= least and all(item["contact_name"] for item in found) else None

        return await wait_for(look, deadline=60)


@pytest.fixture(params=ENGINES, scope="module")
async def shop(
    request: pytest.FixtureRequest, fork_server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    folder, prefix, servers = tmp_path_factory.mktemp("kept"), f"t-{uuid.uuid4().hex[:8]}.", {}
    if request.param == "scaled":
        servers = {"kafka": request.getfixturevalue("kafka_bootstrap"), "redis": request.getfixturevalue("redis_url")}
    slack, instagram = SlackVendor(pace=0.0002), Instagram()
    tenants = config_of(folder)["tenants"]
    tenants["bookshop"]["channels"]["web"]["main"]["identity_secret"] = "the-secret-of-the-bookshop-7d1c-4e9a"
    async with AsyncExitStack() as stack:
        for vendor in (slack, instagram):
            await stack.enter_async_context(vendor.serving())
            tenants["plantstore"]["channels"][vendor.name] = {"main": vendor.settings()}
        parley = Installation.make(fork_server, folder, prefix=prefix, tenants=tenants, **servers)
        await parley.prepare()
        await parley.start(flags=["--log-level", "debug"])
        if parley.scaled:
            await parley.put_documents()
        await parley.admin("PUT", f"knowledge/{WORD}", json={"title": f"Gifts and {WORD}s", "body": DOCUMENT})
        for vendor in (slack, instagram):
            vendor.call(f"{parley.base}/v1/webhooks/{vendor.name}/plantstore/main")
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)))
        yield Shop(parley, ContractClient(parley, http), slack, instagram)
        await parley.stop()


PICTURE = b"\x89PNG\r\n\x1a\n" + b"\x00" * 16


async def upload(visitor: Visitor, name: str, data: bytes = PICTURE) -> str:
    form = aiohttp.FormData()
    form.add_field("file", data, filename=name, content_type="application/octet-stream")
    answer = await visitor.call("POST", "attachments", data=form)
    assert answer.status == 201, answer
    return str(answer.body["attachment_id"])


@pytest.mark.timeout(300)
async def test_no_store_and_no_log_holds_a_card_that_somebody_wrote(shop: Shop) -> None:
    visitor = await shop.outside.visitor()
    file = await upload(visitor, f"card {CARDS['named']}.png")
    text = f"{QUESTION} My card is {CARDS['posted']}, {CODE}"
    posted = [await visitor.post(client_msg_id="one", text=text, attachments=[file]) for _ in range(2)]
    assert [answer.status for answer in posted] == [202, 202], "the same words are the same message"
    assert posted[0].body == posted[1].body
    assert (await visitor.post(client_msg_id="one", text=text + "!", attachments=[file])).code == "id_reused"
    async with visitor.tab(last_seq=0) as tab:
        await tab.send(type="message", client_msg_id="two", text=f"{QUESTION} {CARDS['framed']}")
        reply = await tab.reply()
        await tab.send(type="feedback", message_id=reply["id"], value="down", comment=f"not {CARDS['remarked']}")
        await shop.texts(visitor.conversation, kind="agent", least=1)
    table = await upload(visitor, "cards.csv", f"Ann,{CARDS['uploaded']}\nBo,12\n".encode())
    listed = f"{QUESTION} {CARDS['listed']} or order {CARDS['ordered']}"
    assert (await visitor.post(client_msg_id="three", text=listed, attachments=[table])).status == 202
    said = {"client_msg_id": "p", "text": f"Use {CARDS['person']}?"}
    await shop.parley.admin("POST", f"conversations/{visitor.conversation}/messages", json=said)

    shop.slack.people.say(f"Ann {CARDS['profile']}", f"{QUESTION} or {CARDS['slack']}")
    message = await shop.slack.say("Bo", QUESTION)
    await shop.slack.edit("Bo", message, f"{QUESTION} Or {CARDS['edited']}")
    await shop.instagram.say("cleo", CARDS["captioned"], files=[File("a.png", "image/png", b"\x89PNG\r\n\x1a\n")])
    note = File("note.txt", "text/plain", f"my card: {CARDS['sent']}".encode())
    await shop.slack.say("Cy", f"{QUESTION} {'and so on ' * 1_600} {CARDS['long']}", files=[note])
    await shop.slack.settled()
    await shop.instagram.settled()

    seen = await shop.texts(visitor.conversation, kind="contact", least=3)
    assert seen == [
        f"{QUESTION} My card is [card ····1111], cvv [cvv]",
        f"{QUESTION} [card ····4444]",
        f"{QUESTION} [card ····3222] or order [card ····8210]",
    ]
    assert await shop.texts(visitor.conversation, kind="person", least=1) == ["Use [card ····0505]?"]
    names = {item["contact_name"]: item["id"] for item in await shop.conversations("slack", least=3)}
    assert (await shop.texts(names["Ann [card ····9424]"], kind="contact", least=1))[0].endswith("[card ····5100]")
    (instagram,) = await shop.conversations("instagram", least=1)
    assert (await shop.texts(instagram["id"], kind="contact", least=2))[-1] == "[card ····5904]"
    for name in names.values():
        await shop.texts(name, kind="agent", least=1)

    files = (await shop.parley.admin("GET", f"conversations/{names['Cy']}"))["transcript"][0]["attachments"]
    assert [file["name"] for file in files] == ["message.txt", "note.txt"]

    forms = [*CARDS.values(), CODE, *("".join(filter(str.isdigit, card)) for card in CARDS.values())]
    places = 0
    async for where, what in read_stored_data(shop.parley):
        places += 1
        assert [form for form in forms if form.encode() in what] == [], where
    assert places > (50 if shop.parley.scaled else 3)


@pytest.mark.timeout(300)
async def test_no_log_line_holds_what_somebody_wrote(shop: Shop) -> None:
    """In messages, documents, names, names of files and remarks; nor of records that broke."""
    visitor = await shop.outside.visitor()
    file = await upload(visitor, f"{WORD}-picture.png")
    await visitor.post(client_msg_id=f"{WORD}-1", text=QUESTION, attachments=[file])
    async with visitor.tab(last_seq=0) as tab:
        reply = await tab.reply()
        assert WORD in reply["text"]
        await tab.send(type="feedback", message_id=reply["id"], value="up", comment=f"{WORD}!")
        await tab.send(type=WORD, text=WORD)
        await tab.send(type="message", client_msg_id=f"{WORD}-1", text=f"other {WORD}")
        await tab.frame("error")
    await visitor.post(client_msg_id="x", text={"a": WORD})
    await shop.outside.call("GET", f"/v1/chat/{WORD}/messages?after={WORD}")
    await shop.outside.admin("PUT", f"knowledge/{WORD}-2", json={"title": WORD, "body": WORD, WORD: WORD})
    shop.slack.people.say(f"{WORD} Jones", QUESTION)
    await shop.slack.settled()
    await shop.conversations("slack", least=1)
    await wait_for(lambda: one_turn_told(shop, visitor))
    told = logs(shop)
    poison = build_broken_records(visitor.conversation)
    await shop.parley.append(topics.inbound("web"), poison)
    await wait_for(lambda: letters(shop, len(poison)), deadline=60)
    assert [line for log in [*told, *logs(shop)] for line in log.splitlines() if WORD in line.lower()] == []


async def one_turn_told(shop: Shop, visitor: Visitor) -> bool:
    lines = [line for log in logs(shop) for line in log.splitlines()]
    return any("turn_done" in line and visitor.conversation in line for line in lines)


def logs(shop: Shop) -> list[str]:
    return [log.read_text() for log in shop.parley.folder.glob("*.log")]


def build_broken_records(conversation: str) -> list[Envelope]:
    """Records that nobody can read, each in its own way."""
    about: dict[str, Any] = {"source": "/test", "tenant": "plantstore", "channel": "web", "account": "main"}
    values = (f'{{"text": "{WORD}", "sent_at": "{WORD}"}}'.encode(), f"{WORD} {{".encode(), b"\xff" + WORD.encode())
    return [
        Envelope(f"poison-{n}", topics.MESSAGE_RECEIVED, data=value, time=AT, conversation=conversation, **about)
        for n, value in enumerate(values)
    ]


async def letters(shop: Shop, least: int) -> list[Any] | None:
    items: list[Any] = (await shop.parley.admin("GET", "deadletters"))["items"]
    assert WORD not in str(items)
    return items if len(items) >= least else None


@pytest.mark.timeout(300)
async def test_no_secret_is_shown_wherever_somebody_looks(shop: Shop) -> None:
    config = load(shop.parley.config)
    kept = {secret for secret in secrets(config) if len(secret) >= 6}
    assert {ADMIN_TOKEN, "the-secret-of-the-bookshop-7d1c-4e9a"} < kept
    shown = [await shop.outside.metrics()]
    pages = [(tenant, path) for tenant in config.tenants for path in ("conversations", "knowledge", "deadletters")]
    shown += [str((await shop.outside.admin("GET", path, tenant=tenant)).body) for tenant, path in pages]
    for command in (["config", "show"], ["config", "check"], ["doctor"], ["doctor", "--json"]):
        _, output = await shop.parley.command(*command)
        assert len(output) > 20
        shown.append(output)
    # What `parley dev` tells the person who started it is no log line, and the token is part of it.
    shown += [line for log in logs(shop) for line in log.splitlines() if line[:1] == "{"]
    shown.append(repr(config))
    shown += [repr(account) for tenant in config.tenants.values() for account in tenant.channels.accounts().values()]
    assert [secret for secret in kept for text in shown if secret in text] == []
