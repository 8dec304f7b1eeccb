"""Stopping and starting again, as an operator does it: nobody is left hanging, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from pathlib import Path

import aiohttp
import pytest

from infra.deploy.local_redis import LocalRedis
from tests.harness.chat_client import Contact
from tests.harness.contract_client import ContractClient
from tests.harness.installation import QUESTIONS, Installation
from tests.harness.processes import ForkServer


async def stop_and_measure(installation: Installation, number: int = signal.SIGTERM) -> float:
    """Ask every process to stop, all at once; how many seconds the slowest took. Each must end with status 0."""
    began = time.monotonic()
    running = [process for process in installation.roles.values() if process.alive]
    statuses = await asyncio.gather(*(process.stop(number) for process in running))
    assert set(statuses) == {0}, {process.name: process.tail(10) for process in running}
    return time.monotonic() - began


async def test_a_stop_closes_sockets_at_once_and_ends_long_polls(own_shop: ContractClient) -> None:
    people = [await own_shop.visitor() for _ in range(5)]
    async with contextlib.AsyncExitStack() as tabs:
        opened = [await tabs.enter_async_context(person.tab()) for person in people]
        silent = await tabs.enter_async_context(people[0].tab(hello=False))
        polls = [asyncio.create_task(person.call("GET", "messages?after=0&wait=25")) for person in people]
        await people[0].read(wait=0.2)  # by now the polls wait too
        began = time.monotonic()
        stopping = asyncio.create_task(stop_and_measure(own_shop.installation))
        for tab in (*opened, silent):
            assert await tab.closed() == 1012
        assert time.monotonic() - began < 20, "before their polls end"
        for poll in polls:
            answer = await poll
            assert answer.status in (200, 503)
        assert time.monotonic() - began < 24
        await stopping


EMBEDDED = pytest.mark.parametrize("parley", ["embedded"], indirect=True)


@EMBEDDED
async def test_messages_accepted_before_a_stop_are_answered_after_the_start(parley: Installation) -> None:
    """Three times: send, stop while the answers are being made, start; then hold everything against the journals."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        contacts = [Contact(parley.base, http, f"c{n}") for n in range(6)]
        for contact in contacts:
            await contact.open()
        for round_ in range(3):
            await asyncio.gather(*(one.say(f"{QUESTIONS[round_]} ({round_})") for one in contacts))
            assert await stop_and_measure(parley) < 10
            await parley.start()
        found = await parley.findings(contacts)
        assert found.faults == []
        assert found.messages == 18
        again = await http.post(f"{contacts[0].chat}/sessions", json={"visitor_token": contacts[0].token})
        assert again.status == 200, "visitor tokens outlive a restart"
        assert (await again.json())["conversation_id"] == contacts[0].conversation


@EMBEDDED
async def test_a_socket_reconnects_after_the_restart_and_gets_what_it_missed(parley: Installation) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        shop = ContractClient(parley, http)
        visitor = await shop.visitor()
        async with visitor.tab() as tab:
            await tab.send(type="message", client_msg_id="a", text=QUESTIONS[0])
            ack = await tab.frame("ack")
            await stop_and_measure(parley)
        await parley.start()
        async with visitor.tab(last_seq=ack["seq"]) as tab:
            assert (await tab.reply())["in_reply_to"] == ack["message_id"]
            await tab.send(type="message", client_msg_id="a", text=QUESTIONS[0])
            assert (await tab.frame("ack"))["message_id"] == ack["message_id"], "a repeat over a restart is a repeat"


async def test_a_stop_during_traffic_refuses_clearly_and_loses_nothing(parley: Installation) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        contacts = [Contact(parley.base, http, f"t{n}") for n in range(4)]
        for contact in contacts:
            await contact.open()
        done = asyncio.Event()

        async def talk(contact: Contact) -> None:
            while not done.is_set() or len(contact.sent) < 3:
                await contact.say(QUESTIONS[len(contact.sent) % 3])

        talking = [asyncio.create_task(talk(contact)) for contact in contacts]
        await contacts[0].answered((await contacts[0].say("hello", "first")).message_id)
        assert await stop_and_measure(parley) < 10
        await parley.start()
        before = len(contacts[1].sent)
        async with asyncio.timeout(60):
            while len(contacts[1].sent) < before + 3:
                await contacts[1].transcript()
        done.set()
        await asyncio.gather(*talking)
        found = await parley.findings(contacts)
        assert found.faults == []
        assert set().union(*(contact.refusals for contact in contacts)) <= {429, 503}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_after_a_stop_the_port_and_the_file_are_free_again(
    embedded_alone: Installation, http: aiohttp.ClientSession, number: int
) -> None:
    for _ in range(2):
        await embedded_alone.start()
        async with http.get(f"{embedded_alone.base}/readyz") as answer:
            assert answer.status == 200
        assert await stop_and_measure(embedded_alone, number) < 10


@pytest.mark.scaled
async def _status(http: aiohttp.ClientSession, url: str) -> int:
    async with http.get(url) as answer:
        return answer.status


async def test_while_a_server_is_gone_it_is_503_with_retry_after_and_then_it_heals(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, stoppable_redis: LocalRedis, topic_prefix: str
) -> None:
    """Redis is killed and comes back: refused in the words of the contract, then served again without a restart."""
    made = Installation.make(
        fork_server, tmp_path, kafka=kafka_bootstrap, redis=stoppable_redis.url, prefix=topic_prefix
    )
    await made.prepare()
    await made.start()
    await made.put_documents()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http:
        shop = ContractClient(made, http)
        visitor = await shop.visitor()
        await visitor.ask(QUESTIONS[0])
        stoppable_redis.kill()
        refused = await visitor.post(client_msg_id="meanwhile", text=QUESTIONS[1])
        assert refused.code == "unavailable"
        # A good answer is shared among probes for two seconds.
        async with asyncio.timeout(20):
            while True:
                if await _status(http, f"{shop.base}/readyz") == 503:
                    break
                await asyncio.sleep(0.05)
        assert await _status(http, f"{shop.base}/healthz") == 200
        assert (await shop.admin("GET", "conversations")).code == "unavailable"
        stoppable_redis.start()
        contact = Contact(shop.base, http, "heals", token=visitor.token, conversation=visitor.conversation)
        said = await contact.say(QUESTIONS[2], "healed")
        assert "rain water" in (await contact.answered(said.message_id))["text"]
    await made.stop()
