"""The figures say what happened."""

from __future__ import annotations

import pytest

from agent_worker.knowledge.ranking.quality import check, read_questions
from schemas.errors import Unprocessable
from tests.unit.agent_worker.worker_environment import TENANT, WorkerEnvironment

QUESTIONS = {
    "questions": [
        {"id": "a", "question": "Do you add a heat pack in winter?", "document": "shipping", "split": "dev"},
        {
            "id": "b",
            "question": "Within how many days can I return pots?",
            "document": ["returns", "x"],
            "split": "test",
        },
        {"id": "c", "question": "Do you add a heat pack in winter?", "document": "returns", "split": "test"},
        {"id": "d", "question": "Who composed this opera in Vienna?", "document": None, "split": "test"},
        {"id": "e", "question": "Do you add a heat pack in winter?", "document": None, "split": "test"},
    ]
}


async def test_figures_by_split(world: WorkerEnvironment) -> None:
    """Right and wrong answers are told apart, by split, for questions with and without an answer."""
    dev, test, whole = await check(world.library, world.model, TENANT, read_questions(QUESTIONS))
    assert (dev.split, dev.answerable, dev.cited, dev.unanswerable) == ("dev", 1, 1.0, 0)
    assert (test.cited, test.found, test.declined) == (0.5, 0.5, 0.5)
    assert sorted(outcome.question.id for outcome in test.wrong) == ["c", "e"]
    assert (whole.split, whole.answerable, whole.unanswerable, whole.declined) == ("all", 3, 2, 0.5)


@pytest.mark.parametrize("raw", [None, {"questions": [{"id": "a"}]}, {"questions": ["text"]}])
def test_wrong_question_file(raw: object) -> None:
    """A file of another form is refused."""
    with pytest.raises(Unprocessable):
        read_questions(raw)
