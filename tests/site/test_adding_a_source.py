"""docs/adding-a-source.md builds a source as a package of its own, installs it, and syncs with it: articles are added,
changed and removed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.checkout import Checkout
from tests.harness.processes import ROOT
from tests.site.blocks import Block, list_blocks
from tests.site.reader import DEADLINE_S, SITE, Reader, insert_below

PAGE = "docs/adding-a-source.md"
FOLLOWED = {PAGE: {"json", "python", "toml", "yaml", "sh", "text"}}
CODE = "~/helpdesk/parley_helpdesk.py"
MOST_LINES = 100


def follow(reader: Reader) -> None:
    """Do what the page says, in its order, with the shop of the tutorial."""
    packages = reader.home / "packages"
    reader.variables |= {"PYTHONPATH": str(packages), "PARLEY_ENCODER": "light"}
    reader.run("parley init myshop")
    for block in list_blocks(PAGE):
        file = reader.home / block.about.removeprefix("~/")
        if block.kind == "yaml":
            insert_below(file, "    knowledge:", block.text.replace(SITE, reader.ports[SITE]))
        elif block.about.startswith("~/"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.text)
        elif "pip install" in block.text:
            reader.folder = reader.home
            install(reader, block, packages)
        else:
            reader.does(block)


def install(reader: Reader, block: Block, packages: Path) -> None:
    """Into a folder of its own, because this environment is shared. Nothing is fetched."""
    _, command = block.text.splitlines()
    source = shlex.split(command)[-1]
    options = ["--quiet", "--offline", "--no-deps", "--no-build-isolation", "--target", str(packages)]
    uv = [sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable, *options, source]
    done = subprocess.run(uv, cwd=reader.folder, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_source_of_the_page_adds_changes_and_removes(reader: Reader) -> None:
    """Each output is the one that the page shows: a new article, an edit, and a deletion."""
    follow(reader)
    listed = reader.run("parley knowledge list")
    assert "helpdesk-1" in listed
    assert "helpdesk-2" not in listed
    for secret, asked in (("20 euro", "When do we repair for free?"), ("mechanical", "Do you take old watches back?")):
        assert secret not in reader.run(shlex.join(["parley", "knowledge", "ask", asked]))
    customers = reader.run('parley knowledge ask --assurance verified "Do you take old watches back?"')
    assert "We take mechanical watches back at their value." in customers


def test_the_code_is_short_and_in_house_style(tmp_path: Path) -> None:
    (code,) = [block.text for block in list_blocks(PAGE) if block.about == CODE]
    assert len(code.splitlines()) < MOST_LINES
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    (tmp_path / "parley_helpdesk.py").write_text(code)
    Checkout(tmp_path).does("ruff", "check", "parley_helpdesk.py")
    Checkout(tmp_path).does("ruff", "format", "--check", "parley_helpdesk.py")


@pytest.mark.slow
def test_the_code_passes_the_type_checker(tmp_path: Path) -> None:
    """Together with a line that says that its class is a source."""
    (code,) = [block.text for block in list_blocks(PAGE) if block.about == CODE]
    file = tmp_path / "parley_helpdesk.py"
    file.write_text(code + "\n\ndef as_source() -> Source:\n    return HelpDesk()\n")
    file.write_text(file.read_text().replace("ReadDocument, SkippedDocument", "ReadDocument, SkippedDocument, Source"))
    Checkout(ROOT).does("mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), str(file))


def test_everything_that_the_page_names_exists() -> None:
    text = (ROOT / PAGE).read_text()
    named = set(re.findall(r"`((?:agent_worker|schemas)/[\w./]+)`", text))
    assert len(named) >= 4
    assert {name for name in named if not (ROOT / name).exists()} == set()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/documents.md", "docs/how-to/index.md"])
def test_the_page_is_found(page: str) -> None:
    assert "adding-a-source.md" in (ROOT / page).read_text()
