"""An encoder that keeps the vectors of passages in a file, for commands that index the same documents repeatedly."""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from agent_worker.knowledge.vectors.encoder import Encoder, Vectors

_TABLE = "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID"
_BUSY_S = 60.0
"""Seconds to wait for another command that writes."""


class EncoderCache:
    """Implements Encoder around another one. The file only has hashes of texts and their vectors, and may be deleted at
    any time."""

    def __init__(self, encoder: Encoder, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._encoder = encoder
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None, timeout=_BUSY_S)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")  # what is lost is computed again
        self._connection.execute(_TABLE)
        self.name, self.kind = encoder.name, encoder.kind
        self.size, self.words_size = encoder.size, encoder.words_size

    @property
    def multilingual(self) -> Encoder | None:
        """See Encoder."""
        return self._encoder.multilingual

    def encode(self, texts: Sequence[str]) -> Vectors:
        """See Encoder."""
        keys = [self._key_of(text) for text in texts]
        found = self._read(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            new = dict(zip(missing, self._encoder.encode(list(missing.values())), strict=True))
            self._write({key: row.astype(np.float32).tobytes() for key, row in new.items()})
            found |= new
        return np.array([found[key] for key in keys], np.float32).reshape(len(keys), self.size)

    def encode_query(self, texts: Sequence[str]) -> Vectors:
        """See Encoder."""
        return self._encoder.encode_query(texts)

    def start_query(self, texts: Sequence[str]) -> Callable[[], Vectors]:
        """See Encoder."""
        return self._encoder.start_query(texts)

    def encode_words(self, words: Sequence[str]) -> Vectors:
        """See Encoder."""
        return self._encoder.encode_words(words)

    def close(self) -> None:
        self._connection.close()

    def _key_of(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.name}\n{text}".encode()).digest()

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, Vectors]:
        query = "SELECT vector FROM vectors WHERE key = ?"
        with self._lock:
            rows = [(key, self._connection.execute(query, (key,)).fetchone()) for key in dict.fromkeys(keys)]
        return {key: np.frombuffer(row[0], np.float32) for key, row in rows if row is not None}

    def _write(self, vectors: dict[bytes, bytes]) -> None:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", vectors.items())
            self._connection.execute("COMMIT")
