"""Training examples from the events of a conversation, with the requests that the model saw and without personal
data."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent_worker.learning.conversation_log import REPLAY_TYPES, ConversationLog, read_conversation
from agent_worker.learning.finetune.answer_citations import DECLINED, CitedAnswer, cite_answer, read_marks
from agent_worker.learning.finetune.prompt_reader import PromptReader, ReadPrompt
from agent_worker.learning.finetune.text_similarity import overlap, read_words
from agent_worker.learning.finetune.training_example import CitedVersion, Problem, TrainingExample
from gateway.finetune.answer_labels import AnswerLabel, label_answers
from gateway.finetune.contact_names import ContactNames, names_other_contact
from gateway.training_export.conversation_grouping import ConversationEvent
from gateway.training_export.conversation_history import (
    EXPORT_TYPES,
    ConversationHistory,
    outcome_of,
    read_history,
)
from gateway.training_export.examples import Anonymizer, FindPassages
from schemas import topics
from schemas.conversation import Document
from schemas.messages import InboundMessage
from schemas.ports import Passage
from schemas.privacy.cards import OwnNumbers
from schemas.privacy.one_time_codes import mask_one_time_codes

FINETUNE_TYPES = REPLAY_TYPES | EXPORT_TYPES
"""The events that examples are read from."""
_ECHO = 0.8
"""The share of equal words from which a person sent a text of the agent. People add a greeting to it."""


@dataclass(frozen=True, slots=True)
class ExampleContext:
    """What the examples of a tenant have in common. ``documents``: the published ones; ``names``: of all contacts;
    ``own``: matches the tenant's own numbers."""

    tenant: str
    prompts: PromptReader
    documents: Mapping[str, Document]
    names: ContactNames
    find_passages: FindPassages
    own: OwnNumbers | None = None


@dataclass(frozen=True, slots=True)
class _Answers:
    """The answers of a label, with citations."""

    chosen: CitedAnswer | None
    rejected: str


