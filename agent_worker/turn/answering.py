"""The stages between loading and concluding a turn: settle, act, retrieve, route and answer. Each returns a value.

Until the turn is sealed they change nothing outside: it may be cancelled, and restarted, at any await.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TypeVar, get_args

from agent_worker.actions.execution.scope import ActionScope, Seal
from agent_worker.actions.execution.turn_actions import TurnActions, as_handoff
from agent_worker.actions.service import ActionService
from agent_worker.actions.slot_filling.action_matching import asks_for_rules, match_action, names_anything
from agent_worker.actions.slot_filling.dialogue import SlotFillingDialogue
from agent_worker.handoff.draft_replies import LOCAL
from agent_worker.handoff.handback import lines_after_handback
from agent_worker.handoff.promises import add_promises, quote_promise
from agent_worker.handoff.reply_templates import find_danger_text, handoff_draft, not_found_draft
from agent_worker.knowledge.text.query_splitting import MAX_QUESTIONS, SplitQuestion, is_question, sentences_of
from agent_worker.learning.turn_recorder import current_recorder, note_contact
from agent_worker.models.adapters import apply_adapters
from agent_worker.models.local.multiple_questions import (
    add_emergency_section,
    handoff_with_answers,
    prepend_answers,
)
from agent_worker.models.local.small_talk import classify_small_talk
from agent_worker.models.registry import Models, select_model
from agent_worker.nlu.classification import Topic, topics_in
from agent_worker.nlu.corrections import apply_corrections
from agent_worker.nlu.danger_similarity import DangerSimilarity
from agent_worker.reading.follow_ups import asks_by_itself
from agent_worker.reading.retrieval import (
    Query,
    Retrieval,
    build_query,
    merge_results,
    retrieve_sections,
    search_parts,
    search_query,
)
from agent_worker.router.decision import PERSON_REQUESTED, Route, gravest_risk
from agent_worker.router.router import Router, RoutingRequest
from agent_worker.router.rules import RouteName
from agent_worker.settings import TenantRules
from agent_worker.turn.contact_limits import UNANSWERED, ContactLimits, please_wait_draft
from agent_worker.turn.metrics import StageTimer
from agent_worker.turn.reply_stream import ReplyStream
from agent_worker.turn.values import EMPTY_RESULT, Reply, TurnInput
from agent_worker.voice import translate_voice
from schemas.actions import ActionResolved, ApprovalDecided, ApprovalExpired, Filling
from schemas.conversation import Conversation
from schemas.desk import IN_DANGER
from schemas.messages import Assurance
from schemas.ports import ActionOffer, AnswerDraft, Clock, Contacts, Knowledge, Question, SearchResult

_LOOK_S = 0.25
"""Seconds to look whether awaited documents are there."""
LEVELS: tuple[Assurance, ...] = get_args(Assurance)
Value = TypeVar("Value")
_LONG_TEXT = 4_000
"""Characters that are read in a few milliseconds."""
STALE = "answered before the newest change of the documents could be searched"
PERSON_ROUTE = Route("person", (), (PERSON_REQUESTED,))
DANGER_ROUTE = Route("person", (), (IN_DANGER,))
NOT_READ = "the documents could not be read in time"


class DocumentsPending(Exception):
    """Raised by a turn whose answer may depend on documents that are not searchable yet: it is taken again later."""


class Answering:
    """The stages that need services."""

    def __init__(
        self,
        knowledge: Knowledge,
        models: Models,
        actions: ActionService,
        contacts: Contacts,
        limits: ContactLimits,
        clock: Clock,
        longest_wait: timedelta = timedelta(0),
    ) -> None:
        """``longest_wait``: for documents that are being read."""
        self._knowledge = knowledge
        self._models = models
        self._actions = actions
        self._contacts = contacts
        self._limits = limits
        self._clock = clock
        self._router = Router()
        self._danger = DangerSimilarity(knowledge)
        self._longest_wait = longest_wait

    async def reply(
        self, turn: TurnInput, actions: TurnActions | None, stream: ReplyStream, stage: StageTimer
    ) -> Reply:
        """Go through the stages until one has a reply. Raises ModelFailed when no model could answer, DocumentsPending
        when the messages had better wait."""
        if (reply := await _read(turn, find_fixed_reply, turn)) is not None:
            return reply
        if (language := await _read(turn, find_emergency, turn)) is not None:
            with stage("retrieve"):
                return await self.help_in_emergency(turn, language)
        if actions is not None:
            with stage("act"):
                draft = await self.act(turn, actions) or await self.act_on_topics(turn, actions)
            if draft is not None:
                return Reply(draft)
        limit = await self._limits.check(turn)
        current_recorder().limit = "" if limit == "model" else limit
        if limit in UNANSWERED:
            return Reply(please_wait_draft(turn.voice) if limit == "wait" else None)
        local_only = limit == "local"
        query = await _read(turn, read_query, turn, actions)
        with stage("retrieve"):
            retrieval = await self._retrieve_current(turn, actions, query)
        route = DANGER_ROUTE
        if retrieval.is_danger:
            draft = draft_for_danger(turn, turn.locale)
        elif (
            turn.document_wait
            and depends_on_documents(turn, actions, query, retrieval)
            and not retrieval.search_result.may_answer
        ):
            route, draft = Route("person", (), (NOT_READ,)), handoff_draft(turn.voice)
        else:
            with stage("route"):
                route = await self.route(turn, actions, query, retrieval, local_only=local_only)
            if route.name == "person":
                draft = draft_for_person(turn, query, retrieval, route)
            else:
                with stage("answer"):
                    draft = await self.answer(turn, actions, query, retrieval, route, stream)
        return Reply(finish_draft(draft, retrieval, actions), route, retrieval.search_result, local_only)

    async def check_document_wait(self, turn: TurnInput) -> None:
        """Raises DocumentsPending if the messages were searched for and the documents are still being read. A search
        would slow that down, and find as little as the last one."""
        wait = turn.document_wait
        if wait is None or wait.message != turn.newest.id or turn.intake.action_updates:
            return
        if self._may_wait(turn) and not await self._knowledge.is_current(turn.conversation.origin.tenant, _LOOK_S):
            raise DocumentsPending

    async def help_in_emergency(self, turn: TurnInput, language: str) -> Reply:
        """Hand the conversation over at once, with what the documents say to do in an emergency."""
        voice, risk = translate_voice(turn.rules.voice, language), gravest_risk(turn.rules.routes, turn.intake.text)
        draft = handoff_draft(turn.voice, say=(risk.say if risk is not None else "") or voice.emergency)
        asked = [turn.intake.text, voice.emergency]
        found = merge_results([await self._search(turn, text, text) for text in asked])
        draft = add_emergency_section(draft, turn.intake.text, found.passages, turn.voice, turn.locale)
        return Reply(draft, DANGER_ROUTE, found)

    # ── settle and act ───────────────────────────────────────────────────────────────────────────────────────────────

    async def settle(self, turn: TurnInput, seal: Seal) -> TurnActions:
        """Apply expired approvals, decisions, and outcomes of actions in doubt. ``seal`` is awaited before the first
        write."""
        scope = ActionScope(
            turn_id=turn.id,
            conversation=turn.conversation,
            token=turn.token,
            chain=turn.chain,
            rules=turn.rules.actions,
            voice=turn.voice,
            authority=turn.intake.authority,
            speaker=turn.intake.speaker,
            locale=turn.locale,
            seal=seal,
            words=turn.intake.text,
            earlier=[line.text for line in turn.history if line.author.kind == "contact"],
            asks_by_itself=asks_by_itself(turn.intake.text),
        )
        actions = self._actions.start_turn(scope)
        # The process that reported an expiry may have a clock ahead of ours; its time counts.
        reported = (update.at for update in turn.intake.action_updates if isinstance(update, ApprovalExpired))
        actions.expire(max([self._clock(), *reported]))
        for update in turn.intake.action_updates:
            if isinstance(update, ActionResolved):
                await actions.apply_resolution(update)
            elif isinstance(update, ApprovalDecided):
                await actions.apply_decision(update)
        if not turn.must_answer:
            await actions.report_begun(turn.intake.handled)
        return actions

    async def act(self, turn: TurnInput, actions: TurnActions) -> AnswerDraft | None:
        """Execute the action that the contact confirmed. None if something else is left to answer."""
        draft = await actions.resume(turn.intake.handled)
        draft = draft or await actions.act_on_consent(list(turn.intake.waiting.values()), turn.intake.latest)
        if draft is None:
            return None
        memory = actions.effects.memory
        if memory.filling is not None and memory.confirmation is None and actions.effects.question is None:
            # No question is open: continue with the next action that the contact asked for.
            question, now = _build_question(turn, actions, "\n".join(_read_texts(turn, actions))), self._clock()
            dialogue = SlotFillingDialogue(question, turn.voice, draft.model, now, actions.today(now))
            draft = actions.finish(await dialogue.continue_after(draft, memory.filling))
        return as_handoff(draft, actions.effects)

    async def act_on_topics(self, turn: TurnInput, actions: TurnActions) -> AnswerDraft | None:
        """Request the action that the messages ask for by their topic, below the answers to other questions in them.
        Whoever asks how something is done gets an answer from the documents, and whoever asks for a person gets one."""
        text, topics = await _read(turn, _read_topics, turn, actions)
        if not topics or "person" in topics:
            return None
        mentions = {sentence: bool(topics_in(sentence)) for sentence in sentences_of(text)}
        if asks_for_rules("\n".join(sentence for sentence, mentioned in mentions.items() if mentioned) or text):
            return None
        draft = await actions.request_by_topic(topics)
        if draft is None:
            return None
        others = [one for one, mentioned in mentions.items() if is_question(one) and not mentioned]
        query = Query(text, [SplitQuestion(one, one, is_question=True) for one in others[:MAX_QUESTIONS]])
        parts = await search_parts(query, turn.history, partial(self._search, turn), turn.intake.context)
        beyond = others[MAX_QUESTIONS:]
        draft = prepend_answers(draft, parts, turn.voice, turn.locale, beyond=beyond, least_terms=0)
        return as_handoff(draft, actions.effects)

    # ── retrieve ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _retrieve_current(self, turn: TurnInput, actions: TurnActions | None, query: Query) -> Retrieval:
        """Search. Raises DocumentsPending where documents that are being read could change the answer."""
        retrieval = await self.retrieve(turn, query)
        if self._may_wait(turn) and not retrieval.is_danger and depends_on_documents(turn, actions, query, retrieval):
            raise DocumentsPending
        return retrieval

    def _may_wait(self, turn: TurnInput) -> bool:
        wait = turn.document_wait
        return (turn.loaded_at - wait.since if wait is not None else timedelta(0)) < self._longest_wait

    async def retrieve(self, turn: TurnInput, query: Query) -> Retrieval:
        search = partial(self._search, turn)
        if (selection := turn.selection) is not None:
            return await retrieve_sections(selection, search)
        whole = await search_query(query, turn.history, search, turn.intake.context)
        if await self._danger.is_danger(turn.conversation.origin.tenant, whole.search_result):
            return Retrieval(whole.search_result, is_danger=True)
        parts = await search_parts(query, turn.history, search, turn.intake.context)
        if not parts:
            return Retrieval(whole.search_result, resolved=whole.text)
        return Retrieval(merge_results([whole.search_result, *(part.search_result for part in parts)]), parts)

    async def _search(self, turn: TurnInput, question: str, text: str) -> SearchResult:
        """Search the documents and the promises. ``question``: the contact's own words; ``text``: the same with their
        context."""
        origin, facts = turn.conversation.origin, turn.conversation.facts
        search_result = await self._knowledge.search(
            origin.tenant,
            text,
            party=turn.party,
            assurance=partial(self._actions.assurance, turn.conversation, turn.intake.speaker),
            language=turn.locale,
            since=turn.read_at,
            vector=turn.rules.routes.trained is not None,
        )
        return (
            search_result
            if facts.handoff is None
            else add_promises(search_result, origin.tenant, facts.handoff, question)
        )

    # ── route ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def route(
        self, turn: TurnInput, actions: TurnActions | None, query: Query, retrieval: Retrieval, *, local_only: bool
    ) -> Route:
        """Choose the route. ``local_only``: no paid model may be used."""
        rules = turn.rules.without_paid_models() if local_only else turn.rules
        origin, facts = turn.conversation.origin, turn.conversation.facts
        # The budget decides between models, so it is looked up only where there is a choice.
        budget = await self._models.budget_left(origin.tenant, origin.contact_id) if rules.routes.strong else None
        current_recorder().budget = budget
        tiers = await self._list_tiers(turn.conversation) if rules.routes.tiers else frozenset[str]()
        request = RoutingRequest(
            text=query.text,
            search_result=retrieval.search_result,
            history=turn.history if facts.handoff is None else lines_after_handback(turn.history),
            facts=facts,
            # Values for an action's parameters are no question.
            is_non_text=bool(turn.intake.non_text) or _find_filling(turn, actions) is not None,
            tiers=tiers,
            budget=budget,
            model=select_model(rules, query.text, turn.locale) if rules.models else rules.model,
        )
        route = await self._router.route(rules.routes, request)
        resumes = turn.handoff is not None and turn.handoff.resumes
        route = avoid_people(route, rules) if resumes else route
        return apply_adapters(route, rules.adapters, turn.conversation.id, turn.locale)

    async def _list_tiers(self, conversation: Conversation) -> frozenset[str]:
        """The highest assurance level of the contact's addresses, and the account they write to (channel/account)."""
        origin = conversation.origin
        contact = await self._contacts.get(origin.tenant, origin.contact_id)
        note_contact(contact, origin)
        addresses = contact.addresses if contact is not None else []
        level = max((address.assurance for address in addresses), key=LEVELS.index, default=LEVELS[0])
        return frozenset({level, f"{origin.channel}/{origin.account}"})

    # ── answer ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def answer(
        self,
        turn: TurnInput,
        actions: TurnActions | None,
        query: Query,
        retrieval: Retrieval,
        route: Route,
        stream: ReplyStream,
    ) -> AnswerDraft:
        """Raises ModelFailed when no model could answer."""
        first, *then = route.models
        if first == LOCAL and turn.conversation.facts.handoff is not None:
            promise = quote_promise(retrieval.search_result, turn.voice)
            if promise is not None:
                return promise
        question = _build_question(turn, actions, query.text, retrieval, query.excess)
        return await self._models.answer(first, question, stream.send_delta, stream.abort, then=then)


