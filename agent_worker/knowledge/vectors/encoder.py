"""Text encoders: the protocol, and light word vectors. ``onnx_encoder.py`` has the sentence encoder."""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from agent_worker.knowledge.text.analysis import terms

Vectors = NDArray[np.float32]

log = structlog.get_logger("parley.knowledge")
_BATCH = 256
_SMALL_BATCH = 16
_RECENT_QUERIES = 64
Kind = Literal["strong", "vectors", "light", "words"]
"""Kind of search: by a sentence encoder and words, by a sentence encoder alone (for questions in another language than
the documents), by word vectors and words, or by words alone. The weights of ranking and confidence are fitted for
each."""


class Encoder(Protocol):
    """``name`` changes whenever the same text would get a different vector, so that stored vectors are recomputed.
    Vectors have norm 1, or 0 for a text without words. Blocking and thread-safe."""

    name: str
    kind: Kind
    size: int
    words_size: int

    @property
    def multilingual(self) -> Encoder | None:
        """Encodes questions in other languages into the same space; None where it is not installed."""

    def __hash__(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """A row of ``size`` numbers for each passage."""

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """Like ``encode``, for questions."""

    def start_query(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        """Start ``encode_query`` in the background where that pays. The returned function gives the vectors; call it
        once."""

    def encode_words(self, words: Sequence[str]) -> Vectors:
        """A row of ``words_size`` numbers for each word; fast enough for a thousand words within one search."""


class WordVectors:
    """The mean of a text's word vectors, from the weights in the wordllama package (256 numbers a text, 16 MB).

    The files are read without importing the package, which would change the process's logging.
    """

    name = "wordllama-l2-256"
    kind: Kind = "light"
    size = words_size = 256
    multilingual = None

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self._weights = Weights(folder / "weights" / "l2_supercat_256.safetensors", "embedding.weight")
        file = folder / "tokenizers" / "l2_supercat_tokenizer_config.json"
        self._tokens: Any = Tokenizer.from_file(str(file))
        self._tokens.model = _model_without_cache(json.loads(file.read_bytes())["model"])
        self._tokens.no_padding()
        self._tokens.no_truncation()
        # A turn compares the same few texts with documents, actions and intents.
        self._encode_query = lru_cache(maxsize=_RECENT_QUERIES)(self._encode_one)

    def encode(self, texts: Sequence[str]) -> Vectors:
        out = np.zeros((len(texts), self.size), np.float32)
        for begin in range(0, len(texts), _BATCH):
            encoded = self._tokenize(texts[begin : begin + _BATCH])
            filled = [(row, one.ids) for row, one in enumerate(encoded, begin) if one.ids]
            if filled:
                tokens = np.concatenate([ids for _, ids in filled])
                begins = np.cumsum([0, *(len(ids) for _, ids in filled[:-1])])
                found = self._weights.rows(np.minimum(tokens, len(self._weights) - 1))
                out[[row for row, _ in filled]] = np.add.reduceat(found, begins, axis=0)
        self._weights.release()
        out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
        return out

    def _tokenize(self, texts: Sequence[str]) -> list[Any]:
        """Few texts are encoded one by one: distributing a batch to threads takes longer."""
        if len(texts) <= _SMALL_BATCH:
            return [self._tokens.encode(text, add_special_tokens=False) for text in texts]
        made: list[Any] = self._tokens.encode_batch(list(texts), add_special_tokens=False)
        return made

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return np.stack([self._encode_query(text) for text in texts]) if texts else np.zeros((0, self.size), np.float32)

    def start_query(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        return partial(self.encode_query, texts)

    def encode_words(self, words: Sequence[str]) -> Vectors:
        return self.encode(words)

    def _encode_one(self, text: str) -> Vectors:
        vector: Vectors = self.encode([text])[0]
        return vector


def warm_up(encoder: Encoder | None) -> None:
    """Load what the first document would otherwise wait for, some hundred milliseconds."""
    if encoder is not None:
        encoder.encode_words(terms("warming up"))
        encoder.encode_query(["warming up"])


@lru_cache(maxsize=1)
def light_encoder() -> Encoder | None:
    """None when its package is not installed: the search then goes by words alone."""
    spec = find_spec("wordllama")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        log.info("encoder_missing", package="wordllama")
        return None
    return WordVectors(Path(places[0]))


_HEADER_SIZE = struct.Struct("<Q")


class Weights:
    """A half-precision table of a safetensors file (header size, JSON header with the tables' positions, tables). It is
    memory-mapped, so that all processes of a machine share the system's page cache. Thread-safe."""

    def __init__(self, path: Path, name: str) -> None:
        """Raises OSError, or ValueError when the file has no such table."""
        with path.open("rb") as file:
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (size,) = _HEADER_SIZE.unpack_from(self._mapped)
        description = json.loads(self._mapped[_HEADER_SIZE.size : _HEADER_SIZE.size + size]).get(name)
        if description is None or description["dtype"] != "F16" or len(description["shape"]) != 2:
            raise ValueError(f"{path.name} has no table {name} in half precision")
        count, width = description["shape"]
        begin = _HEADER_SIZE.size + size + description["data_offsets"][0]
        self._rows: NDArray[np.float16] = np.frombuffer(self._mapped, np.float16, count * width, begin).reshape(
            -1, width
        )

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, numbers: NDArray[np.int64]) -> Vectors:
        return self._rows[numbers].astype(np.float32)

    def release(self) -> None:
        """Release the memory that lookups took. A concurrent lookup only has to read again."""
        if hasattr(self._mapped, "madvise"):
            self._mapped.madvise(mmap.MADV_DONTNEED)


def _model_without_cache(saved: dict[str, Any]) -> Any:
    """Build the tokenizer's model from its saved form. With its cache it would keep ten thousand short texts, some
    60 MB, and texts hardly ever repeat."""
    from tokenizers.models import BPE

    merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in saved["merges"]]
    options = {name: saved[name] for name in ("unk_token", "fuse_unk", "byte_fallback")}
    return BPE(saved["vocab"], merges, cache_capacity=0, **options)
