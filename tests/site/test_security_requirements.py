"""The table of security requirements names tests that exist, and says why the rest is not met."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "security.md"
NOT_MET = "not met: "
FEWEST_MET = 55


def read_rows() -> list[tuple[str, str]]:
    """Requirement, and the test that shows it or the reason why it is not met."""
    table = PAGE.read_text(encoding="utf-8").partition("\n## Requirements\n")[2]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return [(row[0], row[-1]) for row in cells[1:] if not row[0].startswith("**")]


def find_missing(reference: str) -> str | None:
    """Return the reference if there is no such test."""
    named = re.fullmatch(r"`([\w/]+)::(test_\w+)`", reference)
    assert named is not None, reference
    file = ROOT / "tests" / f"{named[1]}.py"
    tree = ast.parse(file.read_text(encoding="utf-8") if file.is_file() else "")
    tests = {each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
    return None if named[2] in tests else reference


def test_every_requirement_names_a_test_or_says_why_it_is_not_met() -> None:
    rows = read_rows()
    shown = [reference for _, reference in rows if not reference.startswith(NOT_MET)]
    assert [missing for each in shown if (missing := find_missing(each))] == []
    assert all(len(reason) > len(NOT_MET) for _, reason in rows)
    assert len({requirement for requirement, _ in rows}) == len(rows)
    assert len(shown) >= FEWEST_MET
    assert f"{len(shown)} of {len(rows)} are met" in PAGE.read_text(encoding="utf-8")