def depends_on_documents(turn: TurnInput, actions: TurnActions | None, query: Query, retrieval: Retrieval) -> bool:
    """Return whether documents that are not searchable yet could change the reply: the search did not surely answer, or
    only a part of them could be searched.
    Small talk, values for actions, requests for a person or an action, and risks do not depend on documents."""
    found = [part.search_result for part in retrieval.parts] or [retrieval.search_result]
    is_sure = all(one.answerable and not one.partial for one in found)
    if not retrieval.search_result.stale or retrieval.is_picked or is_sure:
        return False
    text, offers = query.text, () if actions is None else actions.offers()
    if not text.strip() or turn.intake.non_text or _find_filling(turn, actions) is not None:
        return False
    if classify_small_talk(text, turn.history, locale=turn.locale) or "person" in topics_in(text, turn.locale):
        return False
    return gravest_risk(turn.rules.routes, text) is None and match_action(text, offers) is None


def _read_topics(turn: TurnInput, actions: TurnActions) -> tuple[str, Mapping[Topic, str]]:
    text = "\n".join(_read_texts(turn, actions))
    return text, topics_in(text, turn.locale)


async def _read(turn: TurnInput, read: Callable[..., Value], *arguments: object) -> Value:
    """Read the waiting messages: in a thread if they are long, so that others do not wait for it."""
    if len(turn.intake.text) <= _LONG_TEXT:
        return read(*arguments)
    return await asyncio.to_thread(read, *arguments)


