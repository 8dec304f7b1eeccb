"""Long messages: nDCG@10 of documents against plain BM25 over the same passages, in the same run.

python -m tests.measure.long_questions [DATA] [--encoder strong|light|words]

DATA: the folder with stackfaq. Without it only the trades are measured. The sets named stackfaq are of the half on
which nothing was fitted; the trades' questions were fitted on, without the stories.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import tantivy

from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ranking.ranker import rank
from agent_worker.knowledge.ranking.training_sets import read_sets, read_threads
from agent_worker.knowledge.text.analysis import terms
from agent_worker.knowledge.text.splitting import split
from agent_worker.knowledge.vectors.encoder import Encoder
from schemas.conversation import Document
from tests.bench.figures import quantile
from tests.measure.answers import ANSWERS, NOW, open_encoder
from tests.measure.long_questions.sets import LongQuestion, LongSet, Stories, stackfaq_sets, trade_set
from tests.measure.routing.__main__ import STACKFAQ
from tests.measure.routing.figures import gain

_MAX_FOUND = 200
"""Passages that plain BM25 finds, more than ten documents have."""


class PlainBm25:
    """Tantivy's BM25 over title, heading and text of the same passages in one field, with the same stop words and
    stems. A word counts as often as the question has it."""

    def __init__(self, documents: Sequence[Document]) -> None:
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("text", tokenizer_name="whitespace")
        builder.add_text_field("document", stored=True, tokenizer_name="raw")
        self._index = tantivy.Index(builder.build())
        writer = self._index.writer()
        for document in documents:
            for piece in split(document.title, document.body):
                text = " ".join(terms(f"{document.title}. {piece.heading}. {piece.text}"))
                writer.add_document(tantivy.Document(text=text, document=document.id))
        writer.commit()
        self._index.reload()

    def documents(self, question: str) -> list[str]:
        schema, should = self._index.schema, tantivy.Occur.Should
        words = [(should, tantivy.Query.term_query(schema, "text", term)) for term in terms(question)]
        searcher = self._index.searcher()
        found = searcher.search(tantivy.Query.boolean_query(words), _MAX_FOUND).hits
        return [searcher.doc(address)["document"][0] for _, address in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--encoder", choices=("strong", "light", "words"), default="light")
    given = parser.parse_args()
    encoder = open_encoder(given.encoder)
    print(f"encoder {encoder.name if encoder else 'none: words alone'}")
    print(f"{'':28}    n   BM25   ours  ratio   ms p50   p95 (CPU)")
    for each in _sets(given.data):
        ours, plain, spent = _measure(each, encoder)
        print(
            f"{each.name:28} {len(each.questions):4}  {plain:.3f}  {ours:.3f}  {ours / plain:5.2f}"
            f"  {quantile(spent, 0.5):7.1f} {quantile(spent, 0.95):5.1f}",
            flush=True,
        )


def _sets(data: Path | None) -> Iterator[LongSet]:
    stories = Stories()
    if data is not None:
        yield from stackfaq_sets(read_threads(data / STACKFAQ), stories)
    for given in read_sets(ANSWERS / "training" / "sets.yaml"):
        yield trade_set(given, stories)


def _measure(given: LongSet, encoder: Encoder | None) -> tuple[float, float, list[float]]:
    """Mean gains of our ranking and of plain BM25, and milliseconds of CPU time for each question."""
    plain = PlainBm25(given.documents)
    ours, theirs, spent = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        index = TenantIndex(Path(folder), encoder)
        index.apply([index.prepare(document, "1") for document in given.documents])
        for question in given.questions:
            begun = time.process_time()
            hits = rank(index, question.text, NOW, encoder).hits
            spent.append(1000 * (time.process_time() - begun))
            ours.append(_gain(question, [hit.document for hit in hits]))
            theirs.append(_gain(question, plain.documents(question.text)))
        index.close()
    return sum(ours) / len(ours), sum(theirs) / len(theirs), spent


def _gain(question: LongQuestion, documents: Sequence[str]) -> float:
    ranked = [document for document in dict.fromkeys(documents) if document not in question.hidden]
    return gain([document in question.right for document in ranked], len(question.right))


if __name__ == "__main__":
    main()
