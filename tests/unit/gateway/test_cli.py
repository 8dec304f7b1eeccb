"""The command line, as a process: what it prints, where, and with which exit code."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from unittest import mock

import pytest
import structlog
from typer.main import get_command

from gateway import cli
from gateway.config import loader as configuration
from infra.deploy.process import free_port
from tests.harness.installation import ADMIN_TOKEN, SECRET_KEY
from tests.harness.shared_parent import parley_command

ROOT = Path(__file__).resolve().parents[3]
SECRETS = f"secret_key: {SECRET_KEY}\nadmin_token: {ADMIN_TOKEN}\n"
GUIDE = "# Care\n\n## Watering\n\nWater a Nepenthes with rain water every second day.\n"
COMMANDS = get_command(cli.app)
"""As Typer makes them for each call, which takes a fifth of a second."""
SHIPPING = "# Shipping\n\n## Prices\n\nA parcel to Lisbon costs 12 euros and takes four working days.\n"


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY")}
    return kept | {"NO_COLOR": "1", "COLUMNS": "120", "PARLEY_MODEL": "local"} | more


@dataclass
class CommandResult:
    returncode: int
    stdout: str
    stderr: str


def process(*arguments: str, cwd: Path, command: Sequence[str] = ()) -> CommandResult:
    """`parley` as a process of its own, or what is run by ``command``."""
    done = subprocess.run(
        [*(command or parley_command()), *arguments],
        cwd=cwd,
        env=environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return CommandResult(done.returncode, done.stdout, done.stderr)


def log_to(stream: TextIO) -> None:
    """As `set_up_logging`, without binding loggers for good: other tests have theirs."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def parley(*arguments: str, cwd: Path, stdin: str = "", **environ: str) -> CommandResult:
    """`parley` in this process, which spares a second for each call: the same `main`, its streams and exit code."""
    out, err = io.StringIO(), io.StringIO()
    configuration.environment.cache_clear()
    with (
        mock.patch.dict(os.environ, environment(**environ), clear=True),
        mock.patch.object(sys, "argv", ["parley", *arguments]),
        mock.patch.object(cli, "app", COMMANDS),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
        mock.patch("infra.telemetry.set_up_logging", side_effect=lambda **_: log_to(err)),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        finally:
            configuration.environment.cache_clear()
            structlog.reset_defaults()
    return CommandResult(code, out.getvalue(), err.getvalue())


def configure(folder: Path, more: str = "", port: int | None = None) -> None:
    (folder / "docs").mkdir(exist_ok=True)
    (folder / "docs" / "care.md").write_text(GUIDE)
    (folder / "docs" / "shipping.md").write_text(SHIPPING)
    text = f"listen: 127.0.0.1:{port or free_port()}\npartitions: 3\n{more}"
    tenant = "tenants:\n  shop:\n    name: Shop\n    channels: {web: {main: {}}}\n    knowledge: {paths: [docs]}\n"
    (folder / "parley.yaml").write_text(text + tenant)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    configure(tmp_path)
    return tmp_path


class DevProcess:
    """`parley dev` as a process, started on another port than the configured one, so that commands must find it."""

    def __init__(self, folder: Path, *flags: str, **environ: str) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = subprocess.Popen(
            [*parley_command(), "dev", "--port", self.url.rpartition(":")[2], *flags],
            cwd=folder,
            env=environment(PYTHONPATH=str(ROOT), **environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self) -> None:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()[1]
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=2) as response:
                    if response.status == 200:
                        return
            except OSError:
                time.sleep(0.05)
        raise AssertionError("the instance did not become ready")

    def stop(self) -> tuple[str, str]:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=90)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevProcess]:
    folder = tmp_path_factory.mktemp("instance")
    configure(folder)
    instance = DevProcess(folder)
    try:
        instance.wait()
        yield instance
    finally:
        instance.stop()