def find_fixed_reply(turn: TurnInput) -> Reply | None:
    """Return the reply that needs no search: the contact wants the assistant back, picked the choice to talk to a
    person or none of the suggestions, or reports a danger to life. None for any other message."""
    if turn.wants_assistant:
        reasons = ["the contact continues with the assistant"]
        return Reply(AnswerDraft(text=turn.voice.assistant_back, answered=True, reasons=reasons))
    if turn.intake.asks_for_person:
        return Reply(handoff_draft(turn.voice), PERSON_ROUTE)
    if turn.selection is not None and not turn.selection.sections:
        return Reply(not_found_draft(turn.voice))
    text = "\n".join(message.text for message in turn.intake.waiting.values())
    language = topics_in(text, turn.locale).get("danger")
    return None if language is None else Reply(draft_for_danger(turn, language), DANGER_ROUTE)


def find_emergency(turn: TurnInput) -> str | None:
    """The language of the words that report a poisoning, a fire or the like. None where none do."""
    return topics_in(turn.intake.text, turn.locale).get("emergency")


def draft_for_danger(turn: TurnInput, language: str) -> AnswerDraft:
    """Build the handoff in danger, in the tenant's own words if configured."""
    return handoff_draft(turn.voice, say=find_danger_text(turn.rules, language))


