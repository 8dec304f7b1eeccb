"""docs/tutorial-sources.md, followed word by word with the simulated Notion and YouTube: an edit there is in the next
answer, and what is deleted there is in none."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from infra.deploy.process import free_port
from tests.harness.processes import ROOT
from tests.site.blocks import Block, list_blocks
from tests.site.reader import CHAT, DEADLINE_S, Reader, insert_below

PAGE = "docs/tutorial-sources.md"
FOLLOWED = {PAGE: {"sh", "yaml", "text"}}
SIMULATOR = ".venv/bin/python -m tests.platforms."


class SourcesReader(Reader):
    """Starts the simulators of the page at free ports, in the checkout."""

    def start_simulator(self, command: str) -> None:
        port = shlex.split(command)[-1]
        chosen = self.ports[port] = str(free_port())
        before, self.folder = self.folder, ROOT
        self.start(command.replace(port, chosen), chosen)
        self.folder = before
        until = time.monotonic() + DEADLINE_S
        while chosen not in (printed := (self.home / f"{chosen}.log").read_text()):
            assert self.servers[chosen].poll() is None, printed
            assert time.monotonic() < until, printed
            time.sleep(0.05)

    def replace_ports(self, text: str) -> str:
        for port, chosen in self.ports.items():
            text = text.replace(f":{port}", f":{chosen}")
        return text

    def does(self, block: Block) -> None:
        text = self.replace_ports(block.text)
        if text.startswith(SIMULATOR):
            self.start_simulator(block.text)
        elif block.kind == "yaml":
            insert_below(self.home / block.about.removeprefix("~/"), "    knowledge:", text)
        else:
            super().does(Block(block.kind, block.about, text, block.page, block.line))


@pytest.fixture
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SourcesReader]:
    somebody = SourcesReader(tmp_path_factory.mktemp("reader"))
    somebody.variables["PARLEY_ENCODER"] = "light"
    yield somebody
    somebody.stop()


@pytest.mark.slow
def test_edits_and_deletions_at_notion_and_youtube_are_in_the_next_answer(reader: SourcesReader) -> None:
    reader.run("parley init myshop")
    for block in list_blocks(PAGE):
        reader.does(block)
    listed = reader.run("parley knowledge list")
    assert "youtube-sundew-care" in listed
    assert "Watering" not in listed
    for secret in ("ntn_simulated", "GOCSPX", "secret-refresh-token"):
        assert secret not in listed + (reader.home / f"{reader.ports[CHAT]}.log").read_text()


@pytest.mark.slow
def test_the_sources_of_the_page_are_those_that_the_simulators_print() -> None:
    (block,) = [block for block in list_blocks(PAGE) if block.kind == "yaml"]
    notion, youtube = yaml.safe_load(block.text)["sources"]
    assert printed_by("notion")[0].items() <= without_port(notion).items()
    (printed,) = printed_by("youtube")["tenants"]["shop"]["knowledge"]["sources"]
    assert printed["options"].items() <= without_port(youtube)["options"].items()
    assert printed["location"] == youtube["location"]


def printed_by(vendor: str) -> Any:
    command = [sys.executable, "-u", "-m", f"tests.platforms.{vendor}", "--port", str(free_port())]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as simulator:
        assert simulator.stdout is not None
        printed = ""
        while "options: {" not in printed and "private_hosts" not in printed:
            printed += simulator.stdout.readline()
        simulator.kill()
    return without_port(yaml.safe_load(printed))


def without_port(value: Any) -> Any:
    return yaml.safe_load(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:0", yaml.safe_dump(value)))
