"""Runs a suite's conversations as turns would answer them, and sums up the grades."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from agent_worker.knowledge.quality.grades import (
    HELPFUL,
    WRONG,
    Grade,
    ObservedReply,
    PartGrade,
    ReplyKind,
    find_opening,
    grade_parts,
    grade_reply,
)
from agent_worker.knowledge.quality.suite import Case, Message, Suite
from agent_worker.knowledge.vectors.embedding import short_heading
from agent_worker.reading.message_reading import LanguageSearch, discard, read_message
from agent_worker.reading.suggestions import section_id
from agent_worker.voice import Voice, translate_voice
from schemas.messages import Author, AuthorKind, TranscriptMessage
from schemas.ports import AnswerDraft, Model, SearchResult

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One graded message. ``turn``: its place in the conversation, from 0. ``parts``: where it asks several things."""

    case: Case
    message: Message
    turn: int
    reply: ObservedReply
    grade: Grade
    parts: Sequence[PartGrade]


class SuiteRunner:
    """Answers a suite's messages from a tenant's documents: no actions, no router, nothing is sent or kept."""

    def __init__(self, search: LanguageSearch, model: Model, tenant: str, voice: Voice) -> None:
        self._search_documents = search
        self._model = model
        self._tenant = tenant
        self._voice = voice
        self._found: dict[tuple[str, str], SearchResult] = {}
        self._places: dict[str, str] = {}
        self._always = False
        self.encoder = ""

    async def run(self, suite: Suite, step: Callable[[str], None] = lambda _: None) -> QualityReport:
        """``step`` is called with the id of each case that is done."""
        self._always = False
        outcomes = [outcome for case in suite.cases for outcome in await self._run_case(case, step)]
        # Once more, as if the agent never declined: only so does the confidence of every answer count.
        self._always = True
        unlimited = [outcome for case in suite.cases for outcome in await self._run_case(case, lambda _: None)]
        return QualityReport(suite.name, self.encoder, outcomes, separation(unlimited))

    async def _run_case(self, case: Case, step: Callable[[str], None]) -> list[Outcome]:
        history: list[TranscriptMessage] = []
        outcomes: list[Outcome] = []
        for turn, message in enumerate(case.messages):
            draft, confidence, locale = await self._answer(message.say, history)
            if message.is_graded:
                reply = self._observe(draft, confidence, translate_voice(self._voice, locale))
                parts = grade_parts(message, reply)
                outcomes.append(Outcome(case, message, turn, reply, grade_reply(message, reply), parts))
            history += [_line(len(history) + 1, "contact", message.say), _reply_line(len(history) + 2, draft)]
        step(case.id)
        return outcomes

    async def _answer(self, text: str, history: Sequence[TranscriptMessage]) -> tuple[AnswerDraft, float, str]:
        question = await read_message(self._tenant, text, history, self._voice.locale, self._search)
        return await self._model.answer(question, discard), question.search_result.confidence, question.locale

    async def _search(self, text: str, locale: str) -> SearchResult:
        if (text, locale) not in self._found:
            self._found[text, locale] = await self._search_documents(text, locale)
        found = self._found[text, locale]
        self.encoder = found.encoder or self.encoder
        self._places |= {section_id(each): f"{each.document}#{short_heading(each.heading)}" for each in found.passages}
        return replace(found, answerable=bool(found.passages)) if self._always else found

    def _observe(self, draft: AnswerDraft, confidence: float, voice: Voice) -> ObservedReply:
        """See a draft as the customer does."""
        openings = [each.partition("{questions}")[0].strip() for each in (voice.not_found_about, voice.not_sure_about)]
        places = [draft.text.rfind(opening) for opening in openings if opening and opening in draft.text]
        unanswered = draft.text[min(places) :] if places else ""
        offers = [self._places[choice.id] for choice in draft.choices if choice.id in self._places]
        kind, text = _kind(draft, offers), draft.text
        if kind == "closest":
            offers = [f"{draft.citations[0].document}#{short_heading(draft.citations[0].heading)}", *offers]
            text = text.partition(voice.closest.rpartition("{heading}")[2])[2]
        labels = [choice.label for choice in draft.choices]
        return ObservedReply(kind, text, draft.citations, offers, unanswered, confidence, labels)


def _kind(draft: AnswerDraft, offers: Sequence[str]) -> ReplyKind:
    if draft.handoff:
        return "handoff"
    if draft.citations:
        return "answer" if draft.answered else "closest"
    if offers:
        return "suggestion"
    if not draft.answered:
        return "decline"
    return "question" if draft.text.rstrip().endswith("?") else "answer"


