"""From the messages that wait to a draft: what the contact said yes to, then retrieve, route, let a model answer."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import get_args

from agent_worker.actions.execution.scope import Scope, Seal
from agent_worker.actions.execution.turn_actions import TurnActions, as_handoff
from agent_worker.actions.service import ActionService
from agent_worker.actions.slot_filling.action_matching import match_action, names_anything
from agent_worker.actions.slot_filling.dialogue import SlotFillingDialogue
from agent_worker.handoff.draft_replies import LOCAL
from agent_worker.handoff.handback import since_people
from agent_worker.handoff.promises import told_by_people, with_promises
from agent_worker.handoff.reply_templates import handoff_draft
from agent_worker.knowledge.text.query_splitting import (
    MAX_QUESTIONS,
    QuestionPart,
    is_question,
    split_questions,
    with_context,
)
from agent_worker.models.local.multiple_questions import handoff_with_answers
from agent_worker.models.local.small_talk import asks_for_person, classify_small_talk
from agent_worker.models.registry import Emit, Models, select_model
from agent_worker.nlu.classification import topics_in
from agent_worker.nlu.corrections import apply_corrections
from agent_worker.nlu.danger_similarity import DangerSimilarity
from agent_worker.phrases import Voice, translate_voice
from agent_worker.router.decision import IN_DANGER, PERSON_REQUESTED, Route
from agent_worker.router.router import Router, RoutingRequest
from agent_worker.router.rules import RouteName
from agent_worker.settings import TenantRules
from agent_worker.turn.contact_limits import HELD, ContactLimits, wait_draft
from agent_worker.turn.folding import Monotonic
from agent_worker.turn.stage_timer import Stage
from agent_worker.turn.turn_state import Work
from schemas.actions import ActionResolved, ApprovalDecided, ApprovalExpired, Filling
from schemas.conversation import Conversation
from schemas.messages import Assurance
from schemas.ports import Clock, Contacts, Draft, Found, Knowledge, Offer, Part, Passage, Question

_PASSAGES = 24
"""Passages that are kept of several searches together."""

STALE = "answered before the newest change of the documents could be searched"


class Answers:
    """The middle of the turn. Until it has sealed the turn it changes nothing but ``work``: it may be cancelled, and
    begun again, at any await."""

    def __init__(
        self,
        knowledge: Knowledge,
        models: Models,
        actions: ActionService,
        contacts: Contacts,
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
        self._contacts = contacts
        self._router = Router()
        self._likeness = DangerSimilarity(knowledge)

    async def settle(self, work: Work, seal: Seal) -> None:
        """Begin to act: on what others said about actions, or did not say in time."""
        if not work.rules.actions.actions and not work.intake.settling:
            return
        acting = work.acting = self._actions.start_turn(_scope(work, seal))
        acting.expire(_until(work, self._clock()))
        with Stage(work.stages, "act", self._monotonic):
            for word in work.intake.settling:
                if isinstance(word, ActionResolved):
                    await acting.apply_resolution(word)
                elif isinstance(word, ApprovalDecided):
                    await acting.apply_decision(word)
            if not work.must_answer:
                await acting.report_begun(work.intake.handled)

    async def write(self, work: Work, emit: Emit) -> Draft | None:
        """``emit`` shows a whole sentence. None when the contact is to hear nothing. Raises ModelFailed when
        nothing could answer."""
        draft = await self._write(work, emit)
        if draft is None or not work.intake.is_cut:
            return draft
        return replace(draft, text=f"{draft.text}\n\n{work.voice.too_long}".strip())

    async def _write(self, work: Work, emit: Emit) -> Draft | None:
        if work.goes_on:
            return Draft(text=work.voice.go_on, answered=True, reasons=["the contact goes on with the assistant"])
        if work.intake.person_asked:
            work.route = Route("person", (), (PERSON_REQUESTED,))
            return handoff_draft(work.voice)
        if (language := in_danger(_said(work), work.locale)) is not None:
            return in_danger_draft(work, language)
        acting = work.acting
        draft = await self._acted(work, acting) if acting is not None else None
        if draft is None and (held := await self._limits.apply(work)) in HELD:
            return wait_draft(work.voice) if held == "wait" else None
        if draft is None:
            draft = _marked(await self._answered(work, emit), work.found)
            draft = draft if acting is None else acting.finish(draft)
        return draft if acting is None else as_handoff(draft, acting.effects)

    async def _answered(self, work: Work, emit: Emit) -> Draft:
        text = _text(work)
        asked = _asked(work)
        await self._retrieve(work, text)
        if await self._likeness.is_danger(work.conversation.origin.tenant, work.found):
            return in_danger_draft(work, work.locale)
        parts = await self._parts(work, asked[:MAX_QUESTIONS])
        await self._route(work, text)
        if work.route.name == "person":
            spoken = topics_in(text, work.locale).get("person", work.locale)
            passed_on = handoff_draft(translate_voice(work.rules.voice, spoken), say=work.route.say)
            return handoff_with_answers(passed_on, parts) if work.route.reasons == (PERSON_REQUESTED,) else passed_on
        first, *then = work.route.models
        with Stage(work.stages, "answer", self._monotonic):
            handoff = work.conversation.facts.handoff
            if first == LOCAL and handoff is not None and (said := told_by_people(work.found, work.voice)) is not None:
                return said
            question = self._question(work, text, parts, asked[MAX_QUESTIONS:])
            return await self._models.answer(first, question, emit, work.stream.abort, then=then)

    async def _acted(self, work: Work, acting: TurnActions) -> Draft | None:
        with Stage(work.stages, "act", self._monotonic):
            draft = await acting.resume(work.intake.handled)
            draft = draft or await acting.act_on_consent(list(work.intake.waiting.values()), work.intake.latest)
            return draft and await followed(draft, acting, self._question(work, _text(work)), work.voice, self._clock())

    async def _retrieve(self, work: Work, text: str) -> None:
        with Stage(work.stages, "retrieve", self._monotonic):
            work.found = await self._found(work, text, with_context(text, work.history, work.intake.context))

    async def _found(self, work: Work, text: str, query: str) -> Found:
        origin, handoff = work.conversation.origin, work.conversation.facts.handoff
        found = await self._knowledge.search(
            origin.tenant,
            query,
            channel=origin.channel,
            assurance=partial(self._actions.assurance, work.conversation, work.intake.speaker),
            language=work.conversation.facts.locale,
            since=work.read_at,
            vector=work.rules.routes.trained is not None,
        )
        return found if handoff is None else with_promises(found, origin.tenant, handoff, text)

    async def _parts(self, work: Work, asked: Sequence[QuestionPart]) -> list[Part]:
        """One place seldom answers two questions: each is looked up by itself, or with what it refers to."""
        parts: list[Part] = []
        if not asked:
            return parts
        with Stage(work.stages, "retrieve", self._monotonic):
            for n, one in enumerate(asked):
                parts.append(await self._part(work, one, parts[-1].text if n else ""))
        if parts:
            work.found = together([work.found, *(part.found for part in parts)])
        return parts

    async def _part(self, work: Work, one: QuestionPart, before: str) -> Part:
        if not (before and one.is_follow_up):
            found = await self._found(work, one.text, one.text)
            if found.answerable or not before or not one.is_brief:
                return Part(one.text, found, one.words, one.is_question)
        text = f"{before}\n{one.words}"
        return Part(text, await self._found(work, text, text), one.words, one.is_question)

    async def _route(self, work: Work, text: str) -> None:
        with Stage(work.stages, "route", self._monotonic):
            rules, intake, facts = work.rules, work.intake, work.conversation.facts
            work.route = await self._router.route(
                rules.routes,
                RoutingRequest(
                    text=text,
                    found=work.found,
                    history=work.history if facts.handoff is None else since_people(work.history),
                    facts=facts,
                    # What fills in an action's parameters asks nothing by itself.
                    wordless=bool(intake.wordless) or _filling(work) is not None,
                    tiers=await tiers_of(work.conversation, self._contacts) if rules.routes.tiers else frozenset(),
                    budget=await self._left(work),
                    model=select_model(rules, text, work.locale) if rules.models else rules.model,
                ),
            )
            if work.stretch is not None and work.stretch.revived:
                work.route = without_people(work.route, rules)

    async def _left(self, work: Work) -> float | None:
        """Share of the day's budget; None where there is no choice of models that it could decide."""
        origin = work.conversation.origin
        return await self._models.budget_left(origin.tenant, origin.contact_id) if work.rules.routes.strong else None

    def _question(
        self, work: Work, text: str, parts: Sequence[Part] = (), beyond: Sequence[QuestionPart] = ()
    ) -> Question:
        acting = work.acting
        return Question(
            tenant=work.conversation.origin.tenant,
            text=text,
            history=work.history,
            found=work.found,
            files=work.intake.files,
            wordless=work.intake.wordless,
            kind=work.intake.kind,
            about=work.intake.about,
            context=work.intake.context,
            locale=work.locale,
            contact=work.conversation.origin.contact_id,
            offers=() if acting is None else acting.offers(),
            filling=_filling(work),
            parts=parts,
            beyond=[one.words for one in beyond if one.is_question],
        )


