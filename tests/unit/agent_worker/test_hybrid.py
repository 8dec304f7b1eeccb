"""Words and vectors: counted right, kept right, and fitted by the same command that documents them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_worker.knowledge.index import passage_table as passages
from agent_worker.knowledge.index.arrays import Vocabulary
from agent_worker.knowledge.index.passage_table import (
    DocumentAttributes,
    DocumentNumbers,
    PassageKey,
    PassageTable,
    passage_number,
)
from agent_worker.knowledge.index.query_filter import QueryTerm, VisibilityFilter
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.index.term_counts import count_terms, decode_counts, encode_counts
from agent_worker.knowledge.index.term_statistics import DocumentStatistics, TermStatistics
from agent_worker.knowledge.ranking import calibration
from agent_worker.knowledge.ranking.bm25 import bm25_scores
from agent_worker.knowledge.ranking.ranker import rank
from agent_worker.knowledge.text.query_expansion import expand_query
from agent_worker.knowledge.text.query_splitting import focused_queries, is_question
from agent_worker.knowledge.text.splitting import PassageText
from agent_worker.knowledge.vectors import word_similarity
from agent_worker.knowledge.vectors.encoder import Encoder, light_encoder
from agent_worker.knowledge.vectors.vector_index import EXACT_ROWS, VectorIndex, products
from agent_worker.knowledge.vectors.word_similarity import WordSimilarity
from schemas.conversation import Document
from tests.unit.agent_worker.worker_environment import RETURNS, SHIPPING

NOW = datetime(2026, 3, 2, tzinfo=UTC)
NAMES = st.sampled_from("abcde")
BODIES = st.lists(st.sampled_from(["cold", "parcel", "moss", "warm"]), max_size=6)
TALLIES = st.builds(
    DocumentStatistics,
    st.lists(st.sampled_from(["cold", "plant", "parcel", "moss"]), unique=True),
    st.lists(st.tuples(*[st.integers(0, 50)] * 3), min_size=1, max_size=5).map(lambda rows: np.array(rows, np.int32)),
    st.booleans(),
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    found = light_encoder()
    assert found is not None
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, TALLIES | st.none()), max_size=30))
def test_census_counts_what_is_there(changes: list[tuple[str, DocumentStatistics | None]]) -> None:
    """However documents come, change and go, every count is that of the documents that are there."""
    census, kept = TermStatistics(), dict[str, DocumentStatistics]()
    for name, tally in changes:
        if (before := kept.pop(name, None)) is not None:
            census.drop(before)
        if tally is not None:
            census.put(tally)
            kept[name] = tally
    for term in ("cold", "plant", "parcel", "moss", "none"):
        assert census.frequency(term) == sum(term in tally.terms for tally in kept.values())
    assert (len(census), census.limited) == (len(kept), sum(tally.limited for tally in kept.values()))
    passages = sum(len(tally.lengths) for tally in kept.values())
    total = sum(int(tally.lengths[:, 2].sum()) for tally in kept.values())
    assert census.mean_length("p_body") == pytest.approx(max(1.0, total / passages) if passages else 1.0)


def test_nearest_rows_are_the_nearest() -> None:
    """Over more rows than are compared exactly, the nearest are found; removed ones never, also after tidying."""
    random = np.random.default_rng(1)
    vectors = random.normal(size=(8 * EXACT_ROWS, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = VectorIndex(128)
    for n in range(0, len(vectors), 100):
        assert rows.add(vectors[n : n + 100]) == n
    wanted = vectors[250:251] + random.normal(size=(1, 128)).astype(np.float32) * 0.02
    assert rows.nearest(wanted, 1) == [250]
    rows.clear(200, len(vectors))
    assert set(rows.nearest(vectors[20:21], 1)) == {20}
    kept = rows.select(np.arange(100, 200))
    assert (len(rows), len(kept)) == (len(vectors), 100)
    assert kept.nearest(vectors[150:151], 1) == [50]


def test_of_the_nearest_few_the_order_is_that_of_exact_cosines() -> None:
    """A number of a row takes a byte, and still the rows that are far nearer than others come in their true order."""
    random = np.random.default_rng(2)
    vectors = random.normal(size=(300, 256)).astype(np.float32)
    for place in range(10):
        vectors[place] = vectors[0] + place * random.normal(size=256) * 0.2
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = VectorIndex(256)
    rows.add(vectors)
    exact = np.argsort(-(vectors @ vectors[0]))[:10].tolist()
    assert rows.nearest(vectors[:1], 10) == exact


def test_words_alike_are_near(encoder: Encoder) -> None:
    """A word is nearest to itself, near to what means the same, and to nothing in an empty passage."""
    vocabulary = Vocabulary()
    passages = [vocabulary.put(words) for words in (["frozen"], ["invoice", "frost"], ["invoice"], [])]
    same, like, far, empty = WordSimilarity(encoder, vocabulary).of(["frozen"], passages)
    assert same[0] == pytest.approx(1.0, abs=5e-3)
    assert same[0] > like[0] > far[0]
    assert empty.tolist() == [0.0]


def test_words_met_again_are_as_near_as_at_first(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is room for a few words only, the vectors of the others are made again, and are the same."""
    vocabulary = Vocabulary()
    words = [f"{kind} {number}" for kind in ("frost", "parcel") for number in range(40)]
    passages = [vocabulary.put(words[begin : begin + 8]) for begin in range(0, len(words), 8)]
    plenty = WordSimilarity(encoder, vocabulary).of(["frozen", "box"], passages)
    monkeypatch.setattr(word_similarity, "MAX_WORDS", 10)
    monkeypatch.setattr(word_similarity, "BATCH_SIZE", 8)
    scarce = WordSimilarity(encoder, vocabulary)
    for _ in range(2):
        one_by_one = np.concatenate([scarce.of(["frozen", "box"], [passage]) for passage in passages])
        assert one_by_one == pytest.approx(plenty, abs=1e-6)
    assert scarce.of(["frozen", "box"], passages) == pytest.approx(plenty, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(NAMES, st.lists(BODIES, min_size=1, max_size=3) | st.none()), min_size=1, max_size=12))
