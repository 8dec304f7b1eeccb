"""The trial of a small model counts what models wrote themselves, on documents that nothing was learned of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from tests.finetune.demo.__main__ import REHEARSED
from tests.finetune.demo.measurement import QUESTIONS, measure_answers
from tests.finetune.demo.recording import (
    CLOSING,
    FAR_AWAY,
    HELD_OUT_DOCUMENTS,
    SHOP,
    read_far_away,
    read_headings,
    read_questions,
    select_held_out,
    select_training,
    write_answer,
)

ASKED = "Which soil?"
PASSAGES = [{"n": 1, "title": "Orchids", "text": "Bark."}, {"n": 2, "title": "Sundews", "text": "Peat."}]


def entry(model: str, answer: str, *repairs: dict[str, str]) -> dict[str, Any]:
    request = {"role": "user", "content": json.dumps({"passages": PASSAGES, "message": ASKED})}
    return {"model": model, "messages": [{"role": "system", "content": "Rules"}, request, *repairs], "answer": answer}


def test_only_first_answers_count_and_every_citation_must_be_right(tmp_path: Path) -> None:
    (tmp_path / "sundews.md").write_text("# Sundews\n\nPeat.\n")
    case = {"name": "soil", "message": ASKED, "expect": {"cites": ["sundews"], "closing": CLOSING}}
    (suite := tmp_path / "evals.yaml").write_text(yaml.safe_dump({"cases": [case]}))
    entries = [
        entry("base", "Peat [2] and bark [1]."),
        entry("base", f"Peat [2]. {CLOSING}", {"role": "assistant", "content": "…"}, {"role": "user", "content": "No"}),
        entry("tuned", f"Peat [2]. {CLOSING}"),
    ]
    (log := tmp_path / "log.jsonl").write_text("".join(json.dumps(each) + "\n" for each in entries))
    assert measure_answers(log, suite, tmp_path) == {
        "base": {"cases": 1, "cites correctly": 0, "mandatory sentence": 0},
        "tuned": {"cases": 1, "cites correctly": 1, "mandatory sentence": 1},
    }


def test_nothing_is_learned_about_the_documents_that_are_asked_about() -> None:
    questions = read_questions("questions", "calibration", "unseen") + read_headings()
    training, held_out = select_training(questions), select_held_out(questions)
    assert not any(each.documents & HELD_OUT_DOCUMENTS for each in training)
    assert {document for each in held_out for document in each.documents} == HELD_OUT_DOCUMENTS
    assert {path.stem for path in (SHOP / "knowledge").iterdir()} > HELD_OUT_DOCUMENTS
    assert len(training) > 350
    far_away = [question.text.lower() for question in read_far_away()]
    assert len(far_away) > 20
    measured = ("square root", "sink", "eiffel", "wifi", "bicycle", "world cup")
    assert not any(word in text for text in far_away for word in measured), FAR_AWAY


def test_no_general_question_is_rehearsed() -> None:
    asked = {each["ask"].casefold() for each in yaml.safe_load(QUESTIONS.read_text())}
    rehearsed = {line.casefold() for line in REHEARSED.read_text().splitlines()}
    assert len(rehearsed) > 100
    assert not asked & rehearsed


def test_a_colleague_quotes_a_sentence_of_the_right_document() -> None:
    quote = "No. Peat keeps its roots wet. Sand is for other plants, which need it dry in winter."
    reply = {"citations": [{"document": "orchids", "quote": "Bark for orchids."}, {"document": "soil", "quote": quote}]}
    assert write_answer(reply, [], frozenset({"soil"})) == f"No. Peat keeps its roots wet. {CLOSING}"
    assert write_answer(reply, [], frozenset({"sowing"})) == ""
    found = [{"document": "sowing", "text": "Sow them in spring, on damp peat."}]
    assert write_answer(reply, found, frozenset({"sowing"})) == f"Sow them in spring, on damp peat. {CLOSING}"
