"""A replay computes vectors once, and learns what it needs without touching the instance's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from agent_worker.knowledge.vectors.encoder import Encoder, Kind, Vectors
from agent_worker.knowledge.vectors.encoder_cache import EncoderCache
from agent_worker.learning.replay_context import recorded_clock
from gateway.config.loader import load
from gateway.wiring.replay import open_library
from gateway.wiring.routing import train
from tests.unit.gateway.replay.test_candidate import CONFIG, published

ROUTES = CONFIG.replace(
    "    knowledge:",
    """    routes:
      examples:
        shipping: [where is my parcel, how long does shipping take, when do you ship, is it sent yet]
        returns: [can I return it, I want to send it back, how do returns work, may I give it back]
    knowledge:""",
)


class CountingEncoder:
    """A text's vector is its length; counts the texts that it encodes."""

    kind: Kind = "strong"
    size, words_size = 2, 2
    multilingual = None

    def __init__(self, name: str = "counting") -> None:
        self.name = name
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.encoded += texts
        return np.array([[len(text), 1] for text in texts], np.float32).reshape(len(texts), 2)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self.encode(texts)

    def start_query(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        return lambda: self.encode(texts)

    def encode_words(self, words: Sequence[str]) -> Vectors:
        return self.encode(words)


def test_texts_are_encoded_once_by_each_encoder(tmp_path: Path) -> None:
    inner, file = CountingEncoder(), tmp_path / "cache" / "vectors.db"
    cache: Encoder = EncoderCache(inner, file)
    first = cache.encode(["a", "bb", "a"])
    assert inner.encoded == ["a", "bb"]
    assert first.tolist() == [[1, 1], [2, 1], [1, 1]]

    again = CountingEncoder()
    reopened = EncoderCache(again, file)
    assert reopened.encode(["bb", "ccc"]).tolist() == [[2, 1], [3, 1]]
    assert again.encoded == ["ccc"]
    assert reopened.encode([]).shape == (0, 2)

    other = CountingEncoder("another")
    EncoderCache(other, file).encode(["a"])
    assert other.encoded == ["a"]


async def test_intents_that_are_not_learned_yet_are_learned_for_the_replay_alone(tmp_path: Path) -> None:
    (tmp_path / "parley.yaml").write_text(ROUTES.replace("tenants:", "encoder: light\ntenants:"))
    (scratch := tmp_path / "scratch").mkdir()
    config = load(tmp_path / "parley.yaml")
    documents = [published("faq", "# FAQ\n\nYes.", version=1)]
    async with open_library(config, "shop", documents, scratch, recorded_clock) as (library, section):
        assert [document.id for document in await library.documents("shop")] == ["faq"]
        assert section.routes is not None
        learned = Path(section.routes.trained)
        assert learned.parent == scratch
        assert learned.exists()
    assert not list(tmp_path.rglob("shop.npz"))


async def test_intents_that_the_instance_has_learned_are_used(tmp_path: Path) -> None:
    (tmp_path / "parley.yaml").write_text(ROUTES.replace("tenants:", "encoder: light\ntenants:"))
    (scratch := tmp_path / "scratch").mkdir()
    config = load(tmp_path / "parley.yaml")
    assert train(config, "shop") is not None
    async with open_library(config, "shop", [], scratch, recorded_clock) as (_, section):
        assert section.routes == config.tenants["shop"].routes


async def test_quick_encoders_need_no_cache(tmp_path: Path) -> None:
    (tmp_path / "parley.yaml").write_text(CONFIG.replace("tenants:", "encoder: light\ntenants:"))
    (scratch := tmp_path / "scratch").mkdir()
    async with open_library(load(tmp_path / "parley.yaml"), "shop", [], scratch, recorded_clock):
        pass
    assert not list(tmp_path.rglob("vectors.db"))
