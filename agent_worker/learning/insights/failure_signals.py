"""Signals that an answer failed, read from a conversation: declined, disliked, corrected, asked again, and others.

Each question of a contact is read with the answer that it got, and with what happened afterwards. A question without a
signal is kept, too: only beside those that went well can be seen which kind of question goes wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from typing import Literal, get_args

from agent_worker.knowledge.text.analysis import terms
from agent_worker.learning.insights.cases import Case, find_cases
from agent_worker.learning.insights.timeline import ContactMessage, PersonMessage, Timeline, outcome_of
from agent_worker.nlu.yes_no import yes_or_no
from agent_worker.reading.suggestions import has_suggestions, is_none_of_these
from agent_worker.router.decision import blames_answer
from schemas.conversation import ActionRecord, Turn
from schemas.desk import IN_DANGER, DraftSettled

SignalKind = Literal[
    "action_failed",
    "gate_refused",
    "suggestion_refused",
    "draft_edited",
    "declined",
    "thumb_down",
    "low_rating",
    "person_took_over",
    "repeated_question",
    "reopened",
]
SIGNALS: tuple[SignalKind, ...] = get_args(SignalKind)
"""Those that say most about the cause come first: what the agent did, before what people thought of it."""
LOW_SCORE = 2
MIN_EDIT = 0.05
"""A draft of which a smaller share was changed was sent as it is."""
REPEAT_WINDOW = timedelta(days=7)
_MIN_OVERLAP = 0.6
_MAX_EDIT_WORDS = 250
_GATE = re.compile(
    r"model (?P<model>\S+) failed: (?:not grounded|incomplete|only refuses) ?\(?(?P<why>.*?)\)?", re.DOTALL
)
_QUOTED = re.compile(r"“[^”]{0,200}”|\"[^\"]{0,200}\"|'[^']{0,200}'|\[\d+\]|\d[\d.,]*")


@dataclass(slots=True)
class QuestionRecord:
    """A question and its answer. ``document``: the one that the answer cites first, or else that was found first.
    ``signals``: kind → detail. ``comments``: what the contact said about the answer. ``correction``: what people wrote
    instead of it. ``edit``: the share of a draft that was changed, ``lost``: the share of its words that was dropped,
    and ``added``: the words that it got.

    ``action``: the action that failed and the reason; ``refusal``: the objection of the gate; ``refused_model``: whose
    text it refused. ``names``: of the people in the conversation."""

    conversation: str
    channel: str
    at: datetime
    text: str
    answer: str = ""
    intent: str = ""
    document: str = ""
    cites: bool = False
    route: str = ""
    model: str = ""
    language: str = ""
    outcome: str = ""
    confidence: float = 0.0
    signals: dict[SignalKind, str] = field(default_factory=dict)
    comments: list[str] = field(default_factory=list)
    correction: str = ""
    edit: float = 0.0
    lost: float = 0.0
    added: str = ""
    action: str = ""
    refusal: str = ""
    refused_model: str = ""
    names: frozenset[str] = frozenset()

    @property
    def signal(self) -> SignalKind | None:
        """The signal that says most about the cause; None if all went well."""
        return next((kind for kind in SIGNALS if kind in self.signals), None)


def read_questions(timeline: Timeline, since: datetime, until: datetime) -> list[QuestionRecord]:
    """The questions of the period with their signals. Small talk is left out, and so are questions whose words the log
    no longer has, and conversations in which the contact may have been in danger."""
    if any(IN_DANGER in turn.reasons for turn in timeline.turns):
        return []
    cases = find_cases(timeline)
    questions = {turn.id: _read_turn(timeline, turn) for turn in timeline.turns if _asks(timeline, turn)}
    _mark_refused_suggestions(timeline, questions)
    _mark_thumbs(timeline, questions)
    _mark_repeats(timeline, questions)
    for case in cases:
        _mark_case(case, questions)
    _mark_ratings(timeline, cases, questions)
    drafts = [_read_draft(timeline, draft) for draft in timeline.drafts]
    every = [question for question in (*questions.values(), *drafts) if question.text.strip()]
    for question in every:
        question.names = frozenset(timeline.names)
    return [question for question in every if since <= question.at < until]


def _asks(timeline: Timeline, turn: Turn) -> bool:
    """False for small talk, and for a turn that only learned that no suggestion fits."""
    messages = [timeline.messages[id] for id in turn.handled if id in timeline.messages]
    refuses = bool(messages) and all(is_none_of_these(message.choice) for message in messages)
    return outcome_of(turn) != "small_talk" and not refuses


def _read_turn(timeline: Timeline, turn: Turn) -> QuestionRecord:
    cited = [passage.document for passage in turn.passages if passage.cited]
    replies = [reply for reply in turn.replies if reply.author.kind == "agent"]
    texts = [timeline.messages[id].text for id in turn.handled if id in timeline.messages]
    question = QuestionRecord(
        conversation=timeline.id,
        channel=timeline.channel,
        at=turn.at,
        text="\n".join(filter(None, texts)),
        answer="\n".join(reply.text for reply in replies),
        intent=turn.intent,
        document=(cited or [passage.document for passage in turn.passages[:1]] or [""])[0],
        cites=bool(cited),
        route=turn.route,
        model=turn.model,
        language=next((reply.locale for reply in replies if reply.locale), ""),
        outcome=outcome_of(turn),
        confidence=turn.confidence,
    )
    if question.outcome == "declined" and not any(has_suggestions(reply.choices) for reply in replies):
        question.signals["declined"] = ""
    for action in turn.actions:
        if _has_failed(action):
            question.action = _describe_action(action)
            question.signals["action_failed"] = question.action
    for reason in turn.reasons:
        if (refused := _GATE.fullmatch(reason)) is not None:
            question.refused_model, question.refusal = refused["model"], shorten_objection(refused["why"])
            question.signals["gate_refused"] = question.refusal
    return question


def shorten_objection(why: str) -> str:
    """The objection of the gate without the words that it quotes."""
    return " ".join(_QUOTED.sub("…", why).split()) or "not grounded"


def _has_failed(action: ActionRecord) -> bool:
    """True if the action failed, or the system that should have done it turned it down."""
    return action.outcome in ("failed", "unknown") or (
        action.outcome == "refused" and action.reason.startswith("turned_down")
    )


def _describe_action(action: ActionRecord) -> str:
    reason = " ".join(_QUOTED.sub("…", action.reason.removeprefix("turned_down: ")).split())
    return f"{action.name}: {reason or action.outcome}"


def _mark_refused_suggestions(timeline: Timeline, questions: dict[str, QuestionRecord]) -> None:
    """Mark “did you mean” where the contact picked none: said so, wrote something else that was not answered either, or
    left. Where a section was quoted as the closest, only who says so has refused it."""
    messages = sorted(timeline.messages.values(), key=lambda message: message.at)
    outcomes = {id: outcome_of(turn) for turn in timeline.turns for id in turn.handled}
    for turn in timeline.turns:
        offered = [reply for reply in turn.replies if has_suggestions(reply.choices)]
        if not offered or turn.id not in questions:
            continue
        following = next((message for message in messages if message.at > turn.at), None)
        is_told = following is not None and _picks_none(following)
        is_answered = following is not None and outcomes.get(following.id) in ("answer", "action")
        if is_told or not (is_answered or offered[-1].citations):
            labels = [choice.label for choice in offered[-1].choices if not is_none_of_these(choice.id)]
            questions[turn.id].signals["suggestion_refused"] = ", ".join(labels)


def _picks_none(message: ContactMessage) -> bool:
    return is_none_of_these(message.choice) or (not message.choice and yes_or_no(message.text) == "no")


def _mark_thumbs(timeline: Timeline, questions: dict[str, QuestionRecord]) -> None:
    for turn in timeline.turns:
        for thumb in timeline.thumbs_on(turn):
            if thumb.value == "down" and turn.id in questions:
                questions[turn.id].signals["thumb_down"] = thumb.comment
                questions[turn.id].comments += [thumb.comment] if thumb.comment.strip() else []


def _mark_repeats(timeline: Timeline, questions: dict[str, QuestionRecord]) -> None:
    """Mark questions that were asked again after the answer."""
    turns = [turn for turn in timeline.turns if turn.id in questions and questions[turn.id].text]
    for number, turn in enumerate(turns):
        earlier = turns[number - 1] if number else None
        if earlier is None or turn.at - earlier.at > REPEAT_WINDOW:
            continue
        before, now = questions[earlier.id], questions[turn.id]
        if before.outcome in ("answer", "action") and is_repeat(before.text, now.text):
            before.signals["repeated_question"] = now.text


def is_repeat(before: str, now: str) -> bool:
    """True if nearly the same was asked before."""
    one, other = set(terms(before)), set(terms(now))
    return min(len(one), len(other)) > 1 and len(one & other) / len(one | other) >= _MIN_OVERLAP


def _mark_case(case: Case, questions: dict[str, QuestionRecord]) -> None:
    """Mark the answers of a case that people took over, or that was reopened."""
    for handoff in case.handoffs:
        before = [turn for turn in case.turns if turn.at <= handoff.at and turn.id in questions]
        answered = before[-1] if before and outcome_of(before[-1]) != "person" else None
        if answered is None and len(before) > 1 and blames_answer(handoff.reason.split("; ")):
            answered = before[-2]
        if answered is None:
            continue
        question = questions[answered.id]
        question.correction = question.correction or _join_replies(case.replies, handoff.at)
        by_choice = handoff.by not in ("agent", "contact") or blames_answer(handoff.reason.split("; "))
        if by_choice and outcome_of(answered) in ("answer", "action"):
            question.signals["person_took_over"] = handoff.reason
    concluding = case.concluding_turn
    is_agents = not case.with_people and concluding is not None and concluding.id in questions
    if case.reopened_by is not None and is_agents and concluding is not None:
        questions[concluding.id].signals["reopened"] = case.reopened_by.text
    for turn in case.turns:
        if turn.id in questions and not questions[turn.id].correction:
            questions[turn.id].correction = _join_replies(case.replies, turn.at)


def _join_replies(replies: Sequence[PersonMessage], after: datetime) -> str:
    """What people wrote first after this time."""
    return "\n".join(reply.text for reply in [each for each in replies if each.at >= after][:2])


def _mark_ratings(timeline: Timeline, cases: Sequence[Case], questions: dict[str, QuestionRecord]) -> None:
    for rating in timeline.ratings:
        case = next((case for case in reversed(cases) if case.started_at <= rating.at), None)
        turns = [turn for turn in case.turns if turn.id in questions] if case is not None else []
        if rating.score <= LOW_SCORE and turns:
            answered = [turn for turn in turns if outcome_of(turn) != "person"] or turns
            questions[answered[-1].id].signals["low_rating"] = f"{rating.score} of 5"


def _read_draft(timeline: Timeline, draft: DraftSettled) -> QuestionRecord:
    """The question that a draft answers: what the contact had written last."""
    written = sorted(_iterate_before(timeline, draft.at), key=lambda message: message.at)
    question = QuestionRecord(
        conversation=timeline.id,
        channel=timeline.channel,
        at=draft.at,
        text=written[-1].text if written else "",
        answer=draft.draft,
        model=draft.model,
        outcome="draft",
    )
    if draft.outcome == "discarded":
        later = [reply for reply in timeline.people.values() if reply.at >= draft.at]
        question.correction = _join_replies(sorted(later, key=lambda reply: reply.at), draft.at)
        question.edit = question.lost = 1.0
    else:
        question.correction = draft.sent
        question.edit, question.lost, question.added = measure_edit(draft.draft, draft.sent)
    if question.edit >= MIN_EDIT:
        question.signals["draft_edited"] = f"{question.edit:.0%} changed"
    return question


def _iterate_before(timeline: Timeline, at: datetime) -> Iterator[ContactMessage]:
    return (each for each in timeline.messages.values() if each.at <= at and each.text.strip() and not each.is_rating)


def measure_edit(draft: str, sent: str) -> tuple[float, float, str]:
    """The share of all words that was changed, the share of the draft's words that was dropped, and the words that were
    added."""
    before, after = draft.split()[:_MAX_EDIT_WORDS], sent.split()[:_MAX_EDIT_WORDS]
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    added = [
        " ".join(after[begin:end])
        for tag, _, _, begin, end in matcher.get_opcodes()
        if tag in ("insert", "replace") and end > begin
    ]
    kept = sum(block.size for block in matcher.get_matching_blocks())
    return round(1 - matcher.ratio(), 4), round(1 - kept / max(1, len(before)), 4), " … ".join(added)
