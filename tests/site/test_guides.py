"""The how-to guides: there is one for each channel, and the commands and log events that they name exist."""

from __future__ import annotations

import re
import shlex

import pytest

from connectors.registry import CHANNELS
from tests.deploy.environment_checks import command_problems
from tests.harness.processes import ROOT
from tests.harness.source_tree import load_modules
from tests.site import test_channel_guides
from tests.site.blocks import list_pages, list_sources

GUIDES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
COMMAND = re.compile(r"(?:\S+/)?parley (.+?)(?: *\|.*)?")


def problems_of(line: str) -> list[str]:
    match = COMMAND.fullmatch(line)
    return command_problems(shlex.split(match[1].replace("…", "x"), comments=True)) if match else []


def test_there_is_a_guide_for_each_channel_that_is_followed() -> None:
    assert {*CHANNELS, "whatsapp-twilio"} - {"web"} == set(test_channel_guides.PAGES)
    assert all((ROOT / page).is_file() for page in test_channel_guides.PAGES.values())


@pytest.mark.parametrize("page", list_pages())
def test_every_command_that_a_page_names_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    shown = [line.strip() for block in list_sources(page, "sh") for line in block.splitlines()]
    named = re.findall(r"`((?:\S+/)?parley [a-z][^`\n]+)`", text)
    assert [problem for line in shown for problem in problems_of(line)] == []
    # A sentence may name a command without its arguments, which is a problem without a message.
    assert [problem for line in named for problem in problems_of(line) if not problem.endswith(": ")] == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets


def test_every_log_event_of_a_guide_is_written_somewhere() -> None:
    code = "".join(module.text for module in load_modules())
    named = {name for page in GUIDES for name in re.findall(r"`(\w+)` in the log", page.read_text())}
    assert len(named) >= 3
    assert {name for name in named if f'"{name}"' not in code} == set()
