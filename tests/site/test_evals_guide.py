"""docs/how-to/evals.md, followed: a suite notices a changed price, takes a case from the log, and compares setups."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from agent_worker.learning.evals.suite import Expectations, Gate, LengthLimits
from gateway.config.loader import load
from gateway.evals.runs import Setup, SuiteRunner
from gateway.evals.suite_files import read_suite
from gateway.replay.candidate_documents import read_configured_documents
from tests.harness.processes import ROOT
from tests.site.blocks import Block, list_blocks
from tests.site.reader import CHAT, Reader

PAGE = "docs/how-to/evals.md"
FOLLOWED = {PAGE: {"sh", "text", "yaml"}}
TEXT = (ROOT / PAGE).read_text()
BLOCKS = list_blocks(PAGE)
SUITE, ACTION_SUITE, GATE = (block.text for block in BLOCKS if block.kind == "yaml")
SHOP = ROOT / "examples" / "plantstore"


def see(reader: Reader, block: Block, status: int = 0) -> str:
    """What the terminal shows, without progress."""
    shown = reader.run_script(f"{block.text.strip()} 2>&1 || test $? = {status}")
    return "".join(line for line in shown.splitlines(keepends=True) if not line.startswith("running "))


def without_times(text: str) -> str:
    return re.sub(r"p95 \d+ ms", "p95 N ms", text)


@pytest.mark.slow
def test_a_suite_notices_a_changed_price_and_takes_cases_from_the_log(project: Reader) -> None:
    run, add, compare, ci = (block for block in BLOCKS if block.kind == "sh")
    run_output, compare_output = (block.text for block in BLOCKS if block.kind == "text")
    (project.folder / "evals.yaml").write_text(SUITE)
    assert "2 of 2 cases passed" in see(project, run)
    document = project.folder / "knowledge" / "delivery.md"
    right = document.read_text()
    document.write_text(right.replace("€4.90", "€5.90"))
    assert without_times(see(project, run, status=1)) == without_times(run_output)

    document.write_text(right)
    shutil.copytree(project.folder / "knowledge", project.folder / "new-documents")
    (project.folder / "new-documents" / "delivery.md").write_text(right.replace("€4.90", "€5.90"))
    (project.folder / "candidate.yaml").write_text("knowledge: new-documents\n")
    shown = see(project, compare).splitlines()
    assert [line for line in compare_output.splitlines() if line != "…" and line not in shown] == []

    project.serve("parley dev", project.ports[CHAT], "/readyz")
    assert "€4.90" in project.run('parley chat -m "How much is shipping?"')
    turn = json.loads(project.run("parley turns export --raw").splitlines()[0])
    conversation = turn.get("conversation") or turn["conversation_id"]
    assert "added" in see(project, Block("sh", "", re.sub(r"(?<=--conversation )\S+", conversation, add.text)))
    assert "3 of 3 cases passed" in see(project, ci)
    assert json.loads((project.folder / "results.json").read_text())["suite"] == "evals.yaml"


async def test_the_suites_of_the_page_and_of_the_example_pass(tmp_path: Path) -> None:
    shutil.copytree(SHOP, tmp_path / "shop", ignore=shutil.ignore_patterns(".parley"))
    file = tmp_path / "shop" / "parley.yaml"
    file.write_text(file.read_text().replace("encoder: auto", "encoder: light"))
    config = load(file)
    (page := tmp_path / "page.yaml").write_text(ACTION_SUITE)
    for suite in (page, file.with_name("evals.yaml")):
        (scratch := tmp_path / suite.stem).mkdir()
        documents = await read_configured_documents(config, "plantstore", scratch)
        runner = SuiteRunner(read_suite(suite), suite.name, "plantstore", documents)
        cases = (await runner.run(Setup("current", config), scratch)).cases
        assert [(case.name, case.error, case.checks) for case in cases if not case.passed] == []


def test_the_gate_of_the_page_is_one(tmp_path: Path) -> None:
    (suite := tmp_path / "suite.yaml").write_text(f"{GATE}\ncases:\n  - {{name: a, message: Hi}}\n")
    assert read_suite(suite).gate.model_fields_set == set(Gate.model_fields)


def test_every_expectation_and_every_limit_is_on_the_page() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE))
    assert Expectations.model_fields.keys() <= rows
    assert {name for name in LengthLimits.model_fields if f"`{name}`" not in TEXT} == set()
