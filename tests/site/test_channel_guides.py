"""The guides to the channels, followed with the simulated vendors: what a customer types there is answered there."""

from __future__ import annotations

import json
import queue
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml

from tests.harness.processes import ROOT
from tests.site.blocks import list_blocks, list_sources
from tests.site.reader import CHAT, Reader

PAGES = {name: f"docs/how-to/{name}.md" for name in ("slack", "discord", "whatsapp", "whatsapp-twilio", "instagram")}
FOLLOWED = {page: {"sh", "text"} for page in PAGES.values()}
PRINTED_WITHIN_S = 60.0
LOCAL = f"http://127.0.0.1:{CHAT}"
PUBLIC = "https://support.example.com"
ACCOUNT = r"^    channels:\n(?:      .*\n)+"
QUESTION, ANSWER = "How much is shipping?", "Shipping costs €4.90 within the country and €11.90 abroad."


@dataclass
class Simulator:
    """A simulated vendor at its prompt. ``printed``: everything so far."""

    process: subprocess.Popen[str]
    printed: str = ""
    _lines: queue.Queue[str] = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.put(line)
        self._lines.put("")

    def read_until(self, pattern: str) -> None:
        while not re.search(pattern, self.printed, re.MULTILINE):
            line = self._lines.get(timeout=PRINTED_WITHIN_S)
            assert line, f"it ended:\n{self.printed}"
            self.printed += line

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.kill()
        self._thread.join()

    @property
    def channels(self) -> dict[str, Any]:
        """The account that it prints for parley.yaml."""
        (found,) = re.findall(ACCOUNT, self.printed, re.MULTILINE)
        channels: dict[str, Any] = yaml.safe_load(found)["channels"]
        return channels


@contextmanager
def simulating(command: list[str]) -> Iterator[Simulator]:
    """The vendor of a guide's command, at a free port."""
    assert command[:2] == [".venv/bin/python", "-m"]
    rest = [word for word in command[1:] if not (word.isdigit() or word == "--port")]
    with subprocess.Popen(
        [sys.executable, "-u", *rest, "--port", "0"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        simulator = Simulator(process)
        try:
            simulator.read_until(rf"{ACCOUNT}(?! {{6}}).*\n")
            yield simulator
        finally:
            simulator.end()


def configure(project: Path, channels: dict[str, Any], public_url: str) -> None:
    """Add the account below the `channels` that are there, as the guides say."""
    file = project / "parley.yaml"
    text = file.read_text()
    added = indent(yaml.safe_dump(channels), " " * 6)
    text = re.sub(r"^    channels:\n", lambda line: line[0] + added, text, count=1, flags=re.MULTILINE)
    file.write_text(f"public_url: {public_url}\n{text}" if public_url else text)


def split_commands(page: str, port: str) -> tuple[list[str], list[str]]:
    """The command that starts the simulator, and the lines for curl. Anything else is an AssertionError."""
    scripts = list_sources(page, "sh")
    curl = [script for script in scripts if script.startswith("curl ")]
    (simulator,) = [script for script in scripts if script not in curl]
    command = shlex.split(simulator.replace("\\\n", " ").replace(f":{CHAT}/", f":{port}/"))
    assert re.fullmatch(r"tests\.simulators\.\w+", command[2]), command
    return command, curl


@pytest.mark.slow
@pytest.mark.parametrize("names", [["slack", "discord", "whatsapp", "instagram"], ["whatsapp-twilio"]], ids="+".join)
def test_a_reader_of_the_guides_gets_an_answer_on_each_channel(names: list[str], project: Reader) -> None:
    with ExitStack() as stack:
        simulators: list[Simulator] = []
        for name in names:
            command, curl = split_commands(PAGES[name], project.ports[CHAT])
            simulator = stack.enter_context(simulating(command))
            (account,) = next(iter(simulator.channels.values())).values()
            for script in curl:
                follow_curl(project, script, account)
            public = command[command.index("--public") + 1] if "--public" in command else ""
            configure(project.folder, simulator.channels, public)
            simulators.append(simulator)
        project.serve("parley dev", project.ports[CHAT], "/readyz")
        for name, simulator in zip(names, simulators, strict=True):
            if name == "discord":
                simulator.read_until("the bot is online")
            simulator.type(QUESTION)
        for simulator in simulators:
            simulator.read_until(re.escape(ANSWER))


@pytest.mark.parametrize("name", PAGES)
def test_the_address_for_the_vendor_is_the_one_that_the_simulator_calls(name: str) -> None:
    command, _ = split_commands(PAGES[name], CHAT)
    local = command[command.index("--webhook") + 1] if "--webhook" in command else ""
    texts = [block for block in list_blocks(PAGES[name]) if block.kind == "text"]
    assert all(block.about == "webhook" for block in texts), texts
    page = (ROOT / PAGES[name]).read_text()
    shown = re.findall(rf"{PUBLIC}/v1/webhooks/[^\s`]+", page)
    assert bool(shown) == bool(local)
    assert {address.partition("#")[0] for address in shown} <= {local.partition("#")[0].replace(LOCAL, PUBLIC)}
    assert [block.text.strip() for block in texts] in ([], [local.replace(LOCAL, PUBLIC)])


def follow_curl(reader: Reader, script: str, account: dict[str, str]) -> None:
    """Ask the simulated vendor what a guide asks the real one, and find what the guide says is in the answer."""
    (address,) = re.findall(r"https://(?:discord\.com/api/v10|graph\.instagram\.com)", script)
    script = script.replace(address, account["api_base"])
    if "discord" in address:
        reader.variables["DISCORD_TOKEN"] = account["token"]
        me = reader.run_script(f'curl -s {account["api_base"]}/applications/@me -H "Authorization: Bot $DISCORD_TOKEN"')
        reader.variables["DISCORD_APPLICATION"] = json.loads(me)["id"]
        assert json.loads(reader.run_script(script))["name"] == "ask"
    else:
        reader.variables["INSTAGRAM_TOKEN"] = account["access_token"]
        assert json.loads(reader.run_script(script))["user_id"] == account["ig_id"]
