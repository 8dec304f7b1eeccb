"""A model that calls what a message names, as ``refund {"order": "A-1"}`` does, a line each: whatever it is told."""

from __future__ import annotations

import json

from agent_worker.models.registry import Emit
from schemas.ports import ActionResult, AnswerDraft, Question


class CommandModel:
    name = "local"

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.results: list[ActionResult] = []

    async def answer(self, question: Question, emit: Emit) -> AnswerDraft:
        self.asked.append(question)
        results = await obey(question)
        self.results += results
        said = "\n".join(result.say for result in results)
        return AnswerDraft(text=said or "Hm.", answered=True, model=self.name)


async def obey(question: Question) -> list[ActionResult]:
    """What came of each call."""
    offers = {offer.name: offer for offer in question.offers}
    calls = [line.partition(" ") for line in question.text.splitlines()]
    return [await offers[name].call(json.loads(given)) for name, _, given in calls if name in offers]


def install() -> None:
    """In this process the local model obeys."""
    from agent_worker.models.local.model import LocalModel

    answer = LocalModel.answer

    async def obeying(self: LocalModel, question: Question, emit: Emit) -> AnswerDraft:
        results = await obey(question)
        if not results:
            return await answer(self, question, emit)
        return AnswerDraft(text="\n".join(result.say for result in results), answered=True, model=self.name)

    LocalModel.answer = obeying  # type: ignore[method-assign]
