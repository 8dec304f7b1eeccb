"""The real sentence encoder: what it promises to the index, and what the index does not ask of it twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import yaml

from agent_worker.knowledge.answer_threshold import ANSWERABLE_ABOVE
from agent_worker.knowledge.index.passage_store import PassageStore, passage_numbers
from agent_worker.knowledge.index.prepared_document import prepare
from agent_worker.knowledge.index.query_filter import VisibilityFilter
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.quality.suite import read_suite
from agent_worker.knowledge.ranking.confidence import confidence
from agent_worker.knowledge.ranking.ranker import rank
from agent_worker.knowledge.ranking.search import search_index
from agent_worker.knowledge.ranking.training_sets import index_documents, read_documents
from agent_worker.knowledge.vectors.cosine_similarity import cosines_of
from agent_worker.knowledge.vectors.encoder import Encoder, Kind, light_encoder
from agent_worker.knowledge.vectors.onnx_encoder import OnnxEncoder, open_folder
from agent_worker.knowledge.vectors.passage_vectors import TenantVectors, embedded_rows, encode_vectors
from infra.deploy import encoder as fetching
from schemas.conversation import Document
from schemas.errors import ConfigInvalid
from tests.harness.sizes import size
from tests.unit.agent_worker.worker_environment import RETURNS, SHIPPING

if TYPE_CHECKING:
    from agent_worker.knowledge.vectors.encoder import Vectors

NOW = datetime(2026, 3, 2, tzinfo=UTC)
EXAMPLE = Path(__file__).parents[3] / "examples/plantstore"


@pytest.fixture(scope="module")
def folder() -> Path:
    """Says what to install when it cannot be had."""
    return fetching.fetch()


@pytest.fixture(scope="module")
def encoder(folder: Path) -> Encoder:
    light = light_encoder()
    assert light is not None
    return open_folder(folder, light)


class CountingEncoder:
    """The encoder, and which texts it was given."""

    kind: Kind = "strong"
    multilingual = None

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.name, self.size, self.words_size = encoder.name, encoder.size, encoder.words_size
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.encoded += texts
        return self._encoder.encode(texts)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self._encoder.encode_query(texts)

    def start_query(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        return self._encoder.start_query(texts)

    def encode_words(self, words: Sequence[str]) -> Vectors:
        return self._encoder.encode_words(words)


def put(index: TenantIndex, body: str, version: int = 1, name: str = "shipping") -> None:
    document = Document(id=name, title=name.title(), body=body, version=version, updated_at=NOW)
    index.apply([index.prepare(document, f"{version}")])


def test_meaning_counts_where_no_word_is_shared(encoder: Encoder) -> None:
    """The passage that answers is nearest, though it holds none of the question's words."""
    passages = ["The rosette turned mushy after frost.", "Invoices are sent by mail.", "We open at nine."]
    asked = encoder.encode_query(["my houseplant went soft and rotten, was it too cold for it?"])
    assert int((encoder.encode(passages) @ asked.T).argmax()) == 0


def test_vectors_are_of_norm_one_and_do_not_depend_on_company(encoder: Encoder) -> None:
    """A text has one vector, alone or among many, short or far too long, and another one as a question."""
    texts = ["short", "a sentence of some length about parcels", "word " * 3000, "", *(f"filler {n}" for n in range(9))]
    together = encoder.encode(texts)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-4)
    for text, vector in zip(texts, together, strict=True):
        assert encoder.encode([text])[0] == pytest.approx(vector, abs=1e-6)
    assert float(encoder.encode_query(["short"])[0] @ together[0]) < 0.99
    assert encoder.encode([]).shape == (0, encoder.size)


def test_concurrent_queries_get_the_same_vectors_as_single_ones(encoder: Encoder) -> None:
    """However many ask at once, and whoever comes to compute a text, each gets its own, in its order."""
    asked = [[f"parcel {number}", "does it freeze", f"pot {number}", "does it freeze"] for number in range(8)]
    waiting = [encoder.start_query(texts) for texts in asked]
    alone = [np.concatenate([encoder.encode_query([text]) for text in texts]) for texts in asked]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda given: given(), reversed(waiting)))[::-1]
    for one, other in zip(found, alone, strict=True):
        assert one == pytest.approx(other, abs=1e-6)
    assert encoder.start_query([])().shape == (0, encoder.size)


def test_folder_that_holds_no_encoder_is_refused_with_a_fix(folder: Path, tmp_path: Path) -> None:
    """A missing file, unknown settings or another file under the name are told at the start."""
    light = light_encoder()
    assert light is not None
    place = tmp_path / "encoder"
    shutil.copytree(folder, place)
    for wrong in ({"name": "x", "pooling": "max"}, {"name": "x", "colour": 1}, {}):
        (place / "encoder.json").write_text(json.dumps(wrong))
        with pytest.raises(ConfigInvalid, match="not a usable encoder"):
            OnnxEncoder(place, light)
    (place / "encoder.json").write_text('{"name": "x"}')
    (place / "model.onnx").write_bytes(b"not a network")
    with pytest.raises(ConfigInvalid) as refused:
        OnnxEncoder(place, light)
    assert "encoder: light" in refused.value.fix
    with pytest.raises(ConfigInvalid):
        OnnxEncoder(tmp_path / "nowhere", light)


