"""Questions of several trades with the passages that answer them, for fitting the weights.

A file lists sets: the ``trade``, a folder of ``knowledge`` and files of ``questions``, relative to the file. A file of
questions is a suite of ``parley knowledge check``, or JSON lines with ``q``, ``source`` (document#heading, null if no
document answers) and ``answer`` (the sentence that does).

Threads are another kind of set: those of StackFAQ (Karan and Šnajder 2018, text CC BY-SA).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

import yaml
from pydantic import BaseModel, ConfigDict

from agent_worker.knowledge.index.stored_passage import StoredPassage
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.quality.grades import normalize, strip_number
from agent_worker.knowledge.quality.suite import Case, read_suite
from agent_worker.knowledge.text.documents import ENDINGS, read_file
from agent_worker.knowledge.vectors.embedding import short_heading
from agent_worker.knowledge.vectors.encoder import Encoder
from schemas.conversation import Document

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class TrainingSet(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    trade: str
    knowledge: Path
    questions: list[Path]


@dataclass(frozen=True, slots=True)
class Thread:
    """One question of StackFAQ, its paraphrases, and all answers to it."""

    question: str
    paraphrases: Sequence[str]
    answers: Sequence[str]

    @property
    def is_quoted(self) -> bool:
        """Of the half whose figures are quoted, and which no weight is fitted on."""
        return crc32(self.question.encode()) % 2 == 1


def read_sets(file: Path) -> list[TrainingSet]:
    entries = [TrainingSet.model_validate(entry) for entry in yaml.safe_load(file.read_text(encoding="utf-8"))]
    folder = file.parent
    return [
        each.model_copy(
            update={"knowledge": folder / each.knowledge, "questions": [folder / name for name in each.questions]}
        )
        for each in entries
    ]


def read_questions(given: TrainingSet) -> list[Case]:
    """Single questions in English of which it is known which document answers, or that none does."""
    cases = [case for file in given.questions for case in _read_cases(file)]
    return [case for case in cases if case.say and not case.parts and case.language == "en" and _is_labelled(case)]


def _read_cases(file: Path) -> list[Case]:
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".jsonl":
        return read_suite(yaml.safe_load(text)).cases
    rows = enumerate(map(json.loads, text.splitlines()))
    return read_suite({"cases": [_case(f"{file.parent.name}-{number}", row) for number, row in rows]}).cases


def _case(name: str, row: dict[str, str | None]) -> dict[str, object]:
    if row["source"] is None:
        return {"id": name, "question": row["q"], "must_decline": True}
    return {"id": name, "question": row["q"], "sources": [row["source"]], "must_contain": [row["answer"]]}


def _is_labelled(case: Case) -> bool:
    return case.must_decline or bool(case.is_answerable and (case.sources or case.must_cite))


def right_passages(case: Case, passages: Sequence[StoredPassage]) -> list[bool]:
    """Whether each passage answers: it stands under a heading that answers and, where several do, contains what the
    reply must. Of a question that only names documents, all of their passages count."""
    if not case.sources:
        return [passage.document in case.must_cite for passage in passages]
    sources = {_place(*source.split("#", 1)) for source in case.sources}
    in_section = [_place(passage.document, short_heading(passage.heading)) in sources for passage in passages]
    exact = [
        inside and _contains_answer(case, passage.text) for inside, passage in zip(in_section, passages, strict=True)
    ]
    return exact if any(exact) else in_section


def _place(document: str, heading: str) -> tuple[str, str]:
    return document, normalize(strip_number(heading))


def _contains_answer(case: Case, text: str) -> bool:
    normalized = normalize(text)
    return any(normalize(option) in normalized for piece in case.must_contain for option in piece)


def read_threads(file: Path) -> list[Thread]:
    """StackFAQ as published, in JSON."""
    entries = json.loads(file.read_text(encoding="utf-8"))["root"]["qapair"]
    return [
        Thread(
            entry["question"],
            [text for text in entry["rephr"] if text and text.strip() != "*"],
            [entry["answer"]] if isinstance(entry["answer"], str) else entry["answer"],
        )
        for entry in entries
    ]


def thread_documents(threads: Sequence[Thread]) -> Iterator[Document]:
    """Each answer as a document under its thread's question."""
    for number, thread in enumerate(threads):
        for name, answer in zip(thread_answers(number, thread), thread.answers, strict=True):
            yield Document(id=name, title=thread.question, body=answer, version=1, updated_at=NOW)


def thread_answers(number: int, thread: Thread) -> list[str]:
    """The ids of its documents."""
    return [f"{number}-{place}" for place in range(len(thread.answers))]


def thread_cases(threads: Sequence[Thread]) -> list[Case]:
    """The paraphrases of the half that is not quoted."""
    cases = [
        {"id": f"{number}-{place}", "question": text, "must_cite": thread_answers(number, thread)}
        for number, thread in enumerate(threads)
        if not thread.is_quoted
        for place, text in enumerate(thread.paraphrases)
    ]
    return read_suite({"cases": cases}).cases


def read_documents(folder: Path) -> Iterator[Document]:
    for draft in (read_file(path) for path in sorted(folder.iterdir()) if path.suffix in ENDINGS):
        yield Document(id=draft.id, title=draft.title, body=draft.body, version=1, updated_at=NOW)


def index_documents(documents: Iterable[Document], directory: Path, encoder: Encoder | None) -> TenantIndex:
    index = TenantIndex(directory, encoder)
    index.apply([index.prepare(document, "calibration") for document in documents])
    return index
