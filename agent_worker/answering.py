"""From the messages that wait to a draft: retrieve, then let a model answer."""

from __future__ import annotations

from agent_worker.fold import Monotonic
from agent_worker.handoff.drafts import handoff_draft
from agent_worker.knowledge.questions import with_context
from agent_worker.models.registry import Emit, Models
from agent_worker.stages import Stage
from agent_worker.work import Work
from schemas.ports import Draft, Knowledge, Question


class Answers:
    """The middle of the turn. It changes nothing but ``work``: it may be cancelled, and begun again, at any await."""

    def __init__(self, knowledge: Knowledge, models: Models, monotonic: Monotonic) -> None:
        self._knowledge = knowledge
        self._models = models
        self._monotonic = monotonic

    async def write(self, work: Work, emit: Emit) -> Draft:
        """``emit`` shows a whole sentence. Raises ModelFailed when nothing could answer."""
        if work.intake.person_asked:
            return handoff_draft(work.rules.voice)
        await self._retrieve(work)
        with Stage(work.stages, "answer", self._monotonic):
            return await self._models.answer(work.rules.model, self._question(work), emit, work.stream.abort)

    async def _retrieve(self, work: Work) -> None:
        with Stage(work.stages, "retrieve", self._monotonic):
            query = with_context(work.intake.text, work.history)
            origin = work.conversation.origin
            work.found = await self._knowledge.search(origin.tenant, query, channel=origin.channel, since=work.read_at)

    def _question(self, work: Work) -> Question:
        return Question(
            tenant=work.conversation.origin.tenant,
            text=work.intake.text,
            history=work.history,
            found=work.found,
            files=work.intake.files,
            wordless=work.intake.wordless,
            locale=work.conversation.facts.locale or work.rules.voice.locale,
        )
