"""Coordination of handoffs within a turn: changes of owner, handbacks, drafts for people, and requests for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from agent_worker.actions.execution.effects import Effects
from agent_worker.actions.one_time_codes import CHECK
from agent_worker.actions.service import ActionService
from agent_worker.handoff import handback
from agent_worker.handoff.cancel_handoff import assistant_choice, wants_assistant
from agent_worker.handoff.desk_service_level import DeskServiceLevel
from agent_worker.handoff.draft_replies import DraftWriter
from agent_worker.handoff.handoff_period import HandoffContext, HandoffDecisions, HandoffPeriod, is_open
from agent_worker.handoff.owner_changes import OwnerChangeHandler
from agent_worker.handoff.rating import find_ratings
from agent_worker.handoff.summary import summarize, write_summary
from agent_worker.handoff.wait_estimate import WaitEstimate, format_wait_notice, is_reachable
from agent_worker.learning.turn_recorder import current_recorder, note_contact
from agent_worker.models.local.small_talk import classify_small_talk
from agent_worker.models.registry import Models, select_model
from agent_worker.nlu.language_detection import detect_language
from agent_worker.router.decision import PERSON_REQUESTED
from agent_worker.settings import TenantRules
from agent_worker.translations import LANGUAGES
from agent_worker.turn.inbound_events import InboundEvent
from agent_worker.turn.intake import Intake
from agent_worker.turn.outbox import Outbox
from agent_worker.turn.values import EMPTY_RESULT, HandoffRequest, Reply, TurnInput
from agent_worker.voice import Voice, translate_voice
from schemas.conversation import Origin, OwnerRequested
from schemas.desk import DraftGenerated
from schemas.handoff.service import decide_request
from schemas.messages import Choice, TranscriptMessage
from schemas.ports import BegunConversation, Clock, Knowledge, Question, State
from schemas.privacy.one_time_codes import mask_one_time_codes
from schemas.privacy.personal_data import find_addresses
from schemas.transcript import order_lines

LINES = 40
"""Lines of the transcript that are read when a handoff begins or ends."""


class HandoffCoordinator:
    def __init__(
        self,
        *,
        state: State,
        outbox: Outbox,
        actions: ActionService,
        knowledge: Knowledge,
        models: Models,
        clock: Clock,
    ) -> None:
        self._state = state
        self._outbox = outbox
        self._actions = actions
        self._models = models
        self._drafter = DraftWriter(knowledge, models)
        self._clock = clock
        self._owners = OwnerChangeHandler(state.conversations)
        self._waits = WaitEstimate(state.limiter, state.conversations)

    # ── while the turn loads ─────────────────────────────────────────────────────────────────────────────────────────

    async def apply_owner_changes(
        self, begun: BegunConversation, events: Sequence[InboundEvent], rules: TenantRules, previous: HandoffDecisions
    ) -> tuple[HandoffDecisions, bool]:
        """Apply the changes of owner that the events ask for. Decisions in ``previous`` stay. Return the decisions, and
        True if the owner changed."""
        conversation, handoff = begun.conversation, begun.conversation.facts.handoff
        has_asked = handoff is not None and bool(handoff.asked or handoff.ended_at is None)
        voices = list_wordings(rules.voice, conversation.facts.locale) if has_asked else []
        ratings = dict(previous.ratings)
        if handoff is not None:
            ratings |= find_ratings(conversation, events, begun.handled, voices)
        choices = previous.choices
        if is_open(handoff):
            choices = [assistant_choice(voice) for voice in voices]
        changes = dict(previous.changes)
        changed = await self._owners.apply(conversation, events, begun, self._clock(), changes, ratings, choices)
        return HandoffDecisions(changes, ratings, choices), changed

    async def review(
        self,
        begun: BegunConversation,
        events: Sequence[InboundEvent],
        intake: Intake,
        rules: TenantRules,
        decisions: HandoffDecisions,
    ) -> tuple[Intake, HandoffContext | None]:
        """Compute the handoff after these events, and the messages that wait now. None if there is no handoff, the
        usual case."""
        conversation = begun.conversation
        agent_alone = conversation.owner == "agent" and conversation.facts.handoff is None
        if agent_alone and not any(decisions.changes.values()) and not any(event.is_urgent for event in events):
            return intake, None
        new_ids = set(intake.handled)
        may_ask = rules.desk is None or rules.desk.rating
        period = HandoffPeriod.from_events(
            conversation, [event for event in events if event.id in new_ids], decisions, may_ask=may_ask
        )
        # Ratings need no answer.
        rated = [event.message.id for event in events if event.id in decisions.ratings and event.message is not None]
        intake = intake.with_answered(id for id in rated if id in intake.waiting)
        period = period.with_addresses(find_addresses(intake.text, rules.actions.own))
        context = HandoffContext(period, decisions.choices)
        return await self._review_transcript(context, intake, rules) if period.needs_transcript else (intake, context)

    async def _review_transcript(
        self, context: HandoffContext, intake: Intake, rules: TenantRules
    ) -> tuple[Intake, HandoffContext]:
        period, conversation = context.period, context.period.conversation
        recent = order_lines(await self._state.transcript.read_recent(conversation.id, limit=LINES))
        lines = hide_codes((line for line in recent if line.state not in handback.NOT_SHOWN), rules)
        known = conversation.facts.locale or rules.voice.locale
        texts = [line.text for line in lines if line.author.kind == "contact" and line.text.strip()]
        context = replace(context, lines=lines, locale=detect_language(" ".join(texts[-3:]), known))
        handoff = period.handoff
        if handoff is None:
            return intake, context
        if period.is_new or period.danger or (period.changed_messages and handoff.summary_lines):
            # The summary must not quote messages that were deleted or edited, or of an earlier handoff.
            earlier = conversation.facts.handoff if period.is_new else None
            fresh = handback.lines_after_handback(handback.add_marks(lines, earlier, self._clock()))
            summary = summarize(fresh or lines, reason=handoff.reason, memory=conversation.facts.actions)
            left = set(find_addresses("\n".join(texts), rules.actions.own))
            kept = handoff.reach_at if period.is_new else [each for each in handoff.reach_at if each in left]
            period = period.with_handoff(summary=summary, reach_at=kept)
        if period.is_new:
            waiting = handback.find_unanswered(recent, handoff.model_copy(update={"since_seq": 0}), intake.answered)
            first = min((line.seq - 1 for line in waiting), default=handoff.since_seq)
            period = period.with_handoff(since_seq=min(first, handoff.since_seq))
        resumes = reopens = False
        if period.ending == "returned" and conversation.owner == "agent":
            intake, resumes = _resume(period, intake, recent, context.choices)
        if (period.ending == "closed" or period.asks_rating) and conversation.owner == "closed":
            unseen = handback.find_unseen(recent, handoff, intake.answered)
            if any(map(_needs_answer, unseen)):
                # A contact who wrote at the moment of closing gets an answer, and no question for a rating.
                reopens, period = period.ending == "closed", period.without_rating()
        return intake, replace(context, period=period, resumes=resumes, reopens=reopens)

    # ── while the turn answers ───────────────────────────────────────────────────────────────────────────────────────

    async def draft_replies(self, turn: TurnInput, reply: Reply) -> list[DraftGenerated]:
        """The drafts that people asked for."""
        context, conversation = turn.handoff, turn.conversation
        if context is None or not context.period.draft_requests:
            return []
        now = self._clock()
        assurance = partial(self._actions.assurance, conversation, conversation.origin.contact_id)
        lines = handback.add_marks(context.lines, context.period.handoff, now)
        return [
            await self._drafter.write_draft(
                request, conversation, _effective_rules(turn, reply), lines, context.locale, assurance, now
            )
            for request in context.period.draft_requests
        ]

    async def prepare_request(self, turn: TurnInput, reply: Reply, effects: Effects | None) -> HandoffRequest | None:
        """Prepare the request for people, with a summary for them and a notice of the wait for the contact. None if no
        handoff is needed, or people have the conversation already."""
        reason = find_handoff_reason(turn, reply, effects)
        if not reason:
            return None
        waiting, lines = turn.intake.waiting, turn.history
        if not lines:
            lines = order_lines(await self._state.transcript.read_recent(turn.conversation.id, limit=LINES))
        earlier = [line for line in handback.lines_after_handback(lines) if line.id not in waiting]
        lines = hide_codes([*earlier, *map(TranscriptMessage.of_inbound, waiting.values())], turn.rules)
        request = HandoffRequest(
            reason,
            summarize(
                lines,
                reason=reason,
                search_result=None if reply.search_result is EMPTY_RESULT else reply.search_result,
                actions=[] if effects is None else effects.records,
                memory=turn.conversation.facts.actions if effects is None else effects.memory,
            ),
            reach_at=find_addresses(turn.intake.text, turn.rules.actions.own),
        )
        if _effective_rules(turn, reply).asks_models:
            request = await self._write_summary(turn, reply, request, lines)
        desk, now = turn.rules.desk, self._clock()
        if desk is None:
            return request
        tenant, wait, is_open = turn.conversation.origin.tenant, None, desk.is_open(now)
        others = await self._state.conversations.count(tenant, "queue")
        if is_open:
            wait = await self._waits.expect(tenant, desk, others, now)
        current_recorder().wait = 0.0 if wait is None else wait.total_seconds()
        notice = format_wait_notice(
            turn.voice,
            desk,
            wait,
            now,
            turn.locale,
            is_reachable=is_open or await self._is_reachable(turn.conversation.origin),
            left_address=bool(request.reach_at),
        )
        return replace(request, wait_notice=notice, waiting=others)

    async def _is_reachable(self, origin: Origin) -> bool:
        contact = await self._state.contacts.get(origin.tenant, origin.contact_id) if origin.channel == "web" else None
        note_contact(contact, origin)
        return is_reachable(origin, [each.assurance for each in contact.addresses] if contact is not None else ())

    async def _write_summary(
        self, turn: TurnInput, reply: Reply, request: HandoffRequest, lines: Sequence[TranscriptMessage]
    ) -> HandoffRequest:
        """Have a model write the summary, if it can."""
        origin, rules = turn.conversation.origin, _effective_rules(turn, reply)
        model = rules.routes.cheap or (
            select_model(rules, turn.intake.text, turn.locale) if rules.models else rules.model
        )
        question = Question(
            tenant=origin.tenant, text="", history=lines, search_result=reply.search_result, contact=origin.contact_id
        )
        summary, note = await write_summary(
            self._models, model, question, request.summary, request.reason, rules.voice.locale
        )
        tokens, cost = (0, 0.0) if note is None else (note.tokens, note.cost)
        return replace(request, summary=summary, tokens=tokens, cost=cost)

    # ── after the commit ─────────────────────────────────────────────────────────────────────────────────────────────

    async def hand_over(self, conversation: str, request: OwnerRequested) -> None:
        """Apply the request for people at once. The same request is in the log; this only saves time."""
        await decide_request(self._state.conversations, conversation, request)
        await self._outbox.publish_pending(conversation, self._clock())

    async def count_first_reply(self, rules: TenantRules, period: HandoffPeriod) -> None:
        """Count the time to the first reply of people, for later estimates."""
        first = period.first_reply
        if first is None or first.first_reply_at is None:
            return
        waited = (rules.desk or DeskServiceLevel()).time_between(first.opened_at, first.first_reply_at)
        await self._waits.count(period.conversation.origin.tenant, waited, first.waiting, self._clock())


def list_wordings(voice: Voice, locale: str) -> list[Voice]:
    """The voice in all languages, the contact's first: in which of them a question was asked is not recorded."""
    return [translate_voice(voice, language) for language in dict.fromkeys((locale, voice.locale, *LANGUAGES))]


