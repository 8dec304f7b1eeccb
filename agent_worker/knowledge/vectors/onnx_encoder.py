"""A sentence encoder from a folder: any BERT-like network in ONNX format, with its tokenizer and settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache, partial
from os import cpu_count
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from agent_worker.knowledge.vectors.encoder import Encoder, Kind, Vectors
from agent_worker.knowledge.vectors.multilingual_encoder import open_multilingual
from schemas.errors import ConfigInvalid

MODEL, TOKENIZER, SETTINGS = "model.onnx", "tokenizer.json", "encoder.json"
_PARALLEL_FROM = 8
"""From this many texts on, all cores are used. A document's few passages leave the others to conversations."""


class EncoderSettings(BaseModel):
    """``encoder.json``. Change ``name`` with the model's files. ``pooling``: the first token's vector, or the mean of
    all; ``query_prefix`` and ``passage_prefix``: what the network expects before a text; ``max_tokens`` of one text,
    the rest is cut off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100)
    pooling: Literal["cls", "mean"] = "cls"
    query_prefix: str = ""
    passage_prefix: str = ""
    max_tokens: int = Field(default=512, ge=16, le=8192)


@lru_cache(maxsize=4)
def open_folder(folder: Path, words: Encoder) -> OnnxEncoder:
    """One encoder per process, because the network is large. Raises ConfigInvalid as OnnxEncoder does."""
    return OnnxEncoder(folder, words)


class OnnxEncoder:
    """Vectors of texts by the network in ``folder``; of single words by ``words``, which is a hundred times faster.

    Every text is computed separately: in a quantised network a vector would otherwise depend on the rest of its batch,
    and on one core a batch is no faster. Memory use does not grow with the number of texts.
    """

    kind: Kind = "strong"

    def __init__(self, folder: Path, words: Encoder) -> None:
        """Raises ConfigInvalid when the folder does not hold a usable encoder."""
        try:
            self._settings = EncoderSettings.model_validate(json.loads((folder / SETTINGS).read_bytes()))
            self._session, self._tokens = _session(folder / MODEL), _tokenizer(folder / TOKENIZER, self._settings)
        except Exception as error:  # both libraries raise various errors for a damaged file
            raise ConfigInvalid(
                f"{folder}: not a usable encoder ({type(error).__name__})",
                fix=f"it needs {MODEL}, {TOKENIZER} and {SETTINGS}; or set `encoder: light`",
            ) from error
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._words = words
        # Lasting threads, because the memory of a thread is never returned.
        self._pool = ThreadPoolExecutor(cpu_count() or 1, thread_name_prefix="encode")
        self._background = ThreadPoolExecutor(1, thread_name_prefix="encode-query")
        self.name = f"{self._settings.name}+{words.name}"
        self.words_size = words.words_size
        self.size = int(self._encode_one("size").shape[0])
        self._multilingual: Encoder | None = None

    @property
    def multilingual(self) -> Encoder | None:
        """See Encoder. Looked for until it is there, because it may be installed while the process runs."""
        if self._multilingual is None:
            self._multilingual = open_multilingual(self._settings.name, self)
        return self._multilingual

    def encode(self, texts: Sequence[str]) -> Vectors:
        return self._encode_all([self._settings.passage_prefix + text for text in texts])

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self.start_query(texts)()

    def start_query(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        prefixed = [self._settings.query_prefix + text for text in texts]
        futures = {text: self._background.submit(self._encode_one, text) for text in dict.fromkeys(prefixed)}
        return partial(self._gather, prefixed, futures)

    def _gather(self, texts: Sequence[str], futures: Mapping[str, Future[NDArray[np.float32]]]) -> Vectors:
        """Texts that the background thread has not started are encoded here, from the last to the first."""
        vectors = {
            text: self._encode_one(text) if future.cancel() else future.result()
            for text, future in reversed(list(futures.items()))
        }
        return np.stack([vectors[text] for text in texts]) if texts else np.zeros((0, self.size), np.float32)

    def encode_words(self, words: Sequence[str]) -> Vectors:
        return self._words.encode_words(words)

    def _encode_all(self, texts: Sequence[str]) -> Vectors:
        distinct = list(dict.fromkeys(texts))
        if len(distinct) < _PARALLEL_FROM:
            encoded = [self._encode_one(text) for text in distinct]
        else:
            encoded = list(self._pool.map(self._encode_one, distinct))
        vectors = dict(zip(distinct, encoded, strict=True))
        return np.stack([vectors[text] for text in texts]) if texts else np.zeros((0, self.size), np.float32)

    def _encode_one(self, text: str) -> NDArray[np.float32]:
        tokens = self._tokens.encode(text)
        inputs = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask, "token_type_ids": tokens.type_ids}
        feed = {name: np.array([value], np.int64) for name, value in inputs.items() if name in self._inputs}
        states: NDArray[np.float32] = self._session.run(None, feed)[0][0]
        pooled = states[0] if self._settings.pooling == "cls" else states.mean(axis=0)
        vector: NDArray[np.float32] = (pooled / max(float(np.linalg.norm(pooled)), 1e-9)).astype(np.float32)
        return vector


def _session(model: Path) -> Any:
    """One thread per text: several conversations search at once, and a second thread for one gains little."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Memory plans are cached per input shape, and nearly every text has a different length.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _tokenizer(file: Path, settings: EncoderSettings) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(settings.max_tokens)
    return tokenizer