def test_an_edit_embeds_only_what_changed(encoder: Encoder, tmp_path: Path) -> None:
    """A new version asks for vectors of its new texts alone, and is then searched as if it had been made anew."""
    counting = CountingEncoder(encoder)
    index = TenantIndex(tmp_path / "edited", counting)
    put(index, SHIPPING)
    first = len(counting.encoded)
    counting.encoded.clear()
    changed = SHIPPING.replace("for 72 hours", "for 100 hours")
    put(index, changed, version=2)
    assert first > len(counting.encoded) > 0
    assert all("100 hours" in text for text in counting.encoded)
    anew = TenantIndex(tmp_path / "anew", encoder)
    put(anew, changed, version=2)
    for question in ("how long does the warm thing last", "which weekdays do you post"):
        one, two = rank(index, question, NOW, encoder), rank(anew, question, NOW, encoder)
        assert [hit.key for hit in one.hits] == [hit.key for hit in two.hits]
        assert one.documents[0].features["sentence"] == pytest.approx(two.documents[0].features["sentence"], abs=2e-3)
    assert "100 hours" in rank(index, "how long does the warm thing last", NOW, encoder).hits[0].text


def test_a_start_embeds_nothing_again(encoder: Encoder, tmp_path: Path) -> None:
    """What was embedded is read from disk; another encoder's vectors are thrown away."""
    counting = CountingEncoder(encoder)
    index = TenantIndex(tmp_path / "one", counting)
    put(index, SHIPPING)
    put(index, RETURNS, name="returns")
    before = rank(index, "until when may I bring pots back", NOW, counting)
    index.close()
    counting.encoded.clear()
    again = TenantIndex(tmp_path / "one", counting)
    after = rank(again, "until when may I bring pots back", NOW, counting)
    assert (counting.encoded, after.documents[0].document) == ([], "returns")
    assert after.documents[0].score == pytest.approx(before.documents[0].score, abs=0.05)
    again.close()
    counting.name = "another"
    assert TenantIndex(tmp_path / "one", counting).versions == {}


def test_sentences_go_with_their_document(tmp_path: Path) -> None:
    """Of a removed document, or a passage it no longer has, no sentence is near; of the others the nearest counts."""
    one, two = np.eye(64, dtype=np.float32)[:2]
    made = {
        "a": [np.stack([one, two, one, one, two]), np.stack([one, one, two, two])],
        "b": [np.stack([two, two, two, two])],
    }
    store = PassageStore(tmp_path / "passages.db")
    with store.change() as writer:
        for name, vectors in made.items():
            body = "\n\n".join(f"## {order}\n\nText." for order in range(len(vectors)))
            document = Document(id=name, title=name, body=body, version=1, updated_at=NOW)
            writer.put(replace(prepare(document, "1", None), vectors=encode_vectors(vectors)))
    held = TenantVectors.of(64, store.vectors_of_documents())
    queries = np.stack([one, two])
    everybody = VisibilityFilter(0)
    (of_b,) = store.vectors_of_documents(["b"])
    assert of_b.passages == passage_numbers(2, 1)
    asked = [*passage_numbers(1, 2), *of_b.passages, passage_numbers(1, 8)[7]]

    def cosines(name: str) -> list[list[float]]:
        found: list[list[float]] = cosines_of(store.passages(asked, everybody), queries, held.common, [name])[
            0
        ].tolist()
        return found

    assert cosines("sentence") == [[1, 1], [0, 1], [0, 1]]
    assert cosines("whole") == [[0, 1], [1, 0], [0, 1]]
    assert [len(embedded_rows(rows, 64)) for rows in store.vectors("a")] == [5, 4]
    assert (held.index.nearest(queries[1:], 1), held.sentences) == ([*of_b.passages], 7)
    went = store.vectors_of_documents(["a", "unknown"])
    with store.change() as writer:
        writer.remove(["a", "unknown"])
    held = held.replace(went, [])
    assert cosines("sentence") == [[0, 1]]
    assert store.vectors("a") == []
    assert (held.index.nearest(queries[:1], 5), held.sentences) == ([*of_b.passages], 2)
    assert held.total.tolist() == TenantVectors.of(64, store.vectors_of_documents()).total.tolist()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_example_is_answered_well(encoder: Encoder, tmp_path: Path) -> None:
    """On the example's questions the right document comes first, and what is not there is not answered."""
    questions = read_suite(yaml.safe_load((EXAMPLE / "questions.yaml").read_text(encoding="utf-8"))).cases
    documents = list(read_documents(EXAMPLE / "knowledge"))[: size(14, full=1_000)]
    index = index_documents(documents, tmp_path / "index", encoder)
    there = [asked for asked in questions if index.versions.keys() >= set(asked.must_cite)]
    assert len(there) > len(documents)
    ranked = [(asked, rank(index, asked.say, NOW, encoder)) for asked in there]
    held = [(asked, of) for asked, of in ranked if asked.must_cite]
    absent = [of for asked, of in ranked if not asked.must_cite]
    first = sum(of.documents[0].document in asked.must_cite for asked, of in held) / len(held)
    assert first >= 0.9
    assert [of.hits[0].heading for of in absent if confidence(of.evidence, "strong") >= ANSWERABLE_ABOVE] == []
    assert all(search_index(index, "plantstore", asked.say, NOW, encoder).passages[0].related for asked, _ in held)
    astray = search_index(index, "plantstore", "Who won the world cup in 2014?", NOW, encoder)
    assert (len(astray.passages), astray.related_passages, astray.may_answer) == (8, [], False)
