"""Features of a message for intent classification: its embedding, and its hashed words and word pairs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from agent_worker.knowledge.vectors.encoder import Encoder

Numbers = NDArray[np.float32]

HASH_ROWS = 2048
"""Rows for hashed words. Few collide, and that costs less than keeping a vocabulary."""
MAX_TEXT = 2000
"""Characters of a message that are used."""
_DEFAULT_SIZE = 256
_WORD = re.compile(r"\w+")


def tokens(text: str) -> list[str]:
    words = _WORD.findall(text[:MAX_TEXT].casefold())
    return [*words, *(f"{one} {two}" for one, two in pairwise(words))]


def hash_tokens(text: str) -> tuple[list[int], list[float]]:
    """Rows of the text's words and pairs, and their weights before inverse frequency: the square root of the count."""
    counts = Counter(crc32(token.encode()) % HASH_ROWS for token in tokens(text))
    return list(counts), [count**0.5 for count in counts.values()]


def lexical_features(text: str, rarity: Numbers) -> tuple[list[int], Numbers]:
    """Rows, and values with norm 1."""
    rows, counts = hash_tokens(text)
    values = np.array(counts, np.float32) * rarity[rows]
    return rows, values / max(float(np.linalg.norm(values)), 1e-9)


def inverse_frequency(texts: Sequence[str]) -> Numbers:
    """The inverse document frequency of each row's feature."""
    document_counts = np.zeros(HASH_ROWS, np.float32)
    for text in texts:
        document_counts[hash_tokens(text)[0]] += 1
    return (np.log((len(texts) + 1) / (document_counts + 1)) + 1).astype(np.float32)


def embed_texts(texts: Sequence[str], encoder: Encoder | None) -> Numbers:
    """All zeros without an encoder, so that only words count."""
    if encoder is None or not texts:
        return np.zeros((len(texts), encoder.size if encoder else _DEFAULT_SIZE), np.float32)
    return encoder.encode_query(texts)
