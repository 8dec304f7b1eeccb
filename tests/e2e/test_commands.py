"""The commands of the contract, each as a process: what it prints, its exit status, and errors that name the fix."""

from __future__ import annotations

import json
import re
import resource
import socket as sockets
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.harness.contract_client import ContractClient, Visitor, wait_for
from tests.harness.installation import ADMIN_TOKEN, QUESTIONS, Installation, config_of
from tests.harness.processes import ROOT, ForkServer

COMMANDS = ("dev", "run", "chat", "doctor", "config", "knowledge", "deadletter", "turns", "state", "topics", "schema")


async def to(shop: ContractClient, *args: str) -> tuple[int, str]:
    """A command against the running shop."""
    return await shop.installation.command(*args, "--tenant", "plantstore", "--url", shop.base)


def parse_json_output(output: str) -> Any:
    """JSON as a program would read it: from the first brace on, notes before it come on stderr."""
    return json.loads(output[min(i for i in (output.find("{"), output.find("[")) if i >= 0) :])


def clean(output: str) -> None:
    assert "Traceback" not in output, output
    assert 'File "' not in output, output


def change(installation: Installation, **changes: Any) -> None:
    installation.config.write_text(yaml.safe_dump(config_of(installation.folder, **changes)))


# ── help ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def processor_seconds() -> float:
    """Seconds of processor time of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_lists_every_command_and_comes_within_300_ms() -> None:
    """Processor time, and the best of a few: the machine is shared, the promise is about what is imported."""
    times, listed = [], ""
    for _ in range(4):
        before = processor_seconds()
        done = subprocess.run([sys.executable, "-m", "gateway.cli", "--help"], cwd=ROOT, capture_output=True, text=True)
        times.append(processor_seconds() - before)
        assert done.returncode == 0
        listed = done.stdout
    assert {name for name in COMMANDS if re.search(rf"^\W*{name}\b", listed, re.MULTILINE)} == set(COMMANDS)
    assert min(times) < 0.3, times


@pytest.mark.parametrize("args", [["nothing"], ["knowledge", "nothing"], ["dev", "--nothing"], ["turns", "show"]])
async def test_an_unknown_name_exits_with_2_and_no_traceback(embedded_alone: Installation, args: list[str]) -> None:
    status, output = await embedded_alone.command(*args, config=False)
    assert status == 2
    clean(output)


# ── chat, knowledge, turns, dead letters: through the running instance ───────────────────────────────────────────────


async def test_chat_asks_one_question_and_prints_the_answer_with_its_sources(shop: ContractClient) -> None:
    status, output = await to(shop, "chat", "-m", QUESTIONS[0])
    assert status == 0, output
    assert "heat pack" in output
    assert "shipping" in output.lower()
    status, output = await to(shop, "chat", "-m", QUESTIONS[0], "--json")
    assert status == 0
    assert "heat pack" in json.dumps(parse_json_output(output))


async def test_knowledge_is_added_listed_asked_checked_and_removed(shop: ContractClient, tmp_path: Path) -> None:
    (tmp_path / "orchids.md").write_text("# Orchids\n\n## Potting\n\nRepot a Masdevallia every second spring.\n")
    (tmp_path / "fern.txt").write_text("Ferns\n\nA maidenhair fern drinks four litres a week.\n")
    (tmp_path / "page.html").write_text("<html><title>Moss</title><h1>Moss</h1><p>Moss costs seven euro.</p></html>")
    status, output = await to(shop, "knowledge", "add", str(tmp_path))
    assert status == 0, output
    status, output = await to(shop, "knowledge", "add", str(tmp_path), "--json")
    assert status == 0
    status, output = await to(shop, "knowledge", "list", "--json")
    assert {"orchids", "fern", "page"} <= set(re.findall(r'"document": ?"([^"]+)"', output)), output
    status, output = await to(shop, "knowledge", "ask", "When do I repot a Masdevallia?")
    assert status == 0
    assert "second spring" in output
    status, output = await to(shop, "knowledge", "remove", "orchids", "fern", "page")
    assert status == 0, output
    status, output = await to(shop, "knowledge", "list")
    assert "orchids" not in output
    status, output = await to(shop, "knowledge", "remove", "orchids")
    assert status != 0 or "orchids" in output
    clean(output)


@pytest.mark.parametrize("args", [["add", "no-such-file.md"], ["ask", ""], ["check", "no-such-file.yaml"]])
async def test_a_knowledge_command_that_cannot_be_done_says_why(shop: ContractClient, args: list[str]) -> None:
    status, output = await to(shop, "knowledge", *args)
    assert status in (1, 2), output
    assert output.strip()
    clean(output)


async def test_turns_are_shown_and_exported(visitor: Visitor) -> None:
    await visitor.ask(QUESTIONS[0])
    shop = visitor.outside

    async def shown() -> bool:
        status, output = await to(shop, "turns", "show", visitor.conversation, "--json")
        return status == 0 and "shipping" in output

    await wait_for(shown)
    status, output = await to(shop, "turns", "show", "no-such-conversation")
    assert status in (1, 2)
    clean(output)

    async def exported() -> str | None:
        status, output = await to(shop, "turns", "export", "--raw")
        assert status == 0
        return output if visitor.conversation in output else None

    lines = [json.loads(line) for line in (await wait_for(exported)).splitlines() if line.startswith("{")]
    assert all("handled" in json.dumps(line) for line in lines)


async def test_dead_letters_are_listed_and_an_unknown_one_is_an_error(shop: ContractClient) -> None:
    status, output = await to(shop, "deadletter", "list", "--json")
    assert status == 0, output
    for command in ("show", "replay"):
        status, output = await to(shop, "deadletter", command, "no-such-letter")
        assert status in (1, 2), output
        clean(output)


async def test_a_command_for_an_instance_that_is_not_there_names_the_fix(embedded_alone: Installation) -> None:
    status, output = await embedded_alone.command("chat", "-m", "hello", "--tenant", "plantstore")
    assert status != 0
    assert "parley dev" in output
    clean(output)


async def test_knowledge_works_on_the_file_itself_when_nothing_runs(embedded_alone: Installation) -> None:
    tenant = ("--tenant", "plantstore")
    assert (await embedded_alone.command("knowledge", "sync", *tenant))[0] == 0
    status, output = await embedded_alone.command("knowledge", "list", *tenant, "--json")
    assert status == 0
    assert {"shipping", "returns", "watering"} <= set(re.findall(r'"document": ?"([^"]+)"', output)), output
    status, output = await embedded_alone.command("knowledge", "ask", QUESTIONS[2], *tenant)
    assert status == 0
    assert "rain water" in output


async def test_several_tenants_must_be_told_apart(embedded_alone: Installation) -> None:
    status, output = await embedded_alone.command("knowledge", "list")
    assert status == 2
    assert "--tenant" in output
    status, output = await embedded_alone.command("knowledge", "list", "--tenant", "plantstor")
    assert status in (1, 2)
    assert "plantstore" in output, "the known ones are named"


# ── config, doctor, schema, topics, state ────────────────────────────────────────────────────────────────────────────


async def test_config_check_show_and_schema(embedded_alone: Installation) -> None:
    status, output = await embedded_alone.command("config", "check")
    assert status == 0, output
    for flags in ([], ["--json"]):
        status, output = await embedded_alone.command("config", "show", *flags)
        assert status == 0
        assert ADMIN_TOKEN not in output
        assert "test-secret-key" not in output
        assert "plantstore" in output
    status, output = await embedded_alone.command("config", "schema", config=False)
    assert status == 0
    assert "tenants" in parse_json_output(output)["properties"]


async def test_a_secret_is_masked_wherever_it_came_from(embedded_alone: Installation) -> None:
    env = {"PARLEY_SECRET_KEY": "from-the-environment-a-long-one!", "PARLEY_STATE": "redis://:hunter2hunter2@h:1/0"}
    env["PARLEY_BUS"] = "kafka://h:1"
    status, output = await embedded_alone.command("config", "show", env=env)
    assert status == 0, output
    assert "from-the-environment" not in output
    assert "hunter2" not in output


FAULTS = {
    "unknown key": ("tenants:\n  shop:\n    name: Shop\n    chanels: {}\n", 4, "did you mean 'channels'"),
    "unknown key at the top": ("lissten: 1\ntenants: {shop: {name: Shop}}\n", 1, "did you mean 'listen'"),
    "unset variable": ("tenants:\n  shop:\n    name: ${NO_SUCH_VARIABLE_HERE}\n", 3, "NO_SUCH_VARIABLE_HERE"),
    "wrong kind": ("partitions: many\ntenants: {shop: {name: Shop}}\n", 1, "partitions"),
    "bad address": ("listen: nowhere\ntenants: {shop: {name: Shop}}\n", 1, "host:port"),
    "not yaml": ("tenants:\n  shop: [\n", None, "parley.yaml:"),
    "a tab": ("tenants:\n\tshop: 1\n", 2, ""),
    "twice": ("tenants: {shop: {name: A}}\ntenants: {shop: {name: B}}\n", 2, "tenants"),
    "a list": ("- 1\n", None, "parley.yaml"),
    "nothing": ("", None, "parley.yaml"),
    "no tenants": ("listen: 127.0.0.1:1\n", None, "tenants"),
    "bus unlike state": ("bus: kafka://x:1\ntenants: {shop: {name: Shop}}\n", 1, "redis"),
    "not utf-8": (b"tenants: {shop: {name: \xff}}\n", None, "parley.yaml"),
    "a missing secret file": ("secret_key: file:/no/such/file\ntenants: {shop: {name: Shop}}\n", 1, "/no/such/file"),
}


@pytest.mark.parametrize(("text", "line", "says"), FAULTS.values(), ids=FAULTS.keys())
async def test_a_fault_in_the_configuration_is_told_with_its_place_and_its_fix(
    embedded_alone: Installation, text: str | bytes, line: int | None, says: str
) -> None:
    embedded_alone.config.write_bytes(text.encode() if isinstance(text, str) else text)
    for command in (["config", "check"], ["dev"]):
        status, output = await embedded_alone.command(*command)
        assert status == 2, output
        flat = " ".join(output.split())
        assert says in flat, output
        if line is not None:
            assert f"parley.yaml:{line}" in output, output
        clean(output)


async def test_a_configuration_that_is_not_there_is_named(embedded_alone: Installation) -> None:
    embedded_alone.config.unlink()
    status, output = await embedded_alone.command("dev")
    assert status == 2
    assert "parley.yaml" in output
    clean(output)


async def test_doctor_tells_programs_what_is_well(embedded_alone: Installation) -> None:
    status, output = await embedded_alone.command("doctor", "--json")
    assert status == 0, output
    report = parse_json_output(output)
    assert report
    assert ADMIN_TOKEN not in output


async def test_doctor_fails_when_a_server_cannot_be_reached(embedded_alone: Installation) -> None:
    change(embedded_alone, bus="kafka://127.0.0.1:9", state="redis://127.0.0.1:9/0")
    status, output = await embedded_alone.command("doctor")
    assert status == 1
    assert "127.0.0.1:9" in output
    clean(output)


async def test_the_schema_is_exported_as_documents(embedded_alone: Installation, tmp_path: Path) -> None:
    out = tmp_path / "out"
    status, _ = await embedded_alone.command("schema", "export", "--out", str(out), config=False)
    assert status == 0
    assert json.loads((out / "asyncapi.json").read_text())["asyncapi"].startswith("3.")
    assert len(list((out / "schemas").glob("*.json"))) > 5


async def test_topics_and_state_commands_on_sqlite_do_or_say_clearly(embedded_alone: Installation) -> None:
    for args in (["topics", "create"], ["state", "rebuild", "--yes"]):
        status, output = await embedded_alone.command(*args)
        assert status in (0, 1, 2), output
        assert output.strip()
        clean(output)


# ── starting what cannot start ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", ["edge", "connectors", "worker"])
async def test_run_refuses_sqlite(embedded_alone: Installation, role: str) -> None:
    status, output = await embedded_alone.command("run", role)
    assert status == 2
    assert "parley dev" in output
    clean(output)


async def test_dev_refuses_kafka(embedded_alone: Installation) -> None:
    change(embedded_alone, bus="kafka://127.0.0.1:9", state="redis://127.0.0.1:9/0")
    status, output = await embedded_alone.command("dev")
    assert status == 2
    assert "parley run" in output


@pytest.mark.parametrize("name", ["secret_key", "admin_token"])
async def test_scaled_refuses_an_empty_secret(embedded_alone: Installation, name: str) -> None:
    change(embedded_alone, bus="kafka://127.0.0.1:9", state="redis://127.0.0.1:9/0", **{name: ""})
    status, output = await embedded_alone.command("run", "edge")
    assert status == 2
    assert f"PARLEY_{name.upper()}" in output
    clean(output)


async def test_an_unknown_role_or_channel_is_refused(embedded_alone: Installation) -> None:
    change(embedded_alone, bus="kafka://127.0.0.1:9", state="redis://127.0.0.1:9/0")
    for args in (["run", "nothing"], ["run", "worker", "--channels", "telepathy"]):
        status, output = await embedded_alone.command(*args)
        assert status in (1, 2), output
        clean(output)


async def test_a_port_in_use_is_named_with_its_fix(embedded_alone: Installation) -> None:
    with sockets.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, output = await embedded_alone.command("dev", "--port", str(port))
    assert status == 2
    assert str(port) in output
    clean(output)


async def test_a_second_process_on_the_same_file_is_refused_and_the_first_goes_on(visitor: Visitor) -> None:
    shop = visitor.outside
    status, output = await shop.installation.command("dev")
    assert status == 2, output
    assert "parley.db" in output or str(shop.installation.folder / "data") in output
    clean(output)
    assert (await visitor.ask(QUESTIONS[0]))["citations"]


async def test_a_file_that_is_no_database_is_a_clear_error(embedded_alone: Installation) -> None:
    data = embedded_alone.folder / "data"
    data.mkdir()
    (data / "parley.db").write_bytes(b"this is not a database" * 1000)
    status, output = await embedded_alone.command("dev")
    assert status == 2, output
    assert "parley.db" in output
    clean(output)


async def test_a_file_of_a_later_release_or_of_another_program_is_not_overwritten(embedded_alone: Installation) -> None:
    data = embedded_alone.folder / "data"
    data.mkdir()
    with sqlite3.connect(data / "parley.db") as other:
        other.execute("CREATE TABLE theirs (x)")
        other.execute("INSERT INTO theirs VALUES (1)")
        other.execute("PRAGMA user_version = 999")
    other.close()
    status, output = await embedded_alone.command("dev")
    assert status == 2, output
    clean(output)
    with sqlite3.connect(data / "parley.db") as other:
        assert other.execute("SELECT x FROM theirs").fetchall() == [(1,)]
    other.close()


async def test_made_secrets_are_for_the_owner_alone_and_stay_the_same(embedded_alone: Installation) -> None:
    change(embedded_alone, secret_key="", admin_token="")
    await embedded_alone.start()
    async with aiohttp.ClientSession() as http:
        visitor = await ContractClient(embedded_alone, http).visitor()
    await embedded_alone.stop()
    secrets = [path for path in (embedded_alone.folder / "data").iterdir() if path.suffix not in (".db", ".lock")]
    made = [path for path in secrets if "secret" in path.name or "token" in path.name or "key" in path.name]
    assert made, secrets
    assert {path.stat().st_mode & 0o077 for path in made} == {0}
    await embedded_alone.start()
    async with aiohttp.ClientSession() as http:
        again = Visitor(ContractClient(embedded_alone, http), "plantstore", visitor.token, visitor.conversation)
        assert (await again.call("GET", "messages")).status == 200
    await embedded_alone.stop()


# ── the scaled ones ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.scaled
async def test_topics_are_checked_before_work_begins(
    fork_server: ForkServer, tmp_path: Path, kafka_bootstrap: str, redis_url: str, topic_prefix: str
) -> None:
    """Missing topics and another partition count are refused by every role, with the command that helps."""
    made = Installation.make(fork_server, tmp_path, kafka=kafka_bootstrap, redis=redis_url, prefix=topic_prefix)
    servers = {"bus": f"kafka://{kafka_bootstrap}", "state": redis_url, "topic_prefix": topic_prefix}
    status, output = await made.command("run", "worker")
    assert status == 2, output
    assert "parley topics create" in output
    await made.prepare()
    assert (await made.command("topics", "create"))[0] == 0, "once more changes nothing"
    change(made, **servers, partitions=5)
    for role in ("edge", "connectors", "worker"):
        status, output = await made.command("run", role)
        assert status == 2, output
        assert "partitions" in output
        clean(output)
    status, output = await made.command("topics", "create")
    assert status != 0, "the partition count is chosen once"
    assert "partitions" in output
    change(made, **servers)
    status, output = await made.command("doctor", "--json")
    assert status in (0, 1)
    report = json.dumps(parse_json_output(output))
    for word in ("topics", "retention", "redis", "kafka", "clock"):
        assert word in report.lower(), word
