"""Pages whose commands are for a project that runs: each of them works in the shop of the tutorial."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import Any

import pytest

from tests.deploy.test_documents import make_checkout
from tests.harness.processes import ROOT
from tests.site.blocks import Block, list_blocks, list_sources
from tests.site.reader import CHAT, Reader

HTTP, INDEX, UPGRADE, FRONT = "docs/how-to/http.md", "docs/how-to/index.md", "docs/how-to/upgrade.md", "README.md"
FOLLOWED = {HTTP: {"sh", "json"}, INDEX: {"sh"}, UPGRADE: {"sh"}, FRONT: {"sh"}}
PLANT_STORE = "examples/plantstore/parley.yaml"


def assert_like(shown: Any, printed: Any, where: str = "") -> None:
    """``…`` stands for any text."""
    if isinstance(shown, dict) and isinstance(printed, dict):
        assert list(shown) == list(printed), where
        for key, inner in shown.items():
            assert_like(inner, printed[key], f"{where}.{key}")
    elif isinstance(shown, list) and isinstance(printed, list):
        assert len(shown) == len(printed), where
        for number, inner in enumerate(shown):
            assert_like(inner, printed[number], f"{where}[{number}]")
    else:
        assert shown == printed or (shown == "…" and isinstance(printed, str) and printed), where


def as_one_script(blocks: list[Block]) -> str:
    """All commands in one terminal; what a block prints stands on lines of its own."""
    assert {block.kind for block in blocks} <= {"sh", "json"}
    return "\necho\n".join(block.text for block in blocks if block.kind == "sh")


@pytest.mark.slow
def test_a_program_asks_over_http_and_an_upgrade_finds_nothing_to_migrate(shop: Reader) -> None:
    blocks = list_blocks(HTTP)
    printed = [json.loads(line) for line in shop.run_script(as_one_script(blocks)).splitlines() if line.startswith("{")]
    shown = [json.loads(block.text) for block in blocks if block.kind == "json"]
    assert len(printed) == len(shown) == 2
    for expected, answer in zip(shown, printed, strict=True):
        assert_like(expected, answer)
    (script,) = list_sources(UPGRADE, "sh")
    assert "parley.yaml: valid" in shop.run_script(script)


def test_another_answer_would_be_noticed() -> None:
    assert_like({"a": "…", "b": [1]}, {"a": "x", "b": [1]})
    for other in ({"a": "", "b": [1]}, {"a": "x", "b": [2]}, {"a": "x", "b": []}, {"a": "x"}):
        with pytest.raises(AssertionError):
            assert_like({"a": "…", "b": [1]}, other)


def test_the_path_leads_to_the_command(reader: Reader) -> None:
    (script,) = list_sources(INDEX, "sh")
    reader.folder, reader.variables["PATH"] = ROOT, "/usr/bin:/bin"
    found = reader.run_script(f"{script}command -v parley python")
    assert found.splitlines() == [str(ROOT / ".venv" / "bin" / name) for name in ("parley", "python")]


@pytest.mark.slow
def test_a_reader_of_the_front_page_starts_the_example_and_asks(reader: Reader) -> None:
    reader.folder = make_checkout(reader.home)
    reader.variables["PARLEY_ENCODER"] = "light"
    for script in list_sources(FRONT, "sh"):
        if script == "make run\n":
            dry = ["make", "--dry-run", "run"]
            done = subprocess.run(dry, cwd=ROOT, check=True, capture_output=True, text=True).stdout
            assert f"parley dev --config {PLANT_STORE}" in done
            reader.serve(f".venv/bin/parley dev --config {PLANT_STORE}", reader.ports[CHAT], "/readyz")
        elif script.startswith("make "):
            subprocess.run([*shlex.split(script), "--dry-run"], cwd=ROOT, check=True, capture_output=True)
        elif "parley chat" in script:
            assert "\n  [1] Winter shipping" in reader.run(script.strip(), "Do you add a heat pack in winter?\n")
        else:  # tests/deploy/test_documents.py runs it
            assert script.startswith("printf"), script