def test_passages_hold_what_was_put_last(changes: list[tuple[str, list[list[str]] | None]]) -> None:
    """However documents come, change and go, words are counted as plain counting of what is there counts them, also
    after all words were numbered anew; of what is not there nothing is held."""
    table, census, kept = PassageTable(None), TermStatistics(), dict[str, list[list[str]]]()
    for name, bodies in changes:
        table.drop(name)
        kept.pop(name, None)
        if bodies is not None:
            pieces = [PassageText("", " ".join(body), "") for body in bodies]
            fields = [{"p_title": "", "p_heading": "", "p_body": " ".join(body)} for body in bodies]
            table.put(name, decode_counts(encode_counts(count_terms(name, pieces, fields))), DocumentAttributes(5))
            kept[name] = bodies
    before = table.view()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passages, "MAX_DEAD_WORDS", -1_000_000)
        table.drop("unknown")
    asked = [
        QueryTerm("cold", (("cold", 1.0),), 1.0),
        QueryTerm("van", (("parcel", 0.5), ("moss", 0.25), ("none", 1.0)), 1.0),
    ]
    places = [PassageKey(name, order) for name in "abcdef" for order in range(3)]
    for view in (before, table.view()):
        held = bm25_scores(asked, view, places, census)
        for place, (cold, van) in zip(places, held.tolist(), strict=True):
            bodies = kept.get(place.document, [])
            body = bodies[place.order] if place.order < len(bodies) else []
            assert cold == pytest.approx(_plainly(body, "cold"))
            assert van == pytest.approx(max(0.5 * _plainly(body, "parcel"), 0.25 * _plainly(body, "moss")))
            assert view.is_visible(place.document, VisibilityFilter(5)) == (place.document in kept)
            assert not view.is_visible(place.document, VisibilityFilter(6))


def _plainly(body: list[str], term: str) -> float:
    much = body.count(term) / (0.5 + 0.5 * len(body)) if body else 0.0
    return much / (much + 1)


def test_words_of_documents_that_went_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ever new words do not fill the memory: beyond some, those that stand nowhere any more are forgotten."""
    monkeypatch.setattr(passages, "MAX_DEAD_WORDS", 20)
    table = PassageTable(None)
    for number in range(200):
        body = f"word{number} more{number}"
        fields = [{"p_title": "", "p_heading": "", "p_body": body}]
        table.put("a", count_terms("a", [PassageText("", body, "")], fields), DocumentAttributes(5))
    view = table.view()
    assert view.number("word199") >= 0
    assert view.number("word0") == -1
    assert view.gather([PassageKey("a", 0)]).counts.tolist() == [[0, 0, 1], [0, 0, 1]]


def test_a_question_is_understood_alike_in_every_process(tmp_path: Path) -> None:
    """What may stand for a word comes in the order of the question, not in that of hashes, which differ by process."""
    index = TenantIndex(tmp_path / "one")
    body = "The packbox, the boxlid and the lidpen."
    index.apply([index.prepare(Document(id="a", title="Parts", body=body, version=1, updated_at=NOW), "stamp")])
    options = {term.text: [text for text, _ in term.options] for term in expand_query(index, "pack box lid pen")}
    assert options["box"] == ["packbox", "boxlid"]
    assert options["lid"] == ["boxlid", "lidpen"]


def test_a_document_keeps_its_number() -> None:
    """A passage is named by its number as long as its document is there; no number is given twice."""
    numbering = DocumentNumbers()
    for name in ("a", "b"):
        numbering.put(name, numbering.number_for(name))
    assert numbering.passage(passage_number(numbering.number_for("b"), 7)) == PassageKey("b", 7)
    before = numbering.number_for("a")
    numbering.drop("b")
    gone = passage_number(before + 1, 7)
    assert (numbering.number_for("a"), numbering.passage(gone)) == (before, None)
    assert numbering.number_for("c") == before + 2


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


def test_calibration_prints_what_it_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command says by split what the weights are worth, and prints weights that can be pasted, for every kind."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "shipping.md").write_text(SHIPPING)
    (tmp_path / "docs" / "returns.md").write_text(RETURNS)
    (tmp_path / "q.yaml").write_text(
        "questions:\n"
        "- {id: a, question: 'Do you add a heat pack in winter?', document: shipping, split: dev}\n"
        "- {id: b, question: 'Within how many days can I return pots?', document: returns, split: dev}\n"
        "- {id: c, question: 'Who composed this opera in winter?', document: null, split: dev}\n"
        "- {id: d, question: 'When do parcels leave?', document: shipping, split: test}\n"
    )
    calibration.main([str(tmp_path / "docs"), str(tmp_path / "q.yaml")])
    said = capsys.readouterr().out
    for kind in ("light", "words"):
        assert f"({kind})" in said
    for how in ("by document", "by question"):
        assert said.count(f"{how}\ndev: found first 1.000") == 2
    assert said.count("FUSION {") == said.count("WEIGHTS {") == 2
