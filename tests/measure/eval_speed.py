"""Measures how long a suite of the example shop takes without a model.

python -m tests.measure.eval_speed [cases] [light | auto]

The cases are the shop's questions, each with the documents that it has to cite. ``auto`` is the sentence encoder, if it
is installed: the first run encodes the documents, the second one finds them encoded. Prints, asserts nothing.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

import yaml

from agent_worker.learning.evals.suite import Suite
from gateway.config.loader import load
from gateway.evals.runs import EvalOptions, Setup, SuiteRunner
from gateway.replay.candidate_documents import read_configured_documents
from infra.telemetry import set_up_logging
from tests.harness.processes import ROOT

SHOP = ROOT / "examples" / "plantstore"


def build_suite(count: int) -> Suite:
    questions = yaml.safe_load((SHOP / "questions.yaml").read_text())["cases"]
    asked = [each for each in questions if each.get("must_cite")][:count]
    cases = [
        {"name": each["id"], "message": each["question"], "expect": {"cites": each["must_cite"][:1], "language": "en"}}
        for each in asked
    ]
    return Suite.model_validate({"cases": cases})


async def main(count: int, encoder: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        shop = Path(folder) / "shop"
        shutil.copytree(SHOP, shop, ignore=shutil.ignore_patterns(".parley"))
        file = shop / "parley.yaml"
        file.write_text(file.read_text().replace("encoder: auto", f"encoder: {encoder}"))
        suite = build_suite(count)
        for run in ("first", "second"):
            began, worked = time.perf_counter(), time.process_time()
            (scratch := Path(folder) / run).mkdir()
            config = load(file)
            documents = await read_configured_documents(config, "plantstore", scratch)
            runner = SuiteRunner(suite, "questions", "plantstore", documents, EvalOptions())
            result = await runner.run(Setup("current", config), scratch)
            took, work = time.perf_counter() - began, time.process_time() - worked
            print(f"{run} run, {encoder}: {len(result.cases)} cases in {took:.1f} s, {work:.1f} s of processor time")
            print(f"  {result.share_passed:.0%} passed, p95 {result.p95_ms:.0f} ms")


if __name__ == "__main__":
    set_up_logging(human=True, level="error")
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 50, sys.argv[2] if len(sys.argv) > 2 else "light"))