def in_danger(text: str, locale: str) -> str | None:
    """Language in which the contact tells of a danger to life; None as mostly."""
    return topics_in(text, locale).get("danger")


def in_danger_draft(work: Work, language: str) -> Draft:
    work.route = Route("person", (), (IN_DANGER,))
    return handoff_draft(work.voice, say=danger_phrase(work.rules, language))


def danger_phrase(rules: TenantRules, language: str) -> str:
    """The tenant's own where it has one."""
    own = next((topic.say for topic in rules.routes.risks if topic.name == "self-harm" and topic.say), "")
    return own or translate_voice(rules.voice, language).danger


def _said(work: Work) -> str:
    return "\n".join(message.text for message in work.intake.waiting.values())


def without_people(route: Route, rules: TenantRules) -> Route:
    """What people have just given back without an answer to it is not passed to them again."""
    if route.name != "person":
        return route
    models = rules.routes.models("cheap", rules.model)
    name: RouteName = "local" if models == (LOCAL,) else "cheap"
    return replace(route, name=name, models=models, reasons=(*route.reasons, "but people gave it back"), say="")


def _until(work: Work, now: datetime) -> datetime:
    """By then approvals have expired: of whoever says so the clock may be ahead of ours, and counts."""
    return max([now, *(word.at for word in work.intake.settling if isinstance(word, ApprovalExpired))])