def test_help_is_quick(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No heavy module is loaded for it; the time is printed, as a ratio to an empty interpreter."""

    def fastest(*command: str) -> float:
        times = []
        for _ in range(3):
            before = time.perf_counter()
            subprocess.run([sys.executable, *command], cwd=ROOT, env=environment(), capture_output=True, check=True)
            times.append(time.perf_counter() - before)
        return min(times)

    bare, with_help = fastest("-c", "pass"), fastest("-m", "gateway.cli", "--help")
    with capsys.disabled():
        print(f"\nparley --help: {with_help * 1000:.0f} ms, {with_help / bare:.1f} times `python -c pass`")
    code = "import sys, gateway.cli; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True)
    heavy = {"aiohttp", "pydantic", "yaml", "structlog", "rich", "asyncio", "tantivy", "obstore", "aiokafka", "redis"}
    assert heavy & set(eval(loaded.stdout)) == set()


def test_every_command_has_help(folder: Path) -> None:
    for words in (
        ("init",),
        ("dev",),
        ("run",),
        ("chat",),
        ("doctor",),
        ("config", "check"),
        ("config", "show"),
        ("config", "schema"),
        ("knowledge", "add"),
        ("knowledge", "sync"),
        ("knowledge", "list"),
        ("knowledge", "remove"),
        ("knowledge", "ask"),
        ("knowledge", "check"),
        ("deadletter", "list"),
        ("deadletter", "show"),
        ("deadletter", "replay"),
        ("turns", "show"),
        ("turns", "export"),
        ("replay",),
        ("state", "rebuild"),
        ("token", "create"),
        ("token", "list"),
        ("token", "revoke"),
        ("topics", "create"),
        ("schema", "export"),
        ("new", "channel"),
    ):
        done = parley(*words, "--help", cwd=folder)
        assert done.returncode == 0, done.stderr
        assert "Usage:" in done.stdout


# ── errors ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_error_is_one_line_with_its_code_and_one_with_its_fix(folder: Path) -> None:
    (folder / "parley.yaml").write_text("tenants:\n  shop:\n    nam: Shop\n")
    done = process("config", "check", cwd=folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "error[config_invalid]: 2 problems in parley.yaml:",
        "  parley.yaml:2:3: tenants.shop.name: must be set",
        "  parley.yaml:3:5: tenants.shop.nam: unknown key; did you mean 'name'?",
        "fix: `parley config schema` lists every setting; `parley config check` checks again",
    ]


def test_a_missing_configuration_says_how_to_name_one(tmp_path: Path) -> None:
    done = parley("config", "check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error[config_invalid]: there is no parley.yaml in ")
    assert "\nfix: name one with --config FILE" in done.stderr


def test_separate_processes_refuse_sqlite(folder: Path) -> None:
    for role in ("edge", "connectors", "worker"):
        done = parley("run", role, cwd=folder)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error[setup]: `parley run {role}` needs Kafka and Redis")


def test_one_process_refuses_kafka_and_redis(tmp_path: Path) -> None:
    configure(tmp_path, f"bus: kafka://127.0.0.1:1\nstate: redis://127.0.0.1:1/0\n{SECRETS}")
    done = parley("dev", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error[setup]: `parley dev` runs on SQLite")


def test_an_unknown_tenant_names_those_there_are(folder: Path) -> None:
    done = parley("knowledge", "list", "--tenant", "nobody", cwd=folder)
    assert done.returncode == 2
    assert done.stderr == "error[invalid_request]: there is no tenant 'nobody'\nfix: --tenant shop\n"


def test_chatting_needs_an_instance(folder: Path) -> None:
    done = parley("chat", "-m", "hello", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("error[setup]: no instance answers at http://127.0.0.1:")
    assert "fix: start one with `parley dev`" in done.stderr


def test_a_check_without_an_instance_and_without_documents_says_that_nothing_runs(folder: Path) -> None:
    (folder / "questions.yaml").write_text("cases: [{id: a, question: 'What costs 12 euros?', must_cite: [shipping]}]")
    done = parley("knowledge", "check", "questions.yaml", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error[setup]: no instance answers at http://127.0.0.1:")
    assert "fix: start one with `parley dev`" in done.stderr
    done = parley("knowledge", "check", "questions.yaml", "--json", cwd=folder)
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (2, "setup")
    assert error["message"].startswith("no instance answers at http://127.0.0.1:")
    assert error["fix"].startswith("start one with `parley dev`")


def test_published_documents_are_checked_without_an_instance(folder: Path) -> None:
    (folder / "questions.yaml").write_text(
        "cases: [{id: a, question: 'What does a parcel to Lisbon cost?', must_cite: [shipping]}]"
    )
    assert parley("knowledge", "add", "docs", cwd=folder).returncode == 0
    done = parley("knowledge", "check", "questions.yaml", "--json", cwd=folder)
    assert (done.returncode, json.loads(done.stdout)[0]["right"]) == (0, 1.0)
    assert "no instance runs" in done.stderr


def test_an_unforeseen_error_is_no_stack_trace_either(folder: Path) -> None:
    """A folder where the database should be."""
    (folder / ".parley" / "parley.db").mkdir(parents=True)
    done = process("knowledge", "list", cwd=folder)
    assert done.returncode == 2
    assert done.stderr.startswith("error[")
    assert "Traceback" not in done.stderr


def test_a_wrong_option_is_a_usage_error(folder: Path) -> None:
    done = parley("config", "check", "--nope", cwd=folder)
    assert done.returncode == 2
    assert "No such option" in done.stderr


# ── configuration and schemas ────────────────────────────────────────────────────────────────────────────────────────


def test_check_finds_a_folder_of_documents_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "parley.yaml").write_text("tenants:\n  shop: {name: Shop, knowledge: {paths: [knowlege]}}\n")
    done = parley("config", "check", cwd=tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path / 'knowlege'} does not exist" in done.stdout
    assert "tenants.shop.knowledge.paths" in done.stdout


def test_check_says_valid(folder: Path) -> None:
    done = parley("config", "check", "--json", cwd=folder)
    told = json.loads(done.stdout)
    assert (told["valid"], told["mode"], told["tenants"]) == (True, "one process, SQLite", ["shop"])
    assert not (folder / ".parley").exists()


def test_show_masks_secrets(tmp_path: Path) -> None:
    secrets = f"admin_token: {'hush' * 8}\nsecret_key: ${{KEY}}\n"
    configure(tmp_path, f"bus: kafka://b:1\nstate: redis://:hush@r:6379/0\n{secrets}")
    for arguments in (("config", "show"), ("config", "show", "--json")):
        done = parley(*arguments, cwd=tmp_path, KEY="hush" * 8)
        assert done.returncode == 0, done.stderr
        assert "hush" not in done.stdout
        assert "redis://********@r:6379/0" in done.stdout


def test_the_schema_of_the_configuration_accepts_the_example() -> None:
    import jsonschema
    import yaml

    done = parley("config", "schema", cwd=ROOT)
    example = yaml.safe_load((ROOT / "examples/plantstore/parley.yaml").read_text())
    jsonschema.Draft202012Validator(json.loads(done.stdout)).validate(example)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(json.loads(done.stdout)).validate(example | {"lisen": "x"})


def test_schema_export_writes_the_golden_files(tmp_path: Path) -> None:
    done = parley("schema", "export", "--out", str(tmp_path / "out"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = {file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*.json")}
    golden = ROOT / "tests" / "golden"
    expected = {"asyncapi.json"} | {f"schemas/{file.name}" for file in (golden / "schemas").iterdir()}
    assert written == expected
    printed = parley("schema", "export", cwd=tmp_path)
    assert json.loads(printed.stdout)["asyncapi"] == "3.0.0"


# ── doctor ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def findings(done: CommandResult) -> dict[str, dict[str, str]]:
    return {item["check"]: item for item in json.loads(done.stdout)["findings"]}


def test_doctor_finds_a_good_set_up_well(folder: Path) -> None:
    done = parley("doctor", "--json", cwd=folder)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["ok"] is True
    found = findings(done)
    assert found["sqlite"]["status"] == "ok"
    assert found["listen address"]["detail"].endswith("is free")
    assert not (folder / ".parley").exists()
    table = parley("doctor", cwd=folder)
    assert [line.split()[0] for line in table.stdout.splitlines()] == ["ok"] * len(found)


def test_doctor_names_every_failure_with_its_fix(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        more = "data_dir: parley.yaml\npublic_url: http://shop.example\n"
        configure(tmp_path, more, port=taken.getsockname()[1])
        done = parley("doctor", "--json", cwd=tmp_path)
    found = findings(done)
    assert done.returncode == 1
    assert found["listen address"]["status"] == "fail"
    assert "PARLEY_PORT" in found["listen address"]["fix"]
    assert found["data folder"]["status"] == "fail"
    assert found["public address"]["status"] == "warn"


def test_doctor_sees_secrets_that_others_can_read(folder: Path) -> None:
    (folder / ".parley").mkdir()
    (folder / ".parley" / "admin_token").write_text("x" * 40)
    (folder / ".parley" / "admin_token").chmod(0o644)
    done = parley("doctor", "--json", cwd=folder)
    assert done.returncode == 1
    assert "readable by others" in findings(done)["secrets"]["detail"]


def test_doctor_sees_secrets_that_are_too_short(folder: Path) -> None:
    (folder / ".parley").mkdir(mode=0o700)
    (folder / ".parley" / "secret_key").write_text("chosen by hand\n")
    done = parley("doctor", "--json", cwd=folder)
    assert done.returncode == 1
    assert "shorter than 32 bytes" in findings(done)["secrets"]["detail"]
    (folder / "parley.yaml").write_text((folder / "parley.yaml").read_text() + "admin_token: short\n")
    done = parley("doctor", "--json", cwd=folder)
    assert done.returncode == 1
    assert "admin_token: must be at least 32 bytes long" in findings(done)["configuration"]["detail"]


def test_doctor_asks_for_the_proxies_before_an_encrypted_address(folder: Path) -> None:
    text = (folder / "parley.yaml").read_text() + "public_url: https://shop.example\n"
    (folder / "parley.yaml").write_text(text)
    found = findings(parley("doctor", "--json", cwd=folder))["client addresses"]
    assert (found["status"], "trusted_proxies" in found["fix"]) == ("warn", True)
    (folder / "parley.yaml").write_text(text + "trusted_proxies: [10.0.0.0/8]\n")
    assert findings(parley("doctor", "--json", cwd=folder))["client addresses"]["status"] == "ok"


def test_doctor_sees_a_data_folder_that_others_can_read(folder: Path) -> None:
    (folder / ".parley").mkdir()
    (folder / ".parley").chmod(0o755)
    found = findings(parley("doctor", "--json", cwd=folder))
    assert (found["data folder"]["status"], "chmod" in found["data folder"]["fix"]) == ("warn", True)


def test_doctor_reports_a_bad_configuration_as_a_finding(folder: Path) -> None:
    (folder / "parley.yaml").write_text("tenants: {}\n")
    done = parley("doctor", "--json", cwd=folder)
    assert done.returncode == 1
    assert findings(done)["configuration"]["status"] == "fail"


def test_doctor_finds_servers_that_are_away(tmp_path: Path) -> None:
    servers = f"bus: kafka://127.0.0.1:{free_port()}\nstate: redis://127.0.0.1:{free_port()}/0\n"
    more = f"{servers}{SECRETS}"
    configure(tmp_path, more)
    done = parley("doctor", "--json", cwd=tmp_path)
    found = findings(done)
    assert done.returncode == 1
    assert (found["kafka"]["status"], found["redis"]["status"]) == ("fail", "fail")
    assert "Traceback" not in done.stderr


@pytest.mark.scaled
def test_doctor_and_topics_create_on_real_servers(
    tmp_path: Path, kafka_bootstrap: str, redis_url: str, topic_prefix: str
) -> None:
    keys = f"secret_key: {'k' * 32}\nadmin_token: {'t' * 32}\nblobs: s3://bucket\n"
    configure(tmp_path, f"bus: kafka://{kafka_bootstrap}\nstate: {redis_url}\ntopic_prefix: {topic_prefix}\n{keys}")
    before = findings(parley("doctor", "--json", cwd=tmp_path))
    assert before["kafka topics"]["fix"] == "run: parley topics create"
    made = parley("topics", "create", "--json", cwd=tmp_path)
    assert f"{topic_prefix}parley.inbound.web" in json.loads(made.stdout)["created"], made.stderr
    assert json.loads(parley("topics", "create", "--json", cwd=tmp_path).stdout) == {"created": []}
    after = findings(parley("doctor", "--json", cwd=tmp_path))
    assert {after[name]["status"] for name in ("kafka", "kafka topics", "kafka partitions", "redis")} == {"ok"}


# ── without an instance: on the file itself ──────────────────────────────────────────────────────────────────────────


def test_documents_are_kept_without_an_instance(folder: Path) -> None:
    added = parley("knowledge", "add", "docs", "--json", cwd=folder)
    assert json.loads(added.stdout)["added"] == ["care", "shipping"], added.stderr
    (folder / "docs" / "care.md").write_text(GUIDE.replace("second", "third"))
    (folder / "docs" / "shipping.md").unlink()
    (folder / "docs" / "new.txt").write_text("Opening hours\n\nWe are open from nine to five.")
    synced = json.loads(parley("knowledge", "sync", "--json", cwd=folder).stdout)
    assert (synced["added"], synced["changed"], synced["removed"]) == (["new"], ["care"], ["shipping"])
    listed = json.loads(parley("knowledge", "list", "--json", cwd=folder).stdout)
    assert [item["document"] for item in listed] == ["care", "new"]
    removed = parley("knowledge", "remove", "new", cwd=folder)
    assert removed.returncode == 0
    missing = parley("knowledge", "remove", "new", cwd=folder)
    expected = "error[not_found]: no such document\nfix: find its id with `parley knowledge list`\n"
    assert (missing.returncode, missing.stderr) == (2, expected)


def test_a_file_that_cannot_be_read_is_left_out_and_nothing_is_removed(folder: Path) -> None:
    parley("knowledge", "add", "docs", cwd=folder)
    (folder / "docs" / "shipping.md").write_bytes(b"\xff\xfe\x00binary")
    done = parley("knowledge", "sync", "--json", cwd=folder)
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert (told["removed"], told["unchanged"], len(told["failed"])) == ([], ["care"], 1)


def test_an_empty_folder_removes_nothing_unasked(folder: Path) -> None:
    parley("knowledge", "add", "docs", cwd=folder)
    for file in (folder / "docs").iterdir():
        file.unlink()
    done = parley("knowledge", "sync", cwd=folder)
    assert done.returncode == 2
    assert "error[conflict]: so many documents of a source are gone that none of them was removed" in done.stderr
    assert len(json.loads(parley("knowledge", "list", "--json", cwd=folder).stdout)) == 2


def test_state_is_rebuilt_from_the_log(folder: Path) -> None:
    parley("knowledge", "add", "docs", cwd=folder)
    asked = parley("state", "rebuild", cwd=folder, stdin="n\n")
    assert asked.returncode == 2
    # A script that forgot --yes gets an error that it can read.
    alone = parley("state", "rebuild", "--json", cwd=folder)
    assert (alone.returncode, json.loads(alone.stdout)["error"]["fix"]) == (2, "answer with y, or run it with --yes")
    done = parley("state", "rebuild", "--yes", "--json", cwd=folder)
    assert json.loads(done.stdout)["shards"] == 256, done.stderr
    assert len(json.loads(parley("knowledge", "list", "--json", cwd=folder).stdout)) == 2


# ── with an instance ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_banner_says_where_and_how_to_ask(tmp_path: Path) -> None:
    configure(tmp_path)
    instance = DevProcess(tmp_path)
    instance.wait()
    token = (tmp_path / ".parley" / "admin_token").read_text().strip()
    address_file = tmp_path / ".parley" / "address"
    assert address_file.read_text() == instance.url
    out, _ = instance.stop()
    assert instance.process.returncode == 0
    assert f"chat page     {instance.url}/\n" in out
    assert f"console       {instance.url}/console\n" in out
    assert out.count(f"admin token   {token}") == 1
    assert f"curl -s -X POST {instance.url}/v1/chat/shop/sessions" in out
    assert "chat\n" in out, "no heading of these documents asks anything, so no question is suggested"
    assert not address_file.exists()


def test_the_banner_names_a_configuration_that_is_not_here(tmp_path: Path) -> None:
    """What it says to type works in the folder where the instance was started."""
    (tmp_path / "my shop").mkdir()
    configure(tmp_path / "my shop")
    instance = DevProcess(tmp_path, "--config", "my shop/parley.yaml")
    instance.wait()
    done = parley("chat", "-m", "When do you ship?", "--config", "my shop/parley.yaml", cwd=tmp_path)
    out, _ = instance.stop()
    assert done.returncode == 0, done.stderr
    assert "chat --config 'my shop/parley.yaml'\n" in out


def test_one_question_is_answered_as_json(running: DevProcess) -> None:
    done = parley("chat", "-m", "What does a parcel to Lisbon cost?", "--json", cwd=running.folder)
    answer = json.loads(done.stdout)
    assert "12 euros" in answer["text"], done.stderr
    assert answer["citations"][0]["document"] == "shipping"
    assert answer["author"]["kind"] == "agent"


def test_a_terminal_talk_shows_answers_and_their_sources(running: DevProcess) -> None:
    lines = "How do I water a Nepenthes?\nWhat does a parcel to Lisbon cost?\n\n"
    done = parley("chat", cwd=running.folder, stdin=lines)
    assert done.returncode == 0, done.stderr
    assert "rain water" in done.stdout
    assert "12 euros" in done.stdout
    assert "[1] Shipping" in done.stdout
    assert done.stdout.index("rain water") < done.stdout.index("12 euros")


def test_commands_talk_to_the_running_instance(running: DevProcess) -> None:
    listed = json.loads(parley("knowledge", "list", "--json", cwd=running.folder).stdout)
    assert [item["document"] for item in listed] == ["care", "shipping"]
    found = json.loads(parley("knowledge", "ask", "parcel to Lisbon", "--json", cwd=running.folder).stdout)
    assert found["passages"][0]["document"] == "shipping"
    assert "12 euros" in found["reply"]["text"]
    spoken = parley("knowledge", "ask", "parcel to Lisbon", cwd=running.folder).stdout
    assert spoken.startswith(("would answer", "would not answer"))
    assert f"> {found['reply']['text'].splitlines()[0]}" in spoken
    doctor = findings(parley("doctor", "--json", cwd=running.folder))
    assert doctor["listen address"]["detail"] == f"an instance answers at {running.url}"
    letters = parley("deadletter", "list", "--json", cwd=running.folder)
    assert json.loads(letters.stdout) == []
    missing = parley("deadletter", "replay", "nothing", cwd=running.folder)
    expected = "error[not_found]: no such dead letter\nfix: find its id with `parley deadletter list`\n"
    assert (missing.returncode, missing.stderr) == (2, expected)


def test_tokens_are_created_listed_and_revoked(running: DevProcess) -> None:
    created = parley("token", "create", "backend", "-s", "read", "--expires", "12h", cwd=running.folder)
    assert re.fullmatch(r"parley_shop_[0-9a-f]{16}_[0-9a-f]{64}\n", created.stdout)
    assert "cannot be shown again" in created.stderr
    (item,) = json.loads(parley("token", "list", "--json", cwd=running.folder).stdout)
    assert (item["name"], item["scopes"], item["created_by"]) == ("backend", ["read"], "admin")
    # A command can work with the token instead of the admin token.
    access = {"PARLEY_ADMIN_TOKEN": created.stdout.strip(), "PARLEY__ADMIN_TOKEN": created.stdout.strip()}
    assert parley("knowledge", "list", cwd=running.folder, **access).returncode == 0
    refused = parley("token", "list", cwd=running.folder, **access)
    assert (refused.returncode, refused.stderr.partition("]")[0]) == (2, "error[forbidden")
    assert parley("token", "revoke", item["id"], cwd=running.folder).stdout == f"revoked {item['id']}\n"
    assert "error[unauthorized]" in parley("knowledge", "list", cwd=running.folder, **access).stderr
    assert "backend  read    admin       revoked" in parley("token", "list", cwd=running.folder).stdout
    missing = parley("token", "revoke", "nothing", cwd=running.folder)
    expected = "error[not_found]: no such token\nfix: find its id with `parley token list`\n"
    assert (missing.returncode, missing.stderr) == (2, expected)


def test_doctor_verifies_the_audit_trail_of_a_running_instance(running: DevProcess) -> None:
    found = findings(parley("doctor", "--json", cwd=running.folder))["audit trail"]
    assert found["status"] == "ok"
    assert re.fullmatch(r"[1-9]\d* records, unchanged", found["detail"])


def test_doctor_notices_a_record_that_was_removed_from_the_file(folder: Path) -> None:
    for name in ("one", "two", "three"):
        assert parley("token", "create", name, "-s", "read", cwd=folder).returncode == 0
    assert findings(parley("doctor", "--json", cwd=folder))["audit trail"]["detail"] == "3 records, unchanged"
    with sqlite3.connect(folder / ".parley" / "parley.db") as database:
        rows = database.execute(
            "SELECT record.id FROM bus_records AS record WHERE record.key = 'shop' ORDER BY record.id"
        ).fetchall()
        assert len(rows) == 3
        database.execute("DELETE FROM bus_records WHERE id = ?", rows[1])
    found = findings(parley("doctor", "--json", cwd=folder))["audit trail"]
    assert found["status"] == "fail"
    assert "is missing" in found["detail"]


@pytest.mark.parametrize("expires", ["90", "soon", "0d", "1000d", "-1d"])
def test_a_token_needs_a_sensible_duration(running: DevProcess, expires: str) -> None:
    done = parley("token", "create", "x", "-s", "read", f"--expires={expires}", cwd=running.folder)
    assert done.returncode == 2
    assert done.stderr.startswith("error[invalid_request]: ")


def test_turns_are_shown_and_exported(running: DevProcess) -> None:
    parley("chat", "-m", "What does a parcel to Lisbon cost?", cwd=running.folder)
    deadline = time.monotonic() + 60
    lines: list[str] = []
    while not lines and time.monotonic() < deadline:
        lines = parley("turns", "export", "--raw", "--channel", "web", cwd=running.folder).stdout.splitlines()
    turn = json.loads(lines[-1])
    assert turn["channel"] == "web"
    assert turn["route"]
    shown = json.loads(parley("turns", "show", turn["conversation_id"], "--json", cwd=running.folder).stdout)
    assert [item["id"] for item in shown] == [turn["id"]]
    out = running.folder / "turns.jsonl"
    parley("turns", "export", "--raw", "--out", str(out), cwd=running.folder)
    assert turn["id"] in out.read_text()
    for known in (turn["conversation_id"], turn["id"], turn["handled"][0]):
        printed = parley("turns", "show", known, cwd=running.folder).stdout
        assert turn["id"] in printed
        assert "passage" in printed
        assert "cited" in printed


def test_answers_are_counted_right_and_wrong(running: DevProcess) -> None:
    """Figures, the table by kind, and with --show the replies that are not as they should be."""
    suite = running.folder / "suite.yaml"
    suite.write_text(
        "name: shop\n"
        "cases:\n"
        "- {id: a, question: 'What does a parcel to Lisbon cost?', must_cite: [shipping]}\n"
        "- {id: b, question: 'What does a parcel to Lisbon cost?', must_contain: [nothing like that]}\n"
        "- {id: c, question: 'Who won the football world cup in 1954?', must_decline: true, kind: unanswerable}\n"
    )
    done = parley("knowledge", "check", str(suite), "--json", cwd=running.folder)
    (report,) = json.loads(done.stdout)
    assert (report["suite"], report["replies"]) == ("shop", 3)
    assert report["by_kind"] == {"plain": {"right": 1, "irrelevant": 1}, "unanswerable": {"rightly_declined": 1}}
    assert (report["right"], report["wrong"], report["unanswerable_declined"]) == (1 / 3, 1 / 3, 1.0)
    assert "no instance runs" not in done.stderr
    printed = parley("knowledge", "check", str(suite), "--show", cwd=running.folder).stdout
    assert "answered and wrong" in printed
    assert "b irrelevant\n  > What does a parcel to Lisbon cost?" in printed
    broken = parley("knowledge", "check", "gone.yaml", cwd=running.folder)
    assert broken.stderr.startswith("error[config_invalid]: there is no file gone.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "cases:\n- {id: a, question: x, must_contains: [y]}\n",
            "suite.yaml:2:24: cases[0].must_contains: unknown key; did you mean 'must_contain'?",
        ),
        ("cases:\n- {id: a, question: x, must_cite: y}\n", "suite.yaml:2:24: cases[0].must_cite: must be a list"),
        ("- {id: a}\n", "suite.yaml:1:1: must be a mapping with a list `cases`"),
        ("cases: []\n", "suite.yaml:1:1: cases: must not be empty"),
    ],
)
def test_a_mistake_in_a_suite_is_told_with_its_place(folder: Path, text: str, expected: str) -> None:
    (folder / "suite.yaml").write_text(text)
    done = parley("knowledge", "check", "suite.yaml", cwd=folder)
    assert done.stderr.splitlines()[0] == f"error[config_invalid]: {expected}"


def test_a_suite_that_names_an_unknown_document_is_told_so(running: DevProcess) -> None:
    suite = running.folder / "places.yaml"
    suite.write_text(
        "cases: [{id: a, question: 'What does a parcel cost?', must_cite: [shiping], sources: ['nowhere#x']}]\n"
    )
    done = parley("knowledge", "check", str(suite), cwd=running.folder)
    assert "case a: must_cite: there is no document 'shiping'; did you mean 'shipping'?" in done.stderr
    assert "case a: sources: there is no document 'nowhere'" in done.stderr


def test_an_unknown_id_is_answered_with_the_command_that_lists_ids(running: DevProcess) -> None:
    for command, fix in (
        (("knowledge", "remove", "nowhere"), "parley knowledge list"),
        (("deadletter", "show", "nowhere"), "parley deadletter list"),
        (("contact", "export", "nowhere"), "parley contact find"),
        (("contact", "erase", "nowhere", "--yes"), "parley contact find"),
        (("token", "revoke", "nowhere"), "parley token list"),
        (("turns", "show", "nowhere"), "parley turns export"),
    ):
        done = parley(*command, cwd=running.folder)
        assert fix in done.stderr, (command, done)


def test_a_file_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "evals.yaml").write_text("cases: [{name: a, message: Hello, expect: {declines: true}}]\n")
    for command in (("run", "nope.yaml"), ("compare", "nope.json", "nope.json"), ("compare", "nope", "b")):
        error = parley("eval", *command, cwd=folder).stderr
        assert f"there is no file {command[1]}" in error.splitlines()[0], error
        assert "--candidate" not in error


def test_a_second_instance_on_the_same_file_is_refused(running: DevProcess) -> None:
    done = parley("dev", "--port", str(free_port()), cwd=running.folder)
    assert done.returncode == 2
    assert done.stderr.startswith("error[database_locked]:")
    assert (running.folder / ".parley" / "address").exists()


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path, running: DevProcess) -> None:
    configure(tmp_path)
    done = parley("dev", "--port", running.url.rpartition(":")[2], cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error[port_in_use]:"), done.stderr
    assert "Parley is running" not in done.stdout


def test_another_installations_token_is_refused_with_a_reason(tmp_path: Path, running: DevProcess) -> None:
    configure(tmp_path)
    done = parley("knowledge", "list", "--url", running.url, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error[unauthorized]: the instance refuses the admin token\nfix: ")
