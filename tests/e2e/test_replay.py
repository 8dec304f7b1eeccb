"""`parley replay` answers recorded conversations again, on both engines, and leaves no trace."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from gateway.config.loader import load
from gateway.wiring.engines import open_engine
from infra.deploy.process import free_port
from schemas.topics import AUDIT, KNOWLEDGE, STATE
from tests.harness.contract_client import ContractClient, wait_for
from tests.harness.installation import DOCUMENTS, QUESTIONS
from tests.harness.sizes import size

HEAT, RETURN, WATER = QUESTIONS
PERSON = "I want to speak to a human"
KILLS = size(16, full=50)
PROBE = "parley/probe"
"""The source of the records by which a process sees whether it can write to Kafka, now and then."""


async def replay(shop: ContractClient, *flags: str) -> list[dict[str, Any]]:
    options = ("--tenant", "plantstore", "--url", shop.base, "--json")
    output = await shop.installation.run("replay", *options, *flags)
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


async def hold_conversations(shop: ContractClient) -> list[str]:
    """Three conversations: two that the agent answers, and one that ends with people."""
    conversations = []
    for texts in ((HEAT, "Thanks!"), (RETURN, WATER), (HEAT, PERSON)):
        visitor = await shop.visitor()
        async with visitor.tab(last_seq=0) as tab:
            for n, text in enumerate(texts):
                await tab.send(type="message", client_msg_id=str(n), text=text)
                await tab.reply("system" if text == PERSON else "agent")
        conversations.append(visitor.conversation)
    return conversations


async def recorded_turns(shop: ContractClient, conversations: list[str]) -> list[dict[str, Any]]:
    async def all_there() -> list[dict[str, Any]] | None:
        found = [(await shop.admin("GET", f"conversations/{id}")).body["turns"] for id in conversations]
        return [turn for turns in found for turn in turns] if all(len(turns) == 2 for turns in found) else None

    return list(await wait_for(all_there))


def write_candidate(folder: Path, **content: Any) -> str:
    path = folder / "candidate.yaml"
    path.write_text(json.dumps(content))
    return str(path)


async def test_recorded_conversations_get_the_same_answers_again(own_shop: ContractClient, tmp_path: Path) -> None:
    conversations = await hold_conversations(own_shop)
    turns = await recorded_turns(own_shop, conversations)

    rows = await replay(own_shop, "--since", "1d")
    assert {row["turn"] for row in rows} == {turn["id"] for turn in turns}
    assert [row for row in rows if not row["same"] or row["diverged"] or row["before"] != row["after"]] == []
    said = {turn["id"]: turn["replies"][0] for turn in turns}
    for row in rows:
        assert row["after"] == said[row["turn"]]["text"]
        assert row["citations"]["after"] == said[row["turn"]]["citations"]

    table = (await own_shop.installation.run("replay", "--tenant", "plantstore", "--url", own_shop.base)).splitlines()
    assert Counter(line.split()[2] for line in table if line.split()[0] in said) == {"same": len(turns)}

    (first, *_) = conversations
    assert {row["conversation"] for row in await replay(own_shop, "--conversation", first)} == {first}
    assert await recorded_turns(own_shop, conversations) == turns


async def test_another_folder_of_documents_changes_the_answers_that_cite_it(
    own_shop: ContractClient, tmp_path: Path
) -> None:
    conversations = await hold_conversations(own_shop)
    await recorded_turns(own_shop, conversations)
    folder = tmp_path / "other"
    folder.mkdir()
    for name, text in DOCUMENTS.items():
        (folder / f"{name}.md").write_text(text.replace("4.50 euro", "6.90 euro"))
    page = tmp_path / "replay.html"
    candidate = write_candidate(tmp_path, knowledge="other")
    rows = await replay(own_shop, "--candidate", candidate, "--html", str(page))
    changed = [row for row in rows if not row["same"]]
    assert {row["turn"] for row in changed} == {row["turn"] for row in rows if "heat pack" in row["before"]}
    assert len(changed) == 2
    assert all("4.50 euro" in row["before"] and "6.90 euro" in row["after"] for row in changed)
    assert "<mark>6.90</mark>" in page.read_text()
    # Nothing of it is published.
    assert [row for row in await replay(own_shop) if not row["same"]] == []


async def test_another_voice_is_tried(own_shop: ContractClient, tmp_path: Path) -> None:
    conversations = await hold_conversations(own_shop)
    await recorded_turns(own_shop, conversations)
    candidate = write_candidate(tmp_path, voice={"handoff": "Somebody of flesh and blood comes."})
    changed = [row for row in await replay(own_shop, "--candidate", candidate) if not row["same"]]
    assert [row["after"].splitlines()[0] for row in changed] == ["Somebody of flesh and blood comes."]


async def test_a_period_without_turns_and_a_candidate_that_is_wrong_are_refused(
    own_shop: ContractClient, tmp_path: Path
) -> None:
    options = ("replay", "--tenant", "plantstore", "--url", own_shop.base, "--json")
    status, output = await own_shop.installation.command(*options, "--since", "1d")
    assert (status, json.loads(output.splitlines()[-1])["error"]["code"]) == (2, "not_found")
    for content, word in (
        ({"modl": "local"}, "modl"),
        ({"voice": {"nme": "x"}}, "nme"),
        ({"knowledge": "gone"}, "gone"),
    ):
        candidate = write_candidate(tmp_path, **content)
        status, output = await own_shop.installation.command(*options, "--candidate", candidate)
        error = json.loads(output.splitlines()[-1])["error"]
        assert (status, error["code"]) == (2, "config_invalid")
        assert word in error["message"]


async def take_inventory(shop: ContractClient) -> dict[str, Any]:
    """What is on the log, by kind or key, and what the state store has unpublished or in doubt. The audit
    trail is left out: it tells of starts, and of who has read the recordings."""
    installation = shop.installation
    config, later = load(installation.config), datetime.now(UTC) + timedelta(days=1)
    if not installation.scaled:
        await installation.stop()
    async with open_engine(config, config.data_path) as engine:
        kinds, newest = Counter[tuple[str, str]](), dict[tuple[str, str], str]()
        for topic in (await engine.bus.describe_topics()).keys() - {AUDIT}:
            async for record in await engine.bus.read(topic):
                if record.headers.get("ce_source") == PROBE:
                    continue
                if topic in (STATE, KNOWLEDGE):
                    newest[topic, record.key] = record.headers["ce_id"]  # older ones disappear at any time
                else:
                    kinds[topic, record.headers.get("ce_type", "")] += 1
        unpublished = await engine.state.conversations.list_unpublished(before=later, limit=1_000)
        unresolved = await engine.state.journal.unresolved(before=later, limit=1_000)
    if not installation.scaled:
        await installation.start()
    return {"kinds": kinds, "newest": newest, "unpublished": list(unpublished), "unresolved": list(unresolved)}


async def test_a_replay_leaves_no_trace_whenever_it_is_killed(own_shop: ContractClient, tmp_path: Path) -> None:
    """No record joins the log, nothing waits in the outbox, and no action is begun."""
    conversations = await hold_conversations(own_shop)
    turns, rng = await recorded_turns(own_shop, conversations), Random(65)

    async def settled() -> dict[str, Any] | None:
        # Receipts of the last replies may still come.
        first = await take_inventory(own_shop)
        return first if await take_inventory(own_shop) == first else None

    before = await wait_for(settled, deadline=90)
    candidate = write_candidate(tmp_path, voice={"handoff": "Somebody comes."})
    installation, clock = own_shop.installation, asyncio.get_running_loop().time
    arguments = ["replay", "--tenant", "plantstore", "--url", own_shop.base, "--candidate", candidate, "--json"]
    arguments += ["--config", str(installation.config)]
    statuses, longest = Counter[int](), 0.0
    for number in range(KILLS + 1):
        began = clock()
        process = await installation.fork_server.spawn(
            "replay", arguments, port=free_port(), log=tmp_path / f"kill-{number}.log", env={}
        )
        # The first one is not killed, and shows how long a replay takes.
        limit = rng.uniform(0, longest) if number else None
        await asyncio.wait([asyncio.ensure_future(process.exited)], timeout=limit)
        statuses[await process.kill() if process.alive else await process.exited] += 1
        longest = longest or clock() - began
    assert statuses.keys() == {0, -9}
    assert statuses[-9] > KILLS // 4
    assert await take_inventory(own_shop) == before
    assert await recorded_turns(own_shop, conversations) == turns
