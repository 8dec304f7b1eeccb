"""From the messages that wait to a draft: what the contact has said yes to, then retrieve, then let a model answer."""

from __future__ import annotations

from functools import partial

from agent_worker.actions.acting import Acting, handed_over
from agent_worker.actions.dialogue.following import followed
from agent_worker.actions.scope import Scope, Seal
from agent_worker.actions.service import ActionService
from agent_worker.contact_limits import HELD, ContactLimits, wait_draft
from agent_worker.fold import Monotonic
from agent_worker.handoff.drafts import handoff_draft
from agent_worker.knowledge.questions import with_context
from agent_worker.models.registry import Emit, Models, chosen
from agent_worker.stages import Stage
from agent_worker.work import Work
from schemas.actions import ActionResolved
from schemas.ports import Clock, Draft, Knowledge, Question


class Answers:
    """The middle of the turn. Until it has sealed the turn it changes nothing but ``work``: it may be cancelled, and
    begun again, at any await."""

    def __init__(
        self,
        knowledge: Knowledge,
        models: Models,
        actions: ActionService,
        limits: ContactLimits,
        clock: Clock,
        monotonic: Monotonic,
    ) -> None:
        self._knowledge = knowledge
        self._models = models
        self._actions = actions
        self._limits = limits
        self._clock = clock
        self._monotonic = monotonic

    async def settle(self, work: Work, seal: Seal) -> None:
        """Begin to act: on what others said about actions, or did not say in time."""
        if not work.rules.actions.actions and not work.intake.settling:
            return
        acting = work.acting = self._actions.acting(_scope(work, seal))
        acting.expire()
        with Stage(work.stages, "act", self._monotonic):
            for word in work.intake.settling:
                await (acting.resolved(word) if isinstance(word, ActionResolved) else acting.decided(word))
            if not work.must_answer:
                await acting.tell_begun(work.intake.handled)

    async def write(self, work: Work, emit: Emit) -> Draft | None:
        """``emit`` shows a whole sentence. None when the contact is to hear nothing. Raises ModelFailed when
        nothing could answer."""
        if work.intake.person_asked:
            return handoff_draft(work.voice)
        acting = work.acting
        draft = await self._acted(work, acting) if acting is not None else None
        if draft is None and (held := await self._limits.apply(work)) in HELD:
            return wait_draft(work.voice) if held == "wait" else None
        if draft is None:
            await self._retrieve(work)
            with Stage(work.stages, "answer", self._monotonic):
                question = self._question(work)
                model = chosen(work.rules, question.text, question.locale)
                draft = await self._models.answer(model, question, emit, work.stream.abort)
            draft = draft if acting is None else acting.finish(draft)
        return draft if acting is None else handed_over(draft, acting.effects)

    async def _acted(self, work: Work, acting: Acting) -> Draft | None:
        with Stage(work.stages, "act", self._monotonic):
            draft = await acting.resume(work.intake.handled)
            draft = draft or await acting.consented(list(work.intake.waiting.values()), work.intake.latest)
            return draft and await followed(draft, acting, self._question(work), work.voice, self._clock())

    async def _retrieve(self, work: Work) -> None:
        with Stage(work.stages, "retrieve", self._monotonic):
            query = with_context(_text(work), work.history)
            origin = work.conversation.origin
            who = partial(self._actions.assurance, work.conversation, work.intake.speaker)
            spoken = work.conversation.facts.locale
            work.found = await self._knowledge.search(
                origin.tenant, query, channel=origin.channel, assurance=who, language=spoken, since=work.read_at
            )

    def _question(self, work: Work) -> Question:
        acting = work.acting
        return Question(
            tenant=work.conversation.origin.tenant,
            text=_text(work),
            history=work.history,
            found=work.found,
            files=work.intake.files,
            wordless=work.intake.wordless,
            locale=work.locale,
            contact=work.conversation.origin.contact_id,
            offers=() if acting is None else acting.offers(),
            filling=None if acting is None else acting.effects.memory.filling,
        )


def _text(work: Work) -> str:
    return work.intake.text_without(frozenset() if work.effects is None else work.effects.answered)


def _scope(work: Work, seal: Seal) -> Scope:
    return Scope(
        turn_id=work.id,
        conversation=work.conversation,
        token=work.begun.token,
        chain=work.chain,
        rules=work.rules.actions,
        voice=work.voice,
        authority=work.intake.authority,
        speaker=work.intake.speaker,
        locale=work.locale,
        seal=seal,
    )
