"""Encoders of texts as vectors: light word vectors, or a sentence encoder (``onnx_encoder.py``)."""

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

Vectors = NDArray[np.float32]

log = structlog.get_logger("parley.knowledge")
_BATCH = 256
_FEW = 16
Kind = Literal["strong", "light", "words"]
"""What search goes by: a sentence encoder and word vectors, word vectors alone, or words alone. What retrieval and
confidence weigh is fitted for each."""


class Encoder(Protocol):
    """``name`` changes whenever the same text would get another vector: stored ones are then made anew. All vectors
    are of norm 1, or 0 for a text without words. Blocking, safe in threads."""

    name: str
    kind: Kind
    size: int
    words_size: int

    def __hash__(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row of ``size`` numbers a passage."""

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """As ``encode``, for what is asked."""

    def asked(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        """``encode_query`` begun beside the caller, where that pays: what is returned gives the vectors, once."""

    def encode_words(self, words: Sequence[str]) -> Vectors:
        """One row of ``words_size`` numbers a word; cheap enough for a thousand of them within one search."""


class WordVectors:
    """The mean of a text's word vectors, from the weights in the wordllama package (256 numbers a text, 16 MB).

    The files are read without importing the package, which would change the process's logging.
    """

    name = "wordllama-l2-256"
    kind: Kind = "light"
    size = words_size = 256

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer

        self._weights = Weights(folder / "weights" / "l2_supercat_256.safetensors", "embedding.weight")
        self._tokens: Any = Tokenizer.from_file(str(folder / "tokenizers" / "l2_supercat_tokenizer_config.json"))
        self._tokens.no_padding()
        self._tokens.no_truncation()
        if hasattr(self._tokens.model, "_resize_cache"):
            # It would remember ten thousand whole texts, a kilobyte each; hardly any comes twice.
            self._tokens.model._resize_cache(0)

    def encode(self, texts: Sequence[str]) -> Vectors:
        out = np.zeros((len(texts), self.size), np.float32)
        for begin in range(0, len(texts), _BATCH):
            encoded = self._encoded(texts[begin : begin + _BATCH])
            filled = [(row, one.ids) for row, one in enumerate(encoded, begin) if one.ids]
            if filled:
                tokens = np.concatenate([ids for _, ids in filled])
                begins = np.cumsum([0, *(len(ids) for _, ids in filled[:-1])])
                found = self._weights.rows(np.minimum(tokens, len(self._weights) - 1))
                out[[row for row, _ in filled]] = np.add.reduceat(found, begins, axis=0)
        self._weights.release()
        out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9)
        return out

    def _encoded(self, texts: Sequence[str]) -> list[Any]:
        """A few one by one: a batch is dealt out to threads, which takes longer than they do."""
        if len(texts) <= _FEW:
            return [self._tokens.encode(text, add_special_tokens=False) for text in texts]
        made: list[Any] = self._tokens.encode_batch(list(texts), add_special_tokens=False)
        return made

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self.encode(texts)

    def asked(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        return partial(self.encode, texts)

    def encode_words(self, words: Sequence[str]) -> Vectors:
        return self.encode(words)


@lru_cache(maxsize=1)
def light_encoder() -> Encoder | None:
    """None when its package is not installed: search then goes by words alone."""
    spec = find_spec("wordllama")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if not places:
        log.info("encoder_missing", package="wordllama")
        return None
    return WordVectors(Path(places[0]))


# Numbers of a model as their file has them, mapped: what is looked up is held by the system's cache, which all
# processes of a machine share, and not by each of them.
_SIZE = struct.Struct("<Q")


class Weights:
    """A table in half precision, one of those of a safetensors file: the size of a head, the head as JSON, which says
    where each table stands behind it. For any number of threads."""

    def __init__(self, path: Path, name: str) -> None:
        """Raises OSError, ValueError when the file has no such table."""
        with path.open("rb") as file:
            self._mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        (size,) = _SIZE.unpack_from(self._mapped)
        about = json.loads(self._mapped[_SIZE.size : _SIZE.size + size]).get(name)
        if about is None or about["dtype"] != "F16" or len(about["shape"]) != 2:
            raise ValueError(f"{path.name} has no table {name} in half precision")
        count, width = about["shape"]
        begin = _SIZE.size + size + about["data_offsets"][0]
        self._rows: NDArray[np.float16] = np.frombuffer(self._mapped, np.float16, count * width, begin).reshape(
            -1, width
        )

    def __len__(self) -> int:
        return len(self._rows)

    def rows(self, numbers: NDArray[np.int64]) -> Vectors:
        """Those rows, exact."""
        return self._rows[numbers].astype(np.float32)

    def release(self) -> None:
        """Give the memory back that looking up took. Whoever looks up meanwhile only reads again."""
        if hasattr(self._mapped, "madvise"):
            self._mapped.madvise(mmap.MADV_DONTNEED)