def _line(seq: int, kind: AuthorKind, text: str) -> TranscriptMessage:
    return TranscriptMessage(seq=seq, id=str(seq), author=Author(kind=kind), text=text, created_at=_NOW)


def _reply_line(seq: int, draft: AnswerDraft) -> TranscriptMessage:
    shown = {"citations": draft.citations, "choices": draft.choices}
    return _line(seq, "agent", draft.text).model_copy(update=shown)


@dataclass(frozen=True, slots=True)
class QualityReport:
    """Figures of a suite. Shares are of all graded replies unless their description says otherwise, 0–1; None where the
    suite has no such message. ``encoder``: name of the encoder used, empty when only words were compared.
    ``separation``: see the function."""

    name: str
    encoder: str
    outcomes: Sequence[Outcome]
    separation: float | None = None

    def count(self, *grades: Grade) -> int:
        return sum(each.grade in grades for each in self.outcomes)

    def share(self, *grades: Grade) -> float | None:
        return _share(each.grade in grades for each in self.outcomes)

    @property
    def right_share(self) -> float | None:
        """Answered, and right."""
        return self.share("right")

    @property
    def wrong_share(self) -> float | None:
        """Answered, and false or beside the question."""
        return self.share(*WRONG)

    @property
    def right_as_closest_share(self) -> float | None:
        """Right, and quoted as the closest section because it was not sure; part of ``right_share``."""
        return _share(each.grade == "right" and each.reply.kind == "closest" for each in self.outcomes)

    @property
    def beside_as_closest_share(self) -> float | None:
        """Quoted as the closest section, and not what was asked for. Counts as wrong only if it says what is false."""
        return _share(each.grade != "right" and each.reply.kind == "closest" for each in self.outcomes)

    @property
    def helped_share(self) -> float | None:
        return self.share(*HELPFUL)

    @property
    def score(self) -> float | None:
        """Right − 3 × wrong."""
        return None if self.right_share is None or self.wrong_share is None else self.right_share - 3 * self.wrong_share

    @property
    def unanswerable_declined(self) -> float | None:
        """Of the messages that no document answers."""
        return _share(
            each.grade == "rightly_declined"
            for each in self.outcomes
            if not each.message.parts and not each.message.is_answerable
        )

    @property
    def polarity_wrong(self) -> float | None:
        """Of the questions for yes or no: those whose answer opens with the wrong one."""
        return _share(
            each.reply.kind in ("answer", "closest")
            and find_opening(each.reply.text) not in ("", each.message.polarity)
            for each in self.outcomes
            if each.message.polarity is not None
        )

    @property
    def follow_ups_right(self) -> float | None:
        """Of the answerable messages after the first one of a conversation."""
        return _share(
            each.grade == "right" for each in self.outcomes if each.turn and (each.parts or each.message.is_answerable)
        )

    @property
    def all_parts_named(self) -> float | None:
        """Of the messages with several questions: those whose every question is answered or named."""
        return _share(all(part.is_named for part in each.parts) for each in self.outcomes if each.parts)

    @property
    def other_languages_helped(self) -> float | None:
        return _share(each.grade in HELPFUL for each in self.outcomes if each.case.language != "en")

    def by_kind(self) -> dict[str, Counter[Grade]]:
        """How often each grade was given, by kind of case."""
        table: dict[str, Counter[Grade]] = {}
        for each in self.outcomes:
            table.setdefault(each.case.kind, Counter())[each.grade] += 1
        return table

    def figures(self) -> dict[str, float | None]:
        """All figures by name."""
        return {
            "right": self.right_share,
            "right_as_closest": self.right_as_closest_share,
            "beside_as_closest": self.beside_as_closest_share,
            "wrong": self.wrong_share,
            "score": self.score,
            "helped": self.helped_share,
            "unanswerable_declined": self.unanswerable_declined,
            "polarity_wrong": self.polarity_wrong,
            "follow_ups_right": self.follow_ups_right,
            "all_parts_named": self.all_parts_named,
            "other_languages_helped": self.other_languages_helped,
            "separation": self.separation,
        }


def separation(outcomes: Sequence[Outcome]) -> float | None:
    """The chance that a right answer has a higher confidence than a wrong one (AUROC). None without one of each."""
    answered = [each for each in outcomes if each.reply.kind == "answer" and not each.parts]
    right = [each.reply.confidence for each in answered if each.grade == "right"]
    wrong = [each.reply.confidence for each in answered if each.grade in WRONG]
    if not right or not wrong:
        return None
    wins = sum((one > other) + 0.5 * (one == other) for one in right for other in wrong)
    return wins / (len(right) * len(wrong))


def _share(facts: Iterable[bool]) -> float | None:
    counted = list(facts)
    return sum(counted) / len(counted) if counted else None