class ExampleBuilder:
    """Builds the examples of one conversation. ``names``: of its contact, besides those in the messages."""

    def __init__(
        self, context: ExampleContext, conversation: str, events: Sequence[ConversationEvent], names: Iterable[str]
    ) -> None:
        self._context = context
        self._history: ConversationHistory = read_history(events)
        self._log: ConversationLog = read_conversation(
            conversation, context.tenant, [each.to_recorded() for each in events]
        )
        self._channel = events[0].channel
        self._names = {*self._history.names, *names}
        contacts = [
            each.contact_id
            for each in self._log.payloads.values()
            if isinstance(each, InboundMessage) and each.author.kind == "contact"
        ]
        self._contact = contacts[0] if contacts else ""
        self._is_shared = len(set(contacts)) > 1
        self._has_deleted = any(event.type == topics.MESSAGE_DELETED for event in events)

    async def build(self) -> list[TrainingExample]:
        """The examples, those that cannot be used without text."""
        return [await self._build(label) for label in label_answers(self._history)]

    async def _build(self, label: AnswerLabel) -> TrainingExample:
        example = self._begin(label)
        if (problem := self._find_problem_of_conversation(label)) is not None:
            return example.without_text(problem)
        prompt = await self._read_prompt(label)
        if prompt is None:
            return example.without_text("not_recorded")
        answers = self._cite(label, prompt)
        if (problem := self._find_problem(label, prompt, answers)) is not None:
            return example.without_text(problem)
        return await self._fill(example, label, prompt, answers)

    def _begin(self, label: AnswerLabel) -> TrainingExample:
        digest = hashlib.sha256(f"{self._context.tenant}:{self._contact}".encode()).hexdigest()
        return TrainingExample(
            id=label.id,
            conversation=self._log.id,
            contact=digest[:16],
            channel=self._channel,
            at=label.at,
            source=label.source,
            reason=label.reason,
            model=label.model,
        )

    async def _read_prompt(self, label: AnswerLabel) -> ReadPrompt | None:
        turn = label.turn
        recording = None if turn is None else self._log.recordings.get(turn.id)
        if turn is None or recording is None:
            return None
        known = self._context.find_passages(recording.passages)
        if not (recording.passages or recording.exchanges) or not known.keys() >= set(recording.passages):
            return None
        scores = {(each.document, each.heading): each.score for each in turn.passages}
        passages = [
            Passage(
                tenant=self._context.tenant,
                document=found.document,
                version=found.version,
                title=found.title,
                heading=found.heading,
                url=found.url,
                text=found.text,
                score=scores.get((found.document, found.heading), 0.0),
            )
            for found in (known[key] for key in recording.passages)
        ]
        return await self._context.prompts.read(self._log, turn, recording, passages)

    def _cite(self, label: AnswerLabel, prompt: ReadPrompt) -> _Answers:
        """The answers in the form that the instructions demand. What the model itself wrote has its citations."""

        def cite(text: str) -> CitedAnswer:
            return cite_answer(text, prompt.passages, prompt.question)

        own = prompt.answer if prompt.is_exact and label.turn is not None and label.model == label.turn.model else ""
        if label.by_model and own:
            cited = CitedAnswer(own, read_marks(own, prompt.passages), cite(own).has_other_figures)
            return _Answers(cited, "")
        chosen = cite(label.chosen) if label.chosen else None
        if chosen is not None and self._has_declined(label):
            written = [cite(text) for text in self._by_people()]
            chosen = chosen if any(each.cited or each.has_other_figures for each in written) else DECLINED
        is_turn = not label.reason.startswith("draft_")
        return _Answers(chosen, (own if is_turn else "") or (cite(label.rejected).text if label.rejected else ""))

    def _has_declined(self, label: AnswerLabel) -> bool:
        """True if the agent found no answer, and a person answered instead. If nothing that people wrote is in the
        passages, declining was right: a model that only learns from answers learns to answer everything. Whoever names
        a figure knows an answer, so that a document is missing."""
        turn = label.turn
        return label.source == "person_wrote" and turn is not None and outcome_of(turn) == "declined"

    def _by_people(self) -> list[str]:
        return [message.text for message in self._history.messages.values() if message.author == "person"]

    # ── problems ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _find_problem_of_conversation(self, label: AnswerLabel) -> Problem | None:
        if self._history.is_crisis:
            return "crisis"
        if self._is_shared:
            return "other_contact"
        spoken = [message.text for message in self._history.messages.values() if message.turn is None]
        if any(self._has_code(text) for text in (*spoken, label.chosen, label.rejected, label.note)):
            return "one_time_code"
        # What a contact deleted is in the requests that were made before.
        return "not_recorded" if self._has_deleted else None

    def _has_code(self, text: str) -> bool:
        return mask_one_time_codes(text, self._context.own) != text

    def _find_problem(self, label: AnswerLabel, prompt: ReadPrompt, answers: _Answers) -> Problem | None:
        seen = prompt.text
        for text in (label.chosen, label.rejected):
            if names_other_contact(text, seen, self._names, self._context.names, self._contact):
                return "other_contact"
        if answers.chosen is None:
            return None
        if label.source == "person_wrote" and self._is_echo(label.chosen):
            return "agent_echo"
        if answers.chosen.has_other_figures:
            return "contradictory_figures"
        if not answers.chosen.cited and answers.chosen is not DECLINED:
            return "not_grounded"
        return None if all(map(self._is_current, answers.chosen.cited)) else "outdated_document"

    def _is_echo(self, text: str) -> bool:
        """True if the agent wrote the text, as a reply or a draft in this conversation."""
        replies = [message.text for message in self._history.messages.values() if message.turn is not None]
        words = read_words(text)
        written = (*replies, *(settled.draft.draft for settled in self._history.drafts))
        return any(overlap(words, read_words(each)) >= _ECHO for each in written)

    def _is_current(self, passage: Passage) -> bool:
        """True if the document still says it, in this version or a later one."""
        document = self._context.documents.get(passage.document)
        if document is None:
            return False
        return document.version == passage.version or _squeeze(passage.text) in _squeeze(document.body)

    # ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _fill(
        self, example: TrainingExample, label: AnswerLabel, prompt: ReadPrompt, answers: _Answers
    ) -> TrainingExample:
        """The example with its texts. Models get placeholders, so rows have them, too; what those do not cover, such as
        a name in other letters, is masked as in every export."""
        public = "\n".join(f"{each.title}\n{each.heading}\n{each.text}" for each in prompt.passages)
        mask = Anonymizer(self._context.own, self._names, public)
        written = "" if answers.chosen is None else answers.chosen.text
        messages, texts = await prompt.mask(written, answers.rejected, prompt.question, label.note)
        chosen, rejected, question, note = map(mask, texts)
        cited = [] if answers.chosen is None else answers.chosen.cited
        return example.model_copy(
            update={
                "language": prompt.locale,
                "question": question,
                "prompt": [each.model_copy(update={"content": mask(each.content)}) for each in messages],
                "tools": prompt.tools,
                "chosen": chosen,
                "rejected": rejected,
                "note": note,
                "documents": [self._cited_version(passage) for passage in cited],
                "is_exact": prompt.is_exact,
            }
        )

    def _cited_version(self, passage: Passage) -> CitedVersion:
        document = self._context.documents.get(passage.document)
        location = passage.url or ("" if document is None else document.source)
        return CitedVersion(document=passage.document, version=passage.version, location=location)


def _squeeze(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())
