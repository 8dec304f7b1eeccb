"""Measures how often a question in another language finds its section of an English document (XQuAD).

python -m tests.measure.languages ../shared/data/reader [LANGUAGE...] [--every N]

Each article is a document, and each paragraph one of its sections. Only the penalty of the map was chosen on half of
this set. ``in 3``: the right
section is among the first three, which are those that "Did you mean" offers; ``offered``: it is, and the confidence is
high enough for offering it; ``sure``: the first section is right and would be quoted; ``right of sure``: of those that
would be quoted, the right ones.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ranking.search import search_index
from agent_worker.knowledge.vectors.embedding import short_heading
from agent_worker.knowledge.vectors.encoder import Encoder, light_encoder
from agent_worker.knowledge.vectors.language_map import read_rows
from agent_worker.knowledge.vectors.onnx_encoder import open_folder
from infra.deploy.encoder import fetch
from schemas.conversation import Document
from schemas.ports import SearchResult

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = 3


@dataclass(frozen=True, slots=True)
class SectionQuestion:
    """A question and its section: document and heading."""

    text: str
    section: tuple[str, str]


def read_documents(data: Path) -> list[Document]:
    articles: dict[str, list[str]] = {}
    for row in read_rows(data / "xquad" / "en.jsonl.gz"):
        articles.setdefault(row["title"], []).append(row["passage"])
    return [
        Document(id=title, title=title, body=_body(passages), version=1, updated_at=NOW, language="en")
        for title, passages in articles.items()
    ]


def _body(passages: Sequence[str]) -> str:
    return "\n\n".join(f"## {_heading(place)}\n\n{passage}" for place, passage in enumerate(passages))


def _heading(place: int) -> str:
    return f"Part {place + 1}"


def languages_of(data: Path) -> list[str]:
    return sorted(file.name.partition(".")[0] for file in (data / "xquad").glob("*.jsonl.gz"))


def read_questions(data: Path, language: str) -> list[SectionQuestion]:
    """The same in all languages, in the same order."""
    rows = read_rows(data / "xquad" / f"{language}.jsonl.gz")
    titles = [row["title"] for row in read_rows(data / "xquad" / "en.jsonl.gz")]
    places: dict[str, int] = {}
    asked: list[SectionQuestion] = []
    for title, row in zip(titles, rows, strict=True):
        place = places[title] = places.get(title, -1) + 1
        asked += [SectionQuestion(each["question"], (title, _heading(place))) for each in row["questions"]]
    return asked


def sections(found: SearchResult) -> list[tuple[str, str]]:
    return list(dict.fromkeys((each.document, short_heading(each.heading)) for each in found.passages))


def measure(index: TenantIndex, encoder: Encoder, language: str, asked: Sequence[SectionQuestion]) -> str:
    begin = time.process_time()
    found = [search_index(index, "xquad", each.text, NOW, encoder, language=language) for each in asked]
    spent = (time.process_time() - begin) / len(asked)
    ranks = [[section == each.section for section in sections(one)] for one, each in zip(found, asked, strict=True)]
    first = [any(rank[:1]) for rank in ranks]
    in_three = [any(rank[:FIRST]) for rank in ranks]
    offered = [right and one.suggestable for right, one in zip(in_three, found, strict=True)]
    sure = [right for right, one in zip(first, found, strict=True) if one.answerable]
    cells = [sum(each) / len(asked) for each in (first, in_three, offered, sure)]
    precision = sum(sure) / len(sure) if sure else 0.0
    shares = "  ".join(f"{cell:8.3f}" for cell in cells)
    return f"{language:8}  {len(asked):9}  {shares}  {precision:14.3f}  {1000 * spent:6.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("languages", nargs="*")
    parser.add_argument("--every", type=int, default=1, help="ask only every Nth question")
    given = parser.parse_args()
    light = light_encoder()
    assert light is not None
    encoder = open_folder(fetch(), light)
    print("language  questions  first     in 3      offered   sure      right of sure   ms CPU")
    with tempfile.TemporaryDirectory() as folder:
        index = TenantIndex(Path(folder), encoder)
        index.apply([index.prepare(document, "1") for document in read_documents(given.data)])
        for language in given.languages or languages_of(given.data):
            print(measure(index, encoder, language, read_questions(given.data, language)[:: given.every]), flush=True)
        index.close()


if __name__ == "__main__":
    main()
