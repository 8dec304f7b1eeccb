"""Turns that may rely on what the store has told another one."""

from __future__ import annotations

from agent_worker.knowledge.ingest.publishing import CACHE_S, HeadCache


class Store:
    """``schemas.ports.KnowledgeHeads`` that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def advance(self, tenant: str, partition: int, offset: int) -> None:
        raise NotImplementedError

    async def of(self, tenant: str) -> dict[int, int]:
        self.asked += 1
        return {0: self.asked}


async def test_an_answer_does_for_words_read_before_the_question_and_not_for_later_ones() -> None:
    clock = [10.0]
    heads = HeadCache(Store(), lambda: clock[0])
    assert heads.find("one", 0.0) is None
    assert await heads.load("one") == {0: 1}
    assert heads.find("one", 9.9) == {0: 1}
    assert heads.find("one", 10.1) is None
    assert heads.find("another", 9.9) is None
    clock[0] += CACHE_S + 0.01
    assert heads.find("one", 9.9) is None
