"""docs/tutorial-thirty-days.md, followed word by word: a played month leads to groups of failures, to a cure that is
tried on the past, and to training data."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.plantstore.month.__main__ import CONVERSATIONS, read_conversations
from tests.harness.processes import ROOT
from tests.site.blocks import Block, list_blocks
from tests.site.reader import CHAT, Reader

PAGE = "docs/tutorial-thirty-days.md"
FOLLOWED = {PAGE: {"sh", "yaml", "markdown", "text"}}
CUT = "…"
"""Stands for lines that the page leaves out."""


class MonthReader(Reader):
    """Begins in the checkout. An output is shown in part, and times in it differ from run to run."""

    def does(self, block: Block) -> None:
        if block.kind == "sh":
            self._does_all(block)
        elif block.about == "output":
            self._compares(block)
        else:
            path = self.folder / block.about
            path.parent.mkdir(exist_ok=True)
            path.write_text(block.text)

    def _does_all(self, block: Block) -> None:
        self.printed = ""
        for command in block.text.splitlines():
            if command.startswith("make "):
                subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, check=True, capture_output=True)
            elif command == "parley dev":
                self.serve(command, self.ports[CHAT], "/readyz")
            elif command.startswith("cd "):
                self.folder = Path(command.removeprefix("cd ").replace("~", str(self.home)))
            elif not command.startswith("export PATH"):
                fails = "eval run" in command and not (self.folder / "knowledge" / "gift-wrapping.md").exists()
                self.printed += self.run_script(f"{command} 2>&1 || test $? = {int(fails)}")

    def _compares(self, block: Block) -> None:
        shown = [without_times(line) for line in self.printed.splitlines()]
        expected = [without_times(line) for line in block.text.splitlines() if line != CUT]
        assert [line for line in expected if line not in shown] == [], f"{block}: {self.printed}"


def without_times(line: str) -> str:
    return re.sub(r"p95 \d+ ms", "p95 N ms", line)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[MonthReader]:
    somebody = MonthReader(tmp_path)
    somebody.variables["PARLEY_ENCODER"] = "light"
    somebody.folder = ROOT
    yield somebody
    somebody.stop()


@pytest.mark.slow
def test_a_month_leads_from_failures_to_a_cure_and_to_training_data(reader: MonthReader) -> None:
    for block in list_blocks(PAGE):
        reader.does(block)
    card = (reader.folder / "training" / "data-card.md").read_text()
    assert "| person_wrote |" in card
    rows = "".join(path.read_text() for path in (reader.folder / "training").glob("sft.*.jsonl"))
    assert "have a good day!" in rows, "what colleagues wrote is learned"


def test_the_month_has_customers_who_rate_and_colleagues_who_answer() -> None:
    conversations = read_conversations(CONVERSATIONS)
    assert all(each.says for each in conversations)
    assert {each.thumb for each in conversations} == {"", "up", "down"}
    assert any(each.colleague for each in conversations)
