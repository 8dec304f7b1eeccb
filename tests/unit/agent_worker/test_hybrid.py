"""Words and vectors: counted right, kept right, and fitted by the same command that documents them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_worker.knowledge.index.passage_store import PassageStore, passage_numbers
from agent_worker.knowledge.index.prepared_document import NEVER, PreparedDocument, prepare
from agent_worker.knowledge.index.query_filter import QueryTerm, VisibilityFilter
from agent_worker.knowledge.index.stored_passage import PassageCache, StoredPassage
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ranking.bm25 import bm25_scores
from agent_worker.knowledge.ranking.ranker import rank
from agent_worker.knowledge.text.query_expansion import expand_query, use_known_words
from agent_worker.knowledge.text.query_splitting import (
    MAX_SEARCHED_BYTES,
    focused_queries,
    is_question,
    select_relevant,
)
from agent_worker.knowledge.vectors import word_similarity
from agent_worker.knowledge.vectors.cosine_similarity import cosines_of
from agent_worker.knowledge.vectors.encoder import Encoder, Vectors, light_encoder
from agent_worker.knowledge.vectors.passage_vectors import decode_rows, encode_vectors
from agent_worker.knowledge.vectors.vector_index import VectorIndex, pack_signs, products
from agent_worker.knowledge.vectors.word_similarity import WordSimilarity
from schemas.conversation import Document
from tests.unit.agent_worker.worker_environment import RETURNS, SHIPPING

NOW = datetime(2026, 3, 2, tzinfo=UTC)
NAMES = st.sampled_from("abcde")
BODIES = st.lists(st.sampled_from(["cold", "parcel", "moss", "warm"]), max_size=6)
DOCUMENTS = st.builds(
    Document,
    id=NAMES,
    title=st.sampled_from(["", "cold moss"]),
    body=st.lists(BODIES.map(lambda words: f"## warm\n\n{' '.join(words)}."), min_size=1, max_size=3).map("\n\n".join),
    version=st.just(1),
    updated_at=st.just(NOW),
    visibility=st.sampled_from(["public", "verified", "internal"]),
    expires_at=st.sampled_from([None, NOW]),
    language=st.sampled_from(["", "de-AT"]),
)
CHANGES = st.lists(st.tuples(st.lists(DOCUMENTS, max_size=3), st.lists(NAMES, max_size=2)), min_size=1, max_size=5)
Changes = list[tuple[list[Document], list[str]]]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    found = light_encoder()
    assert found is not None
    return found


@settings(max_examples=60, deadline=None)
@given(CHANGES)
def test_totals_count_what_is_there(changes: Changes) -> None:
    """However documents come, change and go, every total is that of the documents that are there."""
    with tempfile.TemporaryDirectory() as folder, closing(PassageStore(Path(folder) / "passages.db")) as store:
        kept = _apply(store, changes)
        found = store.totals()
    assert (found.documents, found.passages) == (len(kept), sum(len(each.passages) for each in kept.values()))
    assert found.limited == sum(each.document.visibility != "public" or each.expires < NEVER for each in kept.values())
    assert found.for_verified == sum(each.document.visibility == "verified" for each in kept.values())
    assert found.languages == {each.document.language[:2] for each in kept.values()}
    fields = [fields for each in kept.values() for fields in _fields(each)]
    assert found.terms == tuple(sum(len(row[field]) for row in fields) for field in range(3))
    assert found.mean_lengths == tuple(max(1.0, count / max(1, len(fields))) for count in found.terms)


def _apply(store: PassageStore, changes: Changes) -> dict[str, PreparedDocument]:
    """Apply changes, each putting documents and removing others. Returns what is there then."""
    kept: dict[str, PreparedDocument] = {}
    for documents, removed in changes:
        with store.change() as writer:
            writer.remove(removed)
            prepared = [prepare(document, "stamp", None) for document in documents]
            for each in prepared:
                writer.put(each)
        for name in removed:
            kept.pop(name, None)
        kept |= {each.document.id: each for each in prepared}
    return kept


def _fields(document: PreparedDocument) -> list[tuple[list[str], list[str], list[str]]]:
    """Terms of each passage by field."""
    title = document.title_terms.split()
    return [(title, each.heading_terms.split(), each.body_terms.split()) for each in document.passages]


def test_nearest_passages_are_the_nearest() -> None:
    """Among many, the nearest is found by either of its vectors; removed ones never."""
    random = np.random.default_rng(1)
    vectors = random.normal(size=(2 * 2000, 120)).astype(np.float32)
    rows = VectorIndex.of(120, [], b"")
    assert rows.nearest(vectors[:1], 3) == []
    for n in range(0, 2000, 500):
        added = pack_signs(vectors[2 * n : 2 * n + 1000]).tobytes()
        rows = rows.replace([], VectorIndex.of(120, range(n, n + 500), added))
    nearby = vectors[[250, 2001]] + random.normal(size=(2, 120)).astype(np.float32) * 0.02
    assert rows.nearest(nearby[:1], 1) == [125]
    assert set(rows.nearest(nearby, 2)) == {125, 1000}
    fewer = rows.replace(range(100, 2000), VectorIndex.of(120, [], b""))
    assert (len(rows), len(fewer)) == (2000, 100)
    assert fewer.nearest(vectors[20:21], 1) == [10]
    assert 125 not in fewer.nearest(nearby, 100)
    assert rows.nearest(nearby[:1], 1) == [125], "a reader keeps what it began with"


def test_of_the_nearest_few_the_order_is_that_of_exact_cosines() -> None:
    """Only signs are compared among all, and still those found are ordered by their true cosines."""
    random = np.random.default_rng(2)
    vectors = random.normal(size=(300, 256)).astype(np.float32)
    for place in range(10):
        vectors[place] = vectors[0] + place * random.normal(size=256) * 0.2
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    encoded = encode_vectors([np.stack([each, each, each]) for each in vectors])
    rows = VectorIndex.of(256, range(300), encoded.signs)
    passages = [
        _Vectors(f"{n}", decode_rows(stored, 256), encoded.sentences, encoded.sentence_sum)
        for n, stored in enumerate(encoded.passages)
    ]
    found = rows.nearest(vectors[:1], 20)
    cosines = cosines_of([passages[place] for place in found], vectors[:1], np.zeros(256, np.float32), ["text"])[
        0, :, 0
    ]
    exact = vectors @ vectors[0]
    assert cosines == pytest.approx(exact[found], abs=2e-3)
    assert [found[place] for place in np.argsort(-cosines)[:10]] == np.argsort(-exact)[:10].tolist()


class _Vectors(NamedTuple):
    document: str
    rows: Vectors
    sentences: int
    sentence_sum: bytes


def test_words_alike_are_near(encoder: Encoder) -> None:
    """A word is nearest to itself, near to what means the same, and to nothing in an empty passage."""
    passages = ["frozen", "invoice frost", "invoice", ""]
    same, like, far, empty = WordSimilarity(encoder).of(["frozen"], passages)
    assert same[0] == pytest.approx(1.0, abs=5e-3)
    assert same[0] > like[0] > far[0]
    assert empty.tolist() == [0.0]


def test_words_met_again_are_as_near_as_at_first(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is room for a few words only, the vectors of the others are made again, and are the same."""
    words = [f"{kind}{number}" for kind in ("frost", "parcel") for number in range(40)]
    passages = [" ".join(words[begin : begin + 8]) for begin in range(0, len(words), 8)]
    plenty = WordSimilarity(encoder).of(["frozen", "box"], passages)
    monkeypatch.setattr(word_similarity, "MAX_WORDS", 10)
    monkeypatch.setattr(word_similarity, "BATCH_SIZE", 8)
    monkeypatch.setattr(word_similarity, "MAX_TEXTS", 2)
    scarce = WordSimilarity(encoder)
    for _ in range(2):
        one_by_one = np.concatenate([scarce.of(["frozen", "box"], [passage]) for passage in passages])
        assert one_by_one == pytest.approx(plenty, abs=1e-6)
    assert scarce.of(["frozen", "box"], passages) == pytest.approx(plenty, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(CHANGES)
def test_passages_hold_what_was_put_last(changes: Changes) -> None:
    """However documents come, change and go, words are counted as plain counting of what is there counts them; of what
    is not there nothing is held, and what may not be shown is not read."""
    asked = [
        QueryTerm("cold", (("cold", 1.0),), 1.0),
        QueryTerm("van", (("parcel", 0.5), ("moss", 0.25), ("none", 1.0)), 1.0),
    ]
    with tempfile.TemporaryDirectory() as folder, closing(PassageStore(Path(folder) / "passages.db")) as store:
        kept = _apply(store, changes)
        numbers = [number for document in range(1, 30) for number in passage_numbers(document, 4)]
        at = int(NOW.timestamp())
        for visibility in (VisibilityFilter(at), VisibilityFilter(at + 1), VisibilityFilter(at, verified=True)):
            passages = store.passages(numbers, visibility)
            visible = {
                name: each for name, each in kept.items() if visibility.allows(each.document.visibility, each.expires)
            }
            assert sorted((each.document, each.order) for each in passages) == [
                (name, order) for name in sorted(visible) for order in range(len(visible[name].passages))
            ]
            if not passages:
                continue
            scores = bm25_scores(asked, passages, (1.0, 2.0, 3.0)).tolist()
            for passage, (cold, van) in zip(passages, scores, strict=True):
                fields = _fields(visible[passage.document])[passage.order]
                assert cold == pytest.approx(_plainly(fields, "cold"))
                assert van == pytest.approx(max(0.5 * _plainly(fields, "parcel"), 0.25 * _plainly(fields, "moss")))


def _plainly(fields: Sequence[list[str]], term: str) -> float:
    much = sum(
        boost * field.count(term) / (0.5 + 0.5 * len(field) / mean)
        for field, boost, mean in zip(fields, (2.0, 1.5, 1.0), (1.0, 2.0, 3.0), strict=True)
    )
    return much / (much + 2)


def test_words_of_documents_that_went_are_let_go(tmp_path: Path) -> None:
    """Ever new words do not fill the index: those that stand nowhere any more are not counted, nor found."""
    index = TenantIndex(tmp_path / "one")
    for number in range(20):
        body = f"word{number} more{number}"
        index.apply([index.prepare(Document(id="a", title="", body=body, version=1, updated_at=NOW), f"{number}")])
    assert [index.document_frequency(f"word{number}") for number in range(20)] == [0] * 19 + [1]
    asked = [QueryTerm("word", tuple((f"word{number}", 1.0) for number in range(20)), 1.0)]
    assert len(index.find_passages(asked, VisibilityFilter(0), 50)) == 1
    assert index.totals.terms == (0, 0, 2)


def test_a_question_is_understood_alike_in_every_process(tmp_path: Path) -> None:
    """What may stand for a word comes in the order of the question, not in that of hashes, which differ by process."""
    index = TenantIndex(tmp_path / "one")
    body = "The packbox, the boxlid and the lidpen."
    index.apply([index.prepare(Document(id="a", title="Parts", body=body, version=1, updated_at=NOW), "stamp")])
    options = {term.text: [text for text, _ in term.options] for term in expand_query(index, "pack box lid pen")}
    assert options["box"] == ["packbox", "boxlid"]
    assert options["lid"] == ["boxlid", "lidpen"]


@pytest.mark.parametrize(
    ("asked", "words", "found"),
    [
        ("Is there Aircon?", "Is there air conditioning?", ["air", "condit"]),
        ("the wifi password", "the wi-fi password", ["wi", "fi"]),
        ("a telly in the room", "a telly in the room", []),
        ("is it air conditioning", "is it air conditioning", ["air", "condit"]),
    ],
)
def test_a_word_that_the_documents_lack_is_asked_in_theirs(
    tmp_path: Path, asked: str, words: str, found: list[str]
) -> None:
    index = TenantIndex(tmp_path / "one")
    body = "There is no air conditioning. The password of the Wi-Fi is on your key."
    index.apply([index.prepare(Document(id="a", title="House", body=body, version=1, updated_at=NOW), "stamp")])
    assert use_known_words(index, asked) == words
    options = [text for term in expand_query(index, asked) for text, _ in term.options]
    assert [text for text in options if text != "password"] == found


def test_a_document_keeps_its_number(tmp_path: Path) -> None:
    """A passage is named by its number as long as its document is there; no number is given twice."""
    index = TenantIndex(tmp_path / "one")
    asked = [QueryTerm("moss", (("moss", 1.0),), 1.0)]

    def put(*names: str) -> list[int]:
        made = [Document(id=name, title=name, body="Moss.", version=1, updated_at=NOW) for name in names]
        index.apply([index.prepare(document, "stamp") for document in made])
        return sorted(index.find_documents(asked, VisibilityFilter(0), 9))

    one, other = put("a", "b")
    assert put("a") == [one, other]
    index.apply([], ["b"])
    index.close()
    index = TenantIndex(tmp_path / "one")
    kept, new = put("c")
    assert kept == one
    assert new > other


def test_products_are_those_of_matrices() -> None:
    """Whatever the number of rows, few at a time give what all at once give."""
    random = np.random.default_rng(1)
    for count in (0, 1, 7, 8, 9, 64, 100):
        rows, others = random.normal(size=(count, 32)).astype(np.float32), random.normal(size=(3, 32))
        assert products(rows, others.astype(np.float32)) == pytest.approx(rows @ others.T, abs=1e-4)


def test_an_index_opened_again_ranks_as_before(tmp_path: Path, encoder: Encoder) -> None:
    """What is counted and compared in memory comes back from the disk as it was."""
    index = TenantIndex(tmp_path / "one", encoder)
    for name, body in (("shipping", SHIPPING), ("returns", RETURNS)):
        index.apply([index.prepare(Document(id=name, title=name, body=body, version=1, updated_at=NOW), "stamp")])
    before = rank(index, "Is there something warm in the parcel?", NOW, encoder)
    index.close()
    again = TenantIndex(tmp_path / "one", encoder)
    after = rank(again, "Is there something warm in the parcel?", NOW, encoder)
    assert [hit.key for hit in after.hits] == [hit.key for hit in before.hits]
    assert [hit.score for hit in after.hits] == pytest.approx([hit.score for hit in before.hits], abs=0.01)
    assert after.documents[0].document == "shipping"


def test_a_long_message_is_asked_by_its_sentences() -> None:
    """The sentence that asks comes first, with or without its mark; short remarks are left out."""
    whole, first, *rest = focused_queries(
        "my plant got chilled on the way. thanks. when can I start giving it fertiliser"
    )
    assert whole.startswith("my plant")
    assert (first, rest) == ("when can I start giving it fertiliser", ["my plant got chilled on the way."])
    assert is_question(first)
    assert not is_question(rest[0])


def test_of_the_passages_only_those_used_last_stay_in_memory() -> None:
    cache = PassageCache(limit=3)
    passages = [
        StoredPassage(n, "terms", 1, "", "", "", f"text {n}", "", "", "", "", "", b"", 0, b"", "public", 0)
        for n in range(5)
    ]
    cache.add(1, passages[:3])
    assert cache.find(1, [0, 7]) == {0: passages[0]}
    cache.add(1, passages[3:4])
    assert sorted(cache.find(1, range(5))) == [0, 2, 3], "1 was used least lately"
    assert cache.find(2, range(5)) == {}, "the document has changed since"


def test_of_a_long_text_the_questions_and_the_beginning_are_searched_for() -> None:
    """Whatever its script, within the same number of bytes; a short text stays as it is."""
    assert select_relevant("Moss is cold.  Is it?") == "Moss is cold.  Is it?"
    story = "I bought moss. " + "Then it rained again. " * 300 + "\nIs it too cold for moss? Thank you."
    relevant = select_relevant(story)
    assert relevant.startswith("I bought moss.\nThen it rained again.\n")
    assert relevant.endswith("\nIs it too cold for moss?")
    for text in (story, "\u65e5" * 7_990, "Moss? " * 1_300):
        assert 0.9 * MAX_SEARCHED_BYTES < len(select_relevant(text).encode()) <= MAX_SEARCHED_BYTES
