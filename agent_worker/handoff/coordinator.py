"""The part of a turn that has to do with people: who takes over, what they did, and what the contact hears of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from agent_worker.actions.one_time_codes import CHECK
from agent_worker.actions.service import ActionService
from agent_worker.handoff import handback
from agent_worker.handoff.cancel_handoff import assistant_choice, wants_assistant
from agent_worker.handoff.draft_replies import Drafting
from agent_worker.handoff.handoff_period import Change, Stretch, is_open
from agent_worker.handoff.model_summary import brief
from agent_worker.handoff.ownership_rules import OwnerRules
from agent_worker.handoff.rating import ratings
from agent_worker.handoff.summary import summary
from agent_worker.handoff.wait_estimate import Waits, notice
from agent_worker.models.local.small_talk import classify_small_talk
from agent_worker.models.registry import Models, select_model
from agent_worker.nlu.language_detection import detect_language
from agent_worker.phrases import Voice, translate_voice
from agent_worker.settings import TenantRules
from agent_worker.turn.inbound_events import Event
from agent_worker.turn.intake import Intake
from agent_worker.turn.outbox import Outbox
from schemas.desk import Score
from schemas.handoff.service import decide_request
from schemas.messages import Choice, TranscriptMessage
from schemas.ports import Begun, Clock, Draft, Knowledge, Question, State
from schemas.privacy.one_time_codes import without_codes
from schemas.transcript import in_place

if TYPE_CHECKING:
    from agent_worker.turn.turn_state import Work

LINES = 40
"""Of the transcript, that are read when people come or go."""


@dataclass(slots=True)
class Decided:
    """``changes`` of the owner and ``ratings``, by the event that they come from. ``offered``: what a contact who waits
    may choose."""

    changes: dict[str, Change | None] = field(default_factory=dict)
    ratings: dict[str, Score | None] = field(default_factory=dict)
    offered: list[Choice] = field(default_factory=list)


class People:
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
        self._drafting = Drafting(knowledge, models)
        self._clock = clock
        self._owners = OwnerRules(state.conversations)
        self._waits = Waits(state.limiter)

    # ── what they did ────────────────────────────────────────────────────────────────────────────────────────────────

    async def settle_owner(self, begun: Begun, events: Sequence[Event], rules: TenantRules, decided: Decided) -> bool:
        """Apply what the events ask for; True when somebody else may speak since."""
        conversation, handoff = begun.conversation, begun.conversation.facts.handoff
        told = handoff is not None and bool(handoff.asked or handoff.ended_at is None)
        voices = [rules.voice, translate_voice(rules.voice, "de")] if told else []
        if handoff is not None:
            decided.ratings |= ratings(conversation, events, begun.handled, voices)
        if rules.desk is not None and is_open(handoff):
            decided.offered = [assistant_choice(voice) for voice in voices]
        return await self._owners.apply(
            conversation, events, begun, self._clock(), decided.changes, decided.ratings, decided.offered
        )

    async def take_in(
        self, begun: Begun, events: Sequence[Event], intake: Intake, rules: TenantRules, decided: Decided
    ) -> tuple[Begun, Stretch | None]:
        """The conversation with what is remembered of people after these events. None where they have no part in it,
        as mostly."""
        conversation = begun.conversation
        plain = (
            conversation.owner == "agent" and conversation.facts.handoff is None and not any(decided.changes.values())
        )
        if plain and not any(event.is_urgent for event in events):
            return begun, None
        stretch = Stretch(conversation, conversation.facts.handoff, offered=decided.offered)
        rates = rules.desk is None or rules.desk.rating
        now = set(intake.handled)
        stretch.take([event for event in events if event.id in now], decided.changes, decided.ratings, rates)
        self._set_aside(events, intake, decided.ratings)
        if stretch.looks_back:
            await self._look_back(stretch, intake, rules)
        facts = stretch.facts()
        return replace(begun, conversation=conversation.model_copy(update={"facts": facts})), stretch

    def _set_aside(self, events: Sequence[Event], intake: Intake, given: Mapping[str, Score | None]) -> None:
        """How it went asks for no answer."""
        for event in events:
            if event.id in given and event.message is not None and event.message.id in intake.waiting:
                intake.answered.answer([intake.waiting.pop(event.message.id)])

    async def _look_back(self, stretch: Stretch, intake: Intake, rules: TenantRules) -> None:
        conversation, handoff = stretch.conversation, stretch.handoff
        lines = in_place(await self._state.transcript.recent(conversation.id, limit=LINES))
        stretch.lines = codes_hidden((line for line in lines if line.state not in handback.GONE), rules)
        known = conversation.facts.locale or rules.voice.locale
        stretch.locale = detect_language(" ".join(_of_contact(stretch.lines)[-3:]), known)
        if stretch.changed and handoff is not None and handoff.summary:
            # What was taken back or put otherwise must not live on in it.
            said = summary(stretch.lines, reason=handoff.reason, memory=conversation.facts.actions)
            stretch.update(summary=said)
        if stretch.begun and handoff is not None:
            waiting = handback.left_waiting(lines, handoff.model_copy(update={"since_seq": 0}), intake.answered)
            first = min((line.seq - 1 for line in waiting), default=handoff.since_seq)
            said = summary(stretch.lines, reason=handoff.reason, memory=conversation.facts.actions)
            stretch.update(since_seq=min(first, handoff.since_seq), summary=said)
        if stretch.returned and conversation.owner == "agent" and handoff is not None:
            self._revive(stretch, intake, lines)
        if (stretch.closed or stretch.asks) and conversation.owner == "closed" and handoff is not None:
            _reopen(stretch, handback.unseen(lines, handoff, intake.answered))

    def _revive(self, stretch: Stretch, intake: Intake, lines: Sequence[TranscriptMessage]) -> None:
        """What nobody has answered while people had it waits for the agent now."""
        handoff, origin = stretch.handoff, stretch.conversation.origin
        if handoff is None:
            return
        left = handback.left_waiting(lines, handoff, intake.answered, known=intake.waiting)
        asked = [line for line in left if _asks(line)]
        revived = [handback.as_message(line, place=origin.place, contact=origin.contact_id) for line in asked]
        wished = [id for id, message in intake.waiting.items() if wants_assistant(message, stretch.offered)]
        others = len(intake.waiting) - len(wished) + len(revived)
        for id in wished if others else ():
            intake.answered.answer([intake.waiting.pop(id)])
        stretch.revived = bool(revived) and not intake.waiting
        waiting = {message.id: message for message in revived} | intake.waiting
        intake.waiting.clear()
        intake.waiting.update(waiting)

    # ── what they are asked for ──────────────────────────────────────────────────────────────────────────────────────

    async def attend(self, work: Work) -> None:
        """Whatever people are to read or to be told, once it is known what the contact is answered."""
        if work.stretch is not None and work.stretch.drafts:
            await self._draft(work, work.stretch)
        if work.handoff:
            await self._prepare(work)

    async def _prepare(self, work: Work) -> None:
        """What people are to know who are about to be asked, and what the contact is told of the wait: once, with the
        words that tell of the handoff."""
        talk = work.history or in_place(await self._state.transcript.recent(work.conversation.id, limit=LINES))
        lines = [*talk, *map(TranscriptMessage.of_inbound, work.intake.waiting.values())]
        records = [] if work.effects is None else work.effects.records
        memory = work.conversation.facts.actions if work.effects is None else work.effects.memory
        lines = codes_hidden(lines, work.rules)
        work.summary = summary(lines, reason=work.handoff, found=work.found, actions=records, memory=memory)
        if work.rules.asks_models:
            await self._brief(work, lines)
        terms, now = work.rules.desk, self._clock()
        if terms is None:
            return
        wait = await self._waits.expected(work.conversation.origin.tenant, terms, now) if terms.is_open(now) else None
        said = notice(work.voice, terms, wait, now, work.locale)
        if work.draft is not None:
            work.draft = _with_notice(work.draft, said, work.voice)
        else:
            work.wait_notice = said

    async def _brief(self, work: Work, lines: Sequence[TranscriptMessage]) -> None:
        origin, rules = work.conversation.origin, work.rules
        name = rules.routes.cheap or (
            select_model(rules, work.intake.text, work.locale) if rules.models else rules.model
        )
        question = Question(tenant=origin.tenant, text="", history=lines, found=work.found, contact=origin.contact_id)
        written = brief(self._models, name, question, work.summary, work.handoff, rules.voice.locale)
        work.summary, note = await written
        if note is not None and work.draft is not None:
            tokens, cost = work.draft.tokens + note.tokens, work.draft.cost + note.cost
            work.draft = replace(work.draft, tokens=tokens, cost=cost)

    async def _draft(self, work: Work, stretch: Stretch) -> None:
        conversation = work.conversation
        now, who = self._clock(), partial(self._actions.assurance, conversation, conversation.origin.contact_id)
        talk = handback.marked(stretch.lines, stretch.handoff, now)
        work.drafts = [
            await self._drafting.make(asked, conversation, work.rules, talk, stretch.locale, who, now)
            for asked in stretch.drafts
        ]

    async def hand_over(self, work: Work) -> None:
        """The same request waits in the log; asking now only spares the contact that detour."""
        request = work.ask_people(self._clock())
        await decide_request(self._state.conversations, work.conversation.id, request)
        await self._outbox.publish_pending(work.conversation.id, self._clock())

    async def replied(self, work: Work) -> None:
        """Count how long a contact waited, for those who wait next."""
        first = None if work.stretch is None else work.stretch.first_reply
        if first is None or first.first_reply_at is None:
            return
        terms = work.rules.desk
        hours = None if terms is None else terms.hours
        took = first.first_reply_at - first.opened_at
        took = took if hours is None else hours.worked(first.opened_at, first.first_reply_at)
        await self._waits.came(work.conversation.origin.tenant, took, self._clock())


def _asks(line: TranscriptMessage) -> bool:
    return bool(line.attachments) or not classify_small_talk(line.text, ())


def _reopen(stretch: Stretch, unseen: Sequence[TranscriptMessage]) -> None:
    """Whoever wrote in that very moment gets an answer, and is not asked how it went."""
    if any(map(_asks, unseen)):
        stretch.reopens, stretch.asks = stretch.closed, False
        stretch.update(asked="")


def codes_hidden(lines: Iterable[TranscriptMessage], rules: TenantRules) -> list[TranscriptMessage]:
    """The lines as people and models may see them: without the one-time codes that the contact typed."""
    if CHECK not in rules.actions.actions:
        return list(lines)
    return [
        line.model_copy(update={"text": without_codes(line.text, rules.actions.own)})
        if line.author.kind == "contact"
        else line
        for line in lines
    ]


def _of_contact(lines: Sequence[TranscriptMessage]) -> list[str]:
    return [line.text for line in lines if line.author.kind == "contact" and line.text.strip()]


def _with_notice(draft: Draft, said: str, voice: Voice) -> Draft:
    choices = draft.choices or [assistant_choice(voice)]
    return replace(draft, text=f"{draft.text}\n\n{said}" if said else draft.text, choices=choices)