def _texts(work: Work) -> list[str]:
    """What the messages say that wait for an answer, as the contact meant it in the end."""
    answered = _answered(work)
    texts = [message.text.strip() for message in work.intake.waiting.values() if message.id not in answered]
    return apply_corrections([text for text in texts if text])


def _text(work: Work) -> str:
    return "\n".join(_texts(work))


def _asked(work: Work) -> list[QuestionPart]:
    """Where they ask for several things, each by itself; empty for one. What asks for a person, or is nothing but small
    talk, needs no answer from the documents."""
    texts = _texts(work)
    offers = () if work.acting is None else work.acting.offers()
    asked = split_questions(texts, lambda sentence: asks_for_person(sentence) or _is_wish(sentence, offers))
    if len(asked) < 2:
        return []
    left = [one for one in asked if not asks_for_person(one.words) and not classify_small_talk(one.words, ())]
    return left if len(left) > 1 or len(left) < len(asked) else []


def _is_wish(sentence: str, offers: Sequence[Offer]) -> bool:
    """Whether it asks for an action, or tells what one is to be done with."""
    return match_action(sentence, offers) is not None or (
        not is_question(sentence) and names_anything(sentence, offers)
    )


def together(founds: Sequence[Found]) -> Found:
    """What was found for several questions, the best of each first, and each passage once."""
    first, *_ = founds
    passages: dict[tuple[str, str, str], Passage] = {}
    for rank in range(max(len(found.passages) for found in founds)):
        for found in founds:
            for passage in found.passages[rank : rank + 1]:
                passages.setdefault((passage.document, passage.heading, passage.text), passage)
    return replace(
        first,
        passages=list(passages.values())[:_PASSAGES],
        answerable=any(found.answerable for found in founds),
        confidence=max(found.confidence for found in founds),
        stale=any(found.stale for found in founds),
    )


def _answered(work: Work) -> Container[str]:
    """Messages that an action was the answer to."""
    return frozenset() if work.effects is None else work.effects.answered


def _filling(work: Work) -> Filling | None:
    filling = None if work.effects is None else work.effects.memory.filling
    is_theirs = filling is None or filling.contact_id in ("", work.intake.speaker)
    return filling if is_theirs else None


def _marked(draft: Draft, found: Found) -> Draft:
    """The draft, with a reason for the turn's record where a newer version of a document could not be searched yet."""
    return replace(draft, reasons=[*draft.reasons, STALE]) if found.stale else draft


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
        words=work.intake.text,
        earlier=[line.text for line in work.history if line.author.kind == "contact"],
    )


# After the contact's answer to a question about one action: what else they had asked for.
async def followed(draft: Draft, acting: TurnActions, question: Question, voice: Voice, now: datetime) -> Draft:
    """``draft`` tells what came of it. While the question is still open, nothing follows."""
    memory = acting.effects.memory
    if memory.filling is None or memory.confirmation is not None or acting.effects.question is not None:
        return draft
    talk = SlotFillingDialogue(question, voice, draft.model, now, acting.today(now))
    return acting.finish(await talk.continue_after(draft, memory.filling))


# What is known of a contact that may decide who answers it.
LEVELS: tuple[Assurance, ...] = get_args(Assurance)


async def tiers_of(conversation: Conversation, contacts: Contacts) -> frozenset[str]:
    """The highest assurance level of its addresses, and the account it writes to, as `channel/account`."""
    origin = conversation.origin
    contact = await contacts.get(origin.tenant, origin.contact_id)
    addresses = contact.addresses if contact is not None else []
    level = max((address.assurance for address in addresses), key=LEVELS.index, default=LEVELS[0])
    return frozenset({level, f"{origin.channel}/{origin.account}"})
