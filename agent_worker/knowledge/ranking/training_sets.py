"""Questions of several trades with the passages that answer them, for fitting the weights.

A file lists sets: the ``trade``, a folder of ``knowledge`` and files of ``questions``, relative to the file. A file of
questions is a suite of ``parley knowledge check``, or JSON lines with ``q``, ``source`` (document#heading, null if no
document answers) and ``answer`` (the sentence that does).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from agent_worker.knowledge.index.passage_store import StoredPassage
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


def index_documents(folder: Path, directory: Path, encoder: Encoder | None) -> TenantIndex:
    """An index of the folder's documents."""
    index = TenantIndex(directory, encoder)
    index.apply([index.prepare(document, "calibration") for document in _documents(folder)])
    return index


def _documents(folder: Path) -> Iterator[Document]:
    for draft in (read_file(path) for path in sorted(folder.iterdir()) if path.suffix in ENDINGS):
        yield Document(id=draft.id, title=draft.title, body=draft.body, version=1, updated_at=NOW)
