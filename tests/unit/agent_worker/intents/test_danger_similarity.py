"""A message that is much like an example of danger counts as one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent_worker.knowledge.ranking.ranker import NOTHING
from agent_worker.nlu.danger_similarity import EXAMPLES, MIN_SIMILARITY, DangerSimilarity
from schemas.ports import SearchResult


@dataclass
class Vectors:
    """Knowledge that has a vector of its own for each example."""

    searched: list[str] = field(default_factory=list)

    async def search(self, _tenant: str, query: str, **_more: Any) -> SearchResult:
        self.searched.append(query)
        await asyncio.sleep(0)
        return vector_of(EXAMPLES.index(query), 1.0)


def vector_of(place: int, likeness: float, encoder: str = "strong") -> SearchResult:
    """What was found for a message that is so alike to one example, and to no other."""
    numbers = [0.0] * (len(EXAMPLES) + 1)
    numbers[place], numbers[-1] = likeness, (1 - likeness**2) ** 0.5
    return SearchResult([], answerable=False, confidence=0.0, encoder=encoder, vector=numbers)


@pytest.mark.parametrize("place", range(len(EXAMPLES)))
async def test_a_message_similar_to_any_danger_example_is_a_danger(place: int) -> None:
    likeness = DangerSimilarity(Vectors())  # type: ignore[arg-type]
    assert await likeness.is_danger("shop", vector_of(place, MIN_SIMILARITY + 0.01))
    assert not await likeness.is_danger("shop", vector_of(place, MIN_SIMILARITY - 0.01))


async def test_the_examples_are_encoded_once() -> None:
    """Also when a backlog of messages waits for them."""
    knowledge = Vectors()
    likeness = DangerSimilarity(knowledge)  # type: ignore[arg-type]
    assert not await likeness.is_danger("shop", NOTHING)
    assert knowledge.searched == []
    for _ in range(3):
        await asyncio.gather(*(likeness.is_danger("shop", vector_of(0, 0.1)) for _ in range(3)))
    assert knowledge.searched == list(EXAMPLES)