def draft_for_person(turn: TurnInput, query: Query, retrieval: Retrieval, route: Route) -> AnswerDraft:
    """Build the handoff to a person. A contact who asked for one also gets answers to their other questions."""
    language = topics_in(query.text, turn.locale).get("person", turn.locale)
    draft = handoff_draft(translate_voice(turn.rules.voice, language), say=route.say)
    if route.reasons != PERSON_ROUTE.reasons:
        return draft
    return handoff_with_answers(draft, retrieval.parts, turn.voice, turn.locale)


def finish_draft(draft: AnswerDraft, retrieval: Retrieval, actions: TurnActions | None) -> AnswerDraft:
    """Add the questions of actions to the draft, and a remark for the turn's record if the search was not up to
    date."""
    if retrieval.search_result.stale:
        draft = replace(draft, reasons=[*draft.reasons, STALE])
    return draft if actions is None else as_handoff(actions.finish(draft), actions.effects)


def avoid_people(route: Route, rules: TenantRules) -> Route:
    """Replace the route to people, for a conversation that they have just returned unanswered."""
    if route.name != "person":
        return route
    models = rules.routes.models("cheap", rules.model)
    name: RouteName = "local" if models == (LOCAL,) else "cheap"
    return replace(route, name=name, models=models, reasons=(*route.reasons, "but people gave it back"), say="")


