"""The how-to guides: their configuration is valid, and their commands, simulators and log events exist."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.registry import CHANNELS
from gateway.config import loader
from tests.deploy.environment_checks import command_problems
from tests.harness.processes import ROOT
from tests.harness.source_tree import load_modules

GUIDES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
VALUES = {
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "PARLEY_SECRET_KEY": "s" * 32,
    "PARLEY_ADMIN_TOKEN": "a" * 32,
}


def blocks(page: Path, language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [re.sub(f"(?m)^{indent}", "", text) for indent, text in found]


def environment(text: str) -> dict[str, str]:
    return {name: VALUES.get(name, "a-secret") for name in re.findall(r"\$\{(\w+)\}", text)}


EXAMPLES = [(page, text) for page in GUIDES for text in blocks(page, "yaml")]


@pytest.mark.parametrize(("page", "text"), EXAMPLES, ids=[page.stem for page, _ in EXAMPLES])
def test_an_example_is_a_valid_configuration(page: Path, text: str, tmp_path: Path) -> None:
    values: dict[str, Any] = yaml.safe_load(text)
    shop = {"name": "Shop", **({"channels": values.pop("channels")} if "channels" in values else {})}
    file = tmp_path / "parley.yaml"
    file.write_text(yaml.safe_dump({"tenants": {"shop": shop}} | values))
    assert "shop" in loader.load(file, environ=environment(text)).tenants


def test_there_is_a_guide_for_each_channel_with_a_simulator_to_try_it() -> None:
    pages = {page.stem: page.read_text() for page in GUIDES}
    assert set(CHANNELS) - {"web"} <= set(pages)
    for name in (*(set(CHANNELS) - {"web"}), "whatsapp-twilio"):
        (simulator,) = re.findall(r"^python -m (tests\.simulators\.\w+)", pages[name], re.MULTILINE)
        assert find_spec(f"{simulator}.__main__"), simulator


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_every_command_of_a_guide_exists(page: Path) -> None:
    text = page.read_text()
    shown = [line.strip() for block in blocks(page, "sh") for line in block.splitlines()]
    commands = {*re.findall(r"`(parley [^`\n]+)`", text), *(line for line in shown if line.startswith("parley "))}
    assert [problem for command in commands for problem in command_problems(shlex.split(command)[1:])] == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets


def test_every_log_event_of_a_guide_is_written_somewhere() -> None:
    code = "".join(module.text for module in load_modules())
    named = {name for page in GUIDES for name in re.findall(r"`(\w+)` in the log", page.read_text())}
    assert len(named) >= 3
    assert {name for name in named if f'"{name}"' not in code} == set()
