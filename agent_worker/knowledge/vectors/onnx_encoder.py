"""A sentence encoder from a folder: any BERT-like network in ONNX form, with its tokenizer and a few settings."""

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
from schemas.errors import ConfigInvalid

MODEL, TOKENIZER, SETTINGS = "model.onnx", "tokenizer.json", "encoder.json"
_MANY = 8
"""From so many texts on, all cores help: a document's few passages leave the others to conversations."""


class EncoderSettings(BaseModel):
    """``encoder.json``. ``name`` is to change with the model's files; ``pooling``: the first token's vector, or the
    mean of all; ``query_prefix`` and ``passage_prefix`` are what the network was trained to see before a text;
    ``max_tokens`` of one text, the rest is cut off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=100)
    pooling: Literal["cls", "mean"] = "cls"
    query_prefix: str = ""
    passage_prefix: str = ""
    max_tokens: int = Field(default=512, ge=16, le=8192)


@lru_cache(maxsize=4)
def open_folder(folder: Path, words: Encoder) -> OnnxEncoder:
    """One for the process: the network takes its memory once. Raises ConfigInvalid as OnnxEncoder does."""
    return OnnxEncoder(folder, words)


class OnnxEncoder:
    """Vectors of texts by the network in ``folder``; of single words by ``words``, which is a hundred times faster.

    Every text is computed by itself: with a quantised network a vector would otherwise depend on what happens to be
    beside it in the batch, and on one core a batch is no faster. Memory does not grow with the number of texts."""

    kind: Kind = "strong"

    def __init__(self, folder: Path, words: Encoder) -> None:
        """Raises ConfigInvalid when the folder does not hold a usable encoder."""
        try:
            self._settings = EncoderSettings.model_validate(json.loads((folder / SETTINGS).read_bytes()))
            self._session, self._tokens = _session(folder / MODEL), _tokenizer(folder / TOKENIZER, self._settings)
        except Exception as error:  # both libraries raise what they like about a damaged file
            raise ConfigInvalid(
                f"{folder}: not a usable encoder ({type(error).__name__})",
                fix=f"it needs {MODEL}, {TOKENIZER} and {SETTINGS}; or set `encoder: light`",
            ) from error
        self._inputs = {given.name for given in self._session.get_inputs()}
        self._words = words
        # Lasting threads: each new one would take memory of its own, and never give it back.
        self._pool = ThreadPoolExecutor(cpu_count() or 1, thread_name_prefix="encode")
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="encode-query")
        self.name = f"{self._settings.name}+{words.name}"
        self.words_size = words.words_size
        self.size = int(self._one("size").shape[0])

    def encode(self, texts: Sequence[str]) -> Vectors:
        return self._all([self._settings.passage_prefix + text for text in texts])

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        return self.asked(texts)()

    def asked(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        prefixed = [self._settings.query_prefix + text for text in texts]
        begun = {text: self._beside.submit(self._one, text) for text in dict.fromkeys(prefixed)}
        return partial(self._gathered, prefixed, begun)

    def _gathered(self, texts: Sequence[str], begun: Mapping[str, Future[NDArray[np.float32]]]) -> Vectors:
        """What nobody has begun is done here, the last first: who is beside begins with the first."""
        of = {
            text: self._one(text) if waiting.cancel() else waiting.result()
            for text, waiting in reversed(list(begun.items()))
        }
        return np.stack([of[text] for text in texts]) if texts else np.zeros((0, self.size), np.float32)

    def encode_words(self, words: Sequence[str]) -> Vectors:
        return self._words.encode_words(words)

    def _all(self, texts: Sequence[str]) -> Vectors:
        distinct = list(dict.fromkeys(texts))
        if len(distinct) < _MANY:
            made = [self._one(text) for text in distinct]
        else:
            made = list(self._pool.map(self._one, distinct))
        of = dict(zip(distinct, made, strict=True))
        return np.stack([of[text] for text in texts]) if texts else np.zeros((0, self.size), np.float32)

    def _one(self, text: str) -> NDArray[np.float32]:
        tokens = self._tokens.encode(text)
        given = {"input_ids": tokens.ids, "attention_mask": tokens.attention_mask, "token_type_ids": tokens.type_ids}
        fed = {name: np.array([value], np.int64) for name, value in given.items() if name in self._inputs}
        states: NDArray[np.float32] = self._session.run(None, fed)[0][0]
        pooled = states[0] if self._settings.pooling == "cls" else states.mean(axis=0)
        vector: NDArray[np.float32] = (pooled / max(float(np.linalg.norm(pooled)), 1e-9)).astype(np.float32)
        return vector


def _session(model: Path) -> Any:
    """One thread a text: several conversations are searched at once, and a second thread for one gains little."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Plans for a shape of input are remembered, and here nearly every text has another length.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _tokenizer(file: Path, settings: EncoderSettings) -> Any:
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(file))
    made.no_padding()
    made.enable_truncation(settings.max_tokens)
    return made
