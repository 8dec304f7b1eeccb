"""Spread of the first passages over documents, and words of long questions."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.ranking.diversification import FIRST, MAX_PER_DOCUMENT, spread
from agent_worker.knowledge.ranking.ranker import DocumentScore, clear_document, rank
from agent_worker.knowledge.text.analysis import synonyms_of
from agent_worker.knowledge.text.query_expansion import expand_query
from schemas.conversation import Document

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@given(st.lists(st.sampled_from("abcdefg"), max_size=30), st.sampled_from([None, "a"]))
def test_first_passages_are_spread(documents: list[str], clear: str | None) -> None:
    """Every passage is there once, best first within its document. As long as there are others, no document but the
    clear one has more than its share among the first."""
    order = spread(documents, clear)
    assert sorted(order) == list(range(len(documents)))
    for name in set(documents):
        places = [place for place in order if documents[place] == name]
        assert places == sorted(places)
    counts = Counter(documents)
    room = sum(count if name == clear else min(count, MAX_PER_DOCUMENT) for name, count in counts.items())
    shown = Counter(documents[place] for place in order[: min(FIRST, room)])
    assert all(count <= MAX_PER_DOCUMENT for name, count in shown.items() if name != clear)


def test_one_document_fills_the_first_places_only_if_it_is_clear() -> None:
    documents = ["a"] * 6 + ["b", "c", "d"]
    assert spread(documents, None)[:5] == [0, 1, 6, 7, 8]
    assert spread(documents, "a")[:6] == [0, 1, 2, 3, 4, 5]


def test_a_document_is_clear_when_it_is_likelier_than_all_others_together() -> None:
    def scores(*values: float) -> list[DocumentScore]:
        return [DocumentScore(f"{place}", value, {}) for place, value in enumerate(values)]

    assert clear_document(scores(3.0, 1.0, 1.0)) == "0"
    assert clear_document(scores(3.0, 2.5, 2.5)) is None
    assert clear_document(scores(3.0)) == "0"


def _index(folder: Path, **bodies: str) -> TenantIndex:
    index = TenantIndex(folder)
    documents = [Document(id=name, title=name, body=body, version=1, updated_at=NOW) for name, body in bodies.items()]
    index.apply([index.prepare(document, "1") for document in documents])
    return index


def test_every_word_of_a_long_question_is_searched(tmp_path: Path) -> None:
    """The only document that answers is found by the last of many words, each as rare as it."""
    words = [f"subject{letter * 3}" for letter in "bcdfghjklmnp"]
    index = _index(tmp_path, **{word: f"All about {word}." for word in words})
    found = {hit.document for hit in rank(index, " ".join(words), NOW).hits}
    assert found == set(words)


def test_a_word_counts_as_often_as_it_is_said(tmp_path: Path) -> None:
    index = _index(tmp_path, kettle="The kettle whistles.", teapot="The teapot pours.")
    text = "My teapot is new. I rinse the teapot, I fill the teapot, and beside it stands a kettle."
    assert {term.text: term.count for term in expand_query(index, text)}["teapot"] == 3
    assert rank(index, text, NOW).hits[0].document == "teapot"
    assert (
        rank(index, text.replace("teapot", "kettle", 3).replace("a kettle", "a teapot"), NOW).hits[0].document
        == "kettle"
    )


def test_a_tenants_synonyms_find_its_words(tmp_path: Path) -> None:
    """In all their forms, and only for that tenant's searches."""
    index = _index(tmp_path, raising="Germination takes a month.", other="The door is green.")
    own = synonyms_of([["sow", "germinate"]])
    assert rank(index, "when do I sow", NOW).hits == []
    assert [hit.document for hit in rank(index, "when is it sowed", NOW, own_synonyms=own).hits] == ["raising"]
