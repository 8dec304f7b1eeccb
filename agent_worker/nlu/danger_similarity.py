"""Detection of danger to life in words that no phrase table contains, by similarity to examples. It uses the encoder of
the document search, and its quality in a language is the encoder's."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.ports import Knowledge, SearchResult

EXAMPLES = (
    "i cannot go on living like this",
    "i do not want to be alive any more",
    "i want to end my life",
    "i am thinking about killing myself",
    "nobody would miss me if i were dead",
    "i wish i could fall asleep and never wake up",
    "i feel like there is no reason to keep living",
    "i am going to hurt myself tonight",
    "i can't take the pain any longer and want it to stop forever",
)
MIN_SIMILARITY = 0.71
"""Minimum cosine with a sentence encoder, above the nearest (0.70) of 2,000 ordinary questions."""
MIN_WORD_SIMILARITY = 0.62
"""Minimum cosine with word vectors alone, which distinguish sentences less well: the nearest ordinary question was at
0.57."""
_WORD_VECTORS = "wordllama"


class DangerSimilarity:
    """Encodes the examples with the first message and keeps them."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge
        self._encoder = ""
        self._examples: NDArray[np.float32] | None = None
        self._encoding = asyncio.Lock()
        """Held while the examples are encoded: after a restart thousands of turns need them at once."""

    async def is_danger(self, tenant: str, search_result: SearchResult) -> bool:
        """``search_result``: the search result for the message, with its vector. False without a vector."""
        if not search_result.encoder or not len(search_result.vector):
            return False
        if self._encoder != search_result.encoder:
            async with self._encoding:
                if self._encoder != search_result.encoder:
                    await self._encode(tenant, search_result.encoder)
        least = MIN_WORD_SIMILARITY if search_result.encoder.startswith(_WORD_VECTORS) else MIN_SIMILARITY
        return self._nearest(search_result.vector) >= least

    async def _encode(self, tenant: str, encoder: str) -> None:
        """Any tenant will do, because a query's vector does not depend on the documents."""
        vectors = [(await self._knowledge.search(tenant, text, k=1, wait=0, vector=True)).vector for text in EXAMPLES]
        self._encoder = encoder
        self._examples = np.array([vector for vector in vectors if len(vector)], np.float32)

    def _nearest(self, vector: Sequence[float]) -> float:
        if self._examples is None or not self._examples.size or self._examples.shape[1] != len(vector):
            return 0.0
        return float((self._examples @ np.asarray(vector, np.float32)).max())
