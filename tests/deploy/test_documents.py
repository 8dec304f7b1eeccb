"""docs/documents.md and the front page: what they show is done here, and every setting is named."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import indent

import pytest

from agent_worker.sources.registry import file_endings
from gateway.admin.knowledge import DocumentRequest, SearchRequest
from gateway.config import loader as configuration
from gateway.config.knowledge import KnowledgeSettings, SourceSettings, WebsiteSettings
from tests.harness.processes import ROOT
from tests.harness.shared_parent import parley_command
from tests.site.blocks import list_sources

PAGE = (ROOT / "docs" / "documents.md").read_text()
FRONT = (ROOT / "README.md").read_text()


FOLLOWED = {"docs/documents.md": {"sh", "python", "toml"}}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path)


def make_checkout(folder: Path, parley: Sequence[str] = ()) -> Path:
    """The example, and `.venv/bin/parley`, as a newcomer has them; ``parley`` is what that runs."""
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns(".parley"))
    program = folder / ".venv" / "bin" / "parley"
    program.parent.mkdir(parents=True)
    command = shlex.join(parley or parley_command())
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}:$PYTHONPATH" exec {command} "$@"\n')
    program.chmod(0o755)
    return folder


def shell(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    environ = {
        "PATH": "/usr/bin:/bin",
        "PARLEY_PORT": "1",
        "PARLEY_MODEL": "local",
        "PYTHONPATH": str(folder),
        "HOME": str(folder),
    }
    return subprocess.run(
        ["sh", "-e", "-c", script], cwd=folder, env=environ, capture_output=True, text=True, timeout=100, check=False
    )


def test_a_newcomer_adds_asks_and_removes_a_document_in_under_ten_lines(checkout: Path) -> None:
    script, front = (
        next(block for block in list_sources(page, "sh") if "knowledge add" in block).splitlines()
        for page in ("docs/documents.md", "README.md")
    )
    assert len(script) < 10
    assert [line.partition("    #")[0] for line in front] == script[: len(front)], "the front page shows the beginning"
    done = shell(checkout, "\n".join(script))
    assert done.returncode == 0, done.stderr
    assert "1 added" in done.stdout
    assert "we pay for the parcel" in done.stdout
    assert done.stdout.index("we pay for the parcel") < done.stdout.index("DOCUMENT  VERSION"), "listed behind"
    assert "removed pots" in done.stderr


def test_a_package_adds_a_kind_of_file_as_the_page_shows(tmp_path: Path) -> None:
    # A new package is found by an interpreter that starts, not by one that is forked.
    checkout = make_checkout(tmp_path, [sys.executable, "-m", "gateway.cli"])
    (python,), (toml,) = list_sources("docs/documents.md", "python"), list_sources("docs/documents.md", "toml")
    (checkout / "my_package.py").write_text(f"from schemas.ports import Content\n\n\n{python}")
    folder = checkout / "my_package-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1\n")
    group, entry = re.findall(r'"(parley\.\w+)"\]\n(.*)', toml)[0]
    (folder / "entry_points.txt").write_text(f"[{group}]\n{entry.replace(chr(34), '')}\n")
    (checkout / "talk.eml").write_text("Subject: Talk\n\nA Nepenthes drinks rain water only.\n")
    command = ".venv/bin/parley knowledge {} --config examples/plantstore/parley.yaml"
    done = shell(
        checkout,
        f"{command.format('add talk.eml')}; {command.format('ask -k 1 ' + chr(34) + 'Nepenthes drinks?' + chr(34))}",
    )
    assert done.returncode == 0, done.stderr
    assert "1 added" in done.stdout
    assert "A Nepenthes drinks rain water only." in done.stdout


def test_the_configuration_on_the_page_is_valid(tmp_path: Path) -> None:
    synonyms, text = list_sources("docs/documents.md", "yaml")
    file = tmp_path / "parley.yaml"
    file.write_text(text + indent(synonyms.partition("\n")[2], " " * 4))
    knowledge = configuration.load(file, environ={}).tenants["plantstore"].knowledge
    assert [site.depth for site in knowledge.websites] == [3, 2]
    assert knowledge.private_hosts == ["wiki.internal:8443"]
    assert knowledge.synonyms[0] == ["soil", "substrate", "compost"]


def test_every_setting_field_and_ending_is_on_the_page() -> None:
    models = (KnowledgeSettings, SourceSettings, WebsiteSettings, DocumentRequest, SearchRequest)
    named = {name for model in models for name in model.model_fields} - {"answerable_above", "explain"}
    assert {name for name in named if not re.search(rf"\b{name}\b", PAGE)} == set()
    assert {ending for ending in file_endings() if f"`{ending}`" not in PAGE} == set()
    defaults = WebsiteSettings(url="https://a.example/")
    for name in ("depth", "pages", "megabytes", "minutes"):
        assert f"`{name}` ({getattr(defaults, name):g})" in PAGE
    for other in (FRONT, (ROOT / "docs" / "operations.md").read_text()):
        assert "docs/documents.md" in other