def _effective_rules(turn: TurnInput, reply: Reply) -> TenantRules:
    """The tenant's rules, without paid models if the contact is over its limit."""
    return turn.rules.without_paid_models() if reply.local_only else turn.rules


def find_handoff_reason(turn: TurnInput, reply: Reply, effects: Effects | None) -> str:
    """Return the reason for a handoff; empty if none is needed, or people have the conversation already."""
    draft = reply.draft
    if turn.conversation.owner != "agent":
        return ""
    if effects is not None and effects.handoff:
        return effects.handoff
    if draft is None or not draft.handoff:
        return ""
    if reply.route.name == "person":
        return "; ".join(reply.route.reasons)
    return "; ".join(draft.reasons) or PERSON_REQUESTED


def _resume(
    period: HandoffPeriod, intake: Intake, lines: Sequence[TranscriptMessage], choices: Sequence[Choice]
) -> tuple[Intake, bool]:
    """Add the messages that nobody answered while people had the conversation. True if nothing else waits."""
    handoff, origin = period.handoff, period.conversation.origin
    if handoff is None:
        return intake, False
    unanswered = handback.find_unanswered(lines, handoff, intake.answered, waiting=intake.waiting)
    resumed = [
        handback.restore_message(line, place=origin.place, contact=origin.contact_id)
        for line in unanswered
        if _needs_answer(line)
    ]
    requests = [id for id, message in intake.waiting.items() if wants_assistant(message, choices)]
    if len(intake.waiting) - len(requests) + len(resumed):
        intake = intake.with_answered(requests)
    only_resumed = bool(resumed) and not intake.waiting
    waiting = {message.id: message for message in resumed} | dict(intake.waiting)
    return replace(intake, waiting=waiting), only_resumed


def _needs_answer(line: TranscriptMessage) -> bool:
    return bool(line.attachments) or not classify_small_talk(line.text, ())


def hide_codes(lines: Iterable[TranscriptMessage], rules: TenantRules) -> list[TranscriptMessage]:
    """The lines as people and models may see them: without the one-time codes that the contact typed."""
    if CHECK not in rules.actions.actions:
        return list(lines)
    return [
        line.model_copy(update={"text": mask_one_time_codes(line.text, rules.actions.own)})
        if line.author.kind == "contact"
        else line
        for line in lines
    ]
