"""Right and wrong answers in four trades, to customers' messages by people who had not seen the code.

python -m tests.measure.answers [TRADE...] [--encoder strong|light|words] [--part tuning|unseen] [--show] [--json FILE]

Each trade has a folder in ``tests/answers``: documents, ``tuning.yaml`` with 80 customers, on whom anything may be
tuned, and ``unseen.yaml`` with 40, of whom only figures are printed (``--show`` leaves them out). The plant store's
documents are the example's. Answers come from the ``local`` model, without actions. ``reworded right``: of the
follow-ups, each asked alone in words that need no conversation; follow-ups can hardly do better.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.quality.check import Outcome, QualityReport, SuiteRunner
from agent_worker.knowledge.quality.suite import read_suite
from agent_worker.knowledge.ranking.search import search_index
from agent_worker.knowledge.text.documents import ENDINGS, read_file
from agent_worker.knowledge.vectors.encoder import Encoder, light_encoder
from agent_worker.knowledge.vectors.onnx_encoder import open_folder
from agent_worker.models.local.model import LocalModel
from agent_worker.settings import WorkerSettings
from agent_worker.voice import DEFAULT_VOICE
from infra.deploy.encoder import fetch
from infra.deploy.kafka_files import cache_dir
from schemas.conversation import Document
from schemas.ports import SearchResult
from tests.harness.processes import ROOT

ANSWERS = ROOT / "tests" / "answers"
TRADES = ("plantstore", "dental", "saas", "bank")
PARTS = ("tuning", "unseen")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def documents_of(trade: str) -> Path:
    own = ANSWERS / trade / "knowledge"
    return own if own.exists() else ROOT / "examples" / trade / "knowledge"


def open_encoder(name: str) -> Encoder | None:
    light = light_encoder()
    if name == "words" or light is None:
        return None
    return light if name == "light" else open_folder(fetch(), light)


def index_documents(folder: Path, directory: Path, encoder: Encoder | None) -> TenantIndex:
    """The index of a folder's documents. Documents that are in ``directory`` unchanged are not indexed again."""
    index = TenantIndex(directory, encoder)
    drafts = [read_file(path) for path in sorted(folder.iterdir()) if path.suffix in ENDINGS]
    stamps = {draft.id: hashlib.sha256(f"{draft.title}\n{draft.body}".encode()).hexdigest() for draft in drafts}
    changed = [draft for draft in drafts if index.versions.get(draft.id) != stamps[draft.id]]
    documents = [Document(id=d.id, title=d.title, body=d.body, version=1, updated_at=NOW) for d in changed]
    gone = index.versions.keys() - stamps.keys()
    if documents or gone:
        index.apply([index.prepare(document, stamps[document.id]) for document in documents], gone)
    return index


@dataclass(frozen=True, slots=True)
class TradeResult:
    """``seconds``: CPU time of one graded message, without indexing. ``reworded``: the replies to the follow-ups, each
    asked alone in words that need no conversation."""

    report: QualityReport
    seconds: float
    reworded: Sequence[Outcome] = ()

    def figures(self) -> dict[str, float | None]:
        right = [each.grade == "right" for each in self.reworded]
        return {**self.report.figures(), "reworded_right": sum(right) / len(right) if right else None}


async def measure(
    trade: str, part: str, encoder: Encoder | None, folder: Path, *, reworded: bool = True
) -> TradeResult:
    """Without ``reworded``, the follow-ups are not asked alone."""
    index = index_documents(documents_of(trade), folder, encoder)
    suite = read_suite(yaml.safe_load((ANSWERS / trade / f"{part}.yaml").read_text(encoding="utf-8")))
    suite = suite.model_copy(update={"name": f"{trade}, {part}"})

    async def search(text: str, language: str) -> SearchResult:
        return search_index(index, trade, text, NOW, encoder, language=language)

    runner = SuiteRunner(search, LocalModel(WorkerSettings({})), trade, DEFAULT_VOICE)
    began = time.process_time()
    report = await runner.run(suite)
    seconds = (time.process_time() - began) / len(report.outcomes)
    alone = [one for case in suite.cases for one in case.reword_follow_ups()] if reworded else []
    outcomes = (await runner.run(suite.model_copy(update={"cases": alone}))).outcomes if alone else ()
    return TradeResult(report, seconds, outcomes)


def join_results(name: str, measured: Sequence[TradeResult]) -> TradeResult:
    """All together. The separation is the mean, because confidences of different trades are compared with one line."""
    outcomes: list[Outcome] = [outcome for each in measured for outcome in each.report.outcomes]
    separations = [each.report.separation for each in measured if each.report.separation is not None]
    mean = sum(separations) / len(separations) if separations else None
    seconds = sum(each.seconds * len(each.report.outcomes) for each in measured) / len(outcomes)
    reworded = [outcome for each in measured for outcome in each.reworded]
    return TradeResult(QualityReport(name, measured[0].report.encoder, outcomes, mean), seconds, reworded)


def print_table(measured: Sequence[TradeResult]) -> None:
    names = list(measured[0].figures())
    width = max(len(each.report.name) for each in measured)
    print(f"{'':{width}}  replies  " + "  ".join(name.replace("_", " ")[:14].rjust(14) for name in names) + "   ms CPU")
    for each in measured:
        figures = each.figures()
        cells = ["–" if (value := figures[name]) is None else f"{value:.3f}" for name in names]
        print(
            f"{each.report.name:{width}}  {len(each.report.outcomes):7}  "
            + "  ".join(cell.rjust(14) for cell in cells)
            + f"  {1000 * each.seconds:7.1f}"
        )


def show_failures(reports: Iterable[QualityReport]) -> None:
    for report in reports:
        for each in report.outcomes:
            if each.grade not in ("right", "rightly_declined"):
                said = " ".join(each.reply.text.split())
                print(f"\n{each.case.id} {each.case.kind} {each.grade} {each.reply.confidence:.2f}")
                print(f"  > {each.message.say}\n  {said[:400]}\n  wanted {each.message.must_contain}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trades", nargs="*", choices=[*TRADES, []], metavar="TRADE")
    parser.add_argument("--encoder", choices=("strong", "light", "words"), default="strong")
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    encoder, trades = open_encoder(given.encoder), given.trades or TRADES
    folder = cache_dir() / "answers"
    all_measured: list[TradeResult] = []
    for part in [given.part] if given.part else PARTS:
        measured = [await measure(trade, part, encoder, folder / f"{trade}-{given.encoder}") for trade in trades]
        all_measured += [*measured, *([join_results(f"all, {part}", measured)] if len(measured) > 1 else [])]
        if given.show and part != "unseen":
            show_failures(each.report for each in measured)
    print(f"encoder {encoder.name if encoder else 'none: words alone'}")
    print_table(all_measured)
    if given.json:
        given.json.write_text(json.dumps({each.report.name: each.figures() for each in all_measured}, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
