"""In a month of 10,000 conversations, most planted patterns are found among the ordinary ones, each with its cure, in
little memory.

The texts of ``print_shop`` and the seed were fixed before anything was measured with them; the rules and thresholds
were made on the other months."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.harness.processes import ROOT

MONTH, SEED, CONVERSATIONS = "print_shop", 20261129, 10_000
MAX_MB = 400
PURITY, COVERAGE = 0.8, 0.5
"""A pattern is found if a group consists of it to this share, and holds this share of its conversations."""


@dataclass
class Findings:
    found: set[str]
    cured: set[str]
    names: set[str]

    def __str__(self) -> str:
        missed = ", ".join(sorted(self.names - self.found)) or "none"
        return (
            f"{len(self.found)} of {len(self.names)} patterns found (missed: {missed}), {len(self.cured)} cures right"
        )


def compare(report: Any, patterns: list[Any]) -> Findings:
    pattern_of = {id: pattern["name"] for pattern in patterns for id in pattern["conversations"]}
    planted = {pattern["name"]: pattern for pattern in patterns}
    findings = Findings(set(), set(), set(planted))
    for group in report["groups"]:
        members = Counter(pattern_of.get(id) for id in group["conversations"])
        name, count = members.most_common(1)[0]
        if name is None or count < PURITY * members.total():
            continue
        if count >= COVERAGE * len(planted[name]["conversations"]):
            findings.found.add(name)
            if group["cure"] == planted[name]["cure"]:
                findings.cured.add(name)
    return findings


def analyze(texts: str, seed: int, conversations: int, folder: Path) -> Any:
    """Write and analyze the month in a process of its own, so that the memory of the analysis can be measured."""
    command = [sys.executable, "-m", "tests.unit.insights.month_analysis", texts, str(seed), str(conversations)]
    done = subprocess.run([*command, str(folder)], check=True, cwd=ROOT, timeout=280, capture_output=True, text=True)
    return json.loads(done.stdout)


@pytest.mark.timeout(300)
def test_planted_patterns_are_found_with_their_cures(tmp_path: Path) -> None:
    result = analyze(MONTH, SEED, CONVERSATIONS, tmp_path)
    findings = compare(result["report"], result["patterns"])
    print(f"{findings}; {result['seconds']:.0f} s of processor time, {result['megabytes']} MB")
    assert len(findings.found) >= 10
    assert len(findings.cured) >= 8
    assert result["megabytes"] < MAX_MB
