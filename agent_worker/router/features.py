"""A message as numbers: its embedding, and its words and pairs of words by their hashes."""

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

HASHED = 2048
"""Rows for words. A few collide; that costs less than a vocabulary that has to be kept and looked up."""
LONGEST = 2000
"""Characters of a message that are looked at: its intent stands in fewer."""
_NO_ENCODER = 256
_WORD = re.compile(r"\w+")


def tokens(text: str) -> list[str]:
    words = _WORD.findall(text[:LONGEST].casefold())
    return [*words, *(f"{one} {two}" for one, two in pairwise(words))]


def hashed(text: str) -> tuple[list[int], list[float]]:
    """Rows of the text's words and pairs, and how much each counts before its rarity: the root of how often."""
    counted = Counter(crc32(token.encode()) % HASHED for token in tokens(text))
    return list(counted), [count**0.5 for count in counted.values()]


def lexical(text: str, rarity: Numbers) -> tuple[list[int], Numbers]:
    """Rows, and values of norm 1 together."""
    rows, counts = hashed(text)
    values = np.array(counts, np.float32) * rarity[rows]
    return rows, values / max(float(np.linalg.norm(values)), 1e-9)


def rarity_of(texts: Sequence[str]) -> Numbers:
    """Of each row: how few of the texts have it."""
    held = np.zeros(HASHED, np.float32)
    for text in texts:
        held[hashed(text)[0]] += 1
    return (np.log((len(texts) + 1) / (held + 1)) + 1).astype(np.float32)


def vectors_of(texts: Sequence[str], encoder: Encoder | None) -> Numbers:
    """Without an encoder all zeros: then words alone tell."""
    if encoder is None or not texts:
        return np.zeros((len(texts), encoder.size if encoder else _NO_ENCODER), np.float32)
    return encoder.encode_query(texts)
