"""Words and vectors: counted right, kept right, and fitted by the same command that documents them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_worker.knowledge import calibration
from agent_worker.knowledge.census import Census, Tally
from agent_worker.knowledge.dense import EXACT, DenseRows, Row
from agent_worker.knowledge.encoder import Encoder, light_encoder
from agent_worker.knowledge.index import TenantIndex
from agent_worker.knowledge.likeness import Likeness
from agent_worker.knowledge.questions import asks, focused
from agent_worker.knowledge.retrieval import rank
from schemas.conversation import Document
from tests.unit.agent_worker.world import RETURNS, SHIPPING

NOW = datetime(2026, 3, 2, tzinfo=UTC)
NAMES = st.sampled_from("abcde")
TALLIES = st.builds(
    Tally,
    st.lists(st.sampled_from(["cold", "plant", "parcel", "moss"]), unique=True).map(tuple),
    st.integers(1, 5),
    st.fixed_dictionaries({"p_body": st.integers(0, 50)}),
    st.booleans(),
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    found = light_encoder()
    assert found is not None
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, TALLIES | st.none()), max_size=30))
def test_census_counts_what_is_there(changes: list[tuple[str, Tally | None]]) -> None:
    """However documents come, change and go, every count is that of the documents that are there."""
    census, kept = Census(), dict[str, Tally]()
    for name, tally in changes:
        if tally is None:
            census.drop(name)
            kept.pop(name, None)
        else:
            census.put(name, tally)
            kept[name] = tally
    for term in ("cold", "plant", "parcel", "moss", "none"):
        assert census.frequency(term) == sum(term in tally.terms for tally in kept.values())
    assert (len(census), census.limited) == (len(kept), sum(tally.limited for tally in kept.values()))
    passages = sum(tally.passages for tally in kept.values())
    total = sum(tally.lengths["p_body"] for tally in kept.values())
    assert census.mean_length("p_body") == pytest.approx(max(1.0, total / passages) if passages else 1.0)


def test_nearest_rows_are_the_nearest() -> None:
    """Over more rows than are compared exactly, the nearest are found; removed ones never, also after tidying."""
    random = np.random.default_rng(1)
    vectors = random.normal(size=(8 * EXACT, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = DenseRows(128)
    for n in range(0, len(vectors), 100):
        rows.add([Row(f"d{n}", order, "text") for order in range(100)], vectors[n : n + 100])
    wanted = vectors[250:251] + random.normal(size=(1, 128)).astype(np.float32) * 0.02
    assert rows.nearest(wanted, 1) == [Row("d200", 50, "text")]
    assert rows.cosines([Row("d200", 50, "text"), Row("d200", 999, "text")], wanted).keys() == {Row("d200", 50, "text")}
    for n in range(200, len(vectors), 100):
        rows.remove(f"d{n}")
    assert len(rows) == 200
    assert {row.document for row in rows.nearest(wanted, 50)} == {"d0", "d100"}


def test_words_alike_are_near(encoder: Encoder) -> None:
    """A word is nearest to itself, near to what means the same, and to nothing in an empty passage."""
    same, like, far, empty = Likeness(encoder).of(["frozen"], [["frozen"], ["invoice", "frost"], ["invoice"], []])
    assert same[0] == pytest.approx(1.0, abs=1e-3)
    assert same[0] > like[0] > far[0]
    assert empty == [0.0]


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
    assert after.standings[0].document == "shipping"


def test_a_long_message_is_asked_by_its_sentences() -> None:
    """The sentence that asks comes first, with or without its mark; short remarks are left out."""
    whole, first, *rest = focused("my plant got chilled on the way. thanks. when can I start giving it fertiliser")
    assert whole.startswith("my plant")
    assert (first, rest) == ("when can I start giving it fertiliser", ["my plant got chilled on the way."])
    assert asks(first)
    assert not asks(rest[0])


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