def read_query(turn: TurnInput, actions: TurnActions | None) -> Query:
    """The questions of the waiting messages. Requests for a person and small talk need no answer from the documents."""
    offers = () if actions is None else actions.offers()
    return build_query(_read_texts(turn, actions), partial(_is_action_request, offers=offers))


def _read_texts(turn: TurnInput, actions: TurnActions | None) -> list[str]:
    """The texts of the messages that no action has answered, with the contact's own corrections applied."""
    answered = frozenset[str]() if actions is None else actions.effects.answered
    texts = [message.text.strip() for message in turn.intake.waiting.values() if message.id not in answered]
    return apply_corrections([text for text in texts if text])


def _is_action_request(sentence: str, offers: Sequence[ActionOffer]) -> bool:
    """True if it asks for an action, or names a value for one."""
    if not offers:
        return False
    return match_action(sentence, offers) is not None or (
        not is_question(sentence) and names_anything(sentence, offers)
    )


def _build_question(
    turn: TurnInput,
    actions: TurnActions | None,
    text: str,
    retrieval: Retrieval | None = None,
    excess: Sequence[SplitQuestion] = (),
) -> Question:
    intake, origin = turn.intake, turn.conversation.origin
    return Question(
        tenant=origin.tenant,
        text=text,
        history=turn.history,
        search_result=EMPTY_RESULT if retrieval is None else retrieval.search_result,
        files=intake.files,
        non_text=intake.non_text,
        kind=intake.kind,
        references=intake.references,
        context=intake.context,
        locale=turn.locale,
        contact=origin.contact_id,
        names=[message.author.name for message in intake.waiting.values()],
        offers=() if actions is None else actions.offers(),
        filling=_find_filling(turn, actions),
        parts=() if retrieval is None else retrieval.parts,
        excess_questions=[one.words for one in excess if one.is_question],
        resolved="" if retrieval is None else retrieval.resolved,
        is_picked=retrieval is not None and retrieval.is_picked,
    )


def _find_filling(turn: TurnInput, actions: TurnActions | None) -> Filling | None:
    """The action whose parameters this contact is being asked for."""
    filling = None if actions is None else actions.effects.memory.filling
    is_theirs = filling is None or filling.contact_id in ("", turn.intake.speaker)
    return filling if is_theirs else None
