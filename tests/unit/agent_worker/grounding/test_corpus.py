"""The gate over every sentence of the example shop's documents, as written and as falsified."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from agent_worker.grounding.answer_check import check_answer
from agent_worker.grounding.failures import Ungrounded
from agent_worker.grounding.gate import MAX_SENTENCE_LENGTH, Gate
from agent_worker.knowledge.text.sentences import units_of
from agent_worker.knowledge.text.splitting import split
from agent_worker.knowledge.vectors.embedding import short_heading
from schemas.ports import Passage

KNOWLEDGE = Path(__file__).resolve().parents[4] / "examples" / "plantstore" / "knowledge"


@cache
def passages() -> list[Passage]:
    return [passage for file in sorted(KNOWLEDGE.glob("*.md")) for passage in _passages_of(file.stem, file.read_text())]


def _passages_of(document: str, body: str) -> Iterator[Passage]:
    title = body.splitlines()[0].lstrip("# ")
    for piece in split(title, body):
        yield Passage(
            tenant="plantstore",
            document=document,
            version=1,
            title=title,
            heading=piece.heading,
            url="",
            text=piece.text,
            score=0.9,
        )


@cache
def sentences() -> list[tuple[Passage, str]]:
    return [
        (passage, unit.quote)
        for passage in passages()
        for unit in units_of(passage.text)
        if unit.kind == "sentence" and len(unit.quote) < MAX_SENTENCE_LENGTH - 20 and "](" not in unit.quote
    ]


def passes(sentence: str, passage: Passage) -> bool:
    try:
        Gate([passage]).admit(f"{sentence.rstrip('.')} [1].")
    except Ungrounded:
        return False
    return True


def share(found: Iterator[bool]) -> float:
    results = list(found)
    assert len(results) > 50, "too few to say anything"
    return sum(results) / len(results)


def test_sentences_quoted_from_a_document_pass_the_gate() -> None:
    """Every sentence of it; but for a few that hold no word that could be compared."""
    assert share(passes(text, passage) for passage, text in sentences()) >= 0.99


def test_a_changed_figure_never_passes() -> None:
    """Each number of each sentence, raised by more than its passage holds anywhere."""

    def falsified() -> Iterator[bool]:
        for passage, text in sentences():
            for number in re.finditer(r"\d+", text):
                yield passes(text[: number.start()] + str(int(number[0]) + 7919) + text[number.end() :], passage)

    assert share(falsified()) == 0


def test_an_invented_name_never_passes() -> None:
    """At the beginning of a sentence, where every word has a capital, and inside."""

    def falsified() -> Iterator[bool]:
        for passage, text in sentences():
            first, _, rest = text.partition(" ")
            yield passes(f"Zalando {first.lower()} {rest}", passage)
            yield passes(f"{first} Zalando {rest}", passage)

    assert share(falsified()) == 0


def test_a_denial_put_in_or_taken_out_does_not_pass() -> None:
    """In a sentence that is otherwise the document's own."""

    def falsified() -> Iterator[bool]:
        for passage, text in sentences():
            if " not " in text:
                yield passes(text.replace(" not ", " "), passage)
            elif " is " in text:
                yield passes(text.replace(" is ", " is not "), passage)

    assert share(falsified()) <= 0.01


def test_a_sentence_that_cites_another_document_seldom_passes() -> None:
    """Only where that one says much the same."""

    def elsewhere() -> Iterator[bool]:
        found = passages()
        for number, (passage, text) in enumerate(sentences()):
            other = found[(number * 37) % len(found)]
            if other.document != passage.document:
                yield passes(text, other)

    assert share(elsewhere()) <= 0.01


def test_a_documents_answers_to_its_own_questions_pass() -> None:
    """Every sentence below a heading that is a question, with its Yes or No: the checks object to none of them."""
    answers = [(short_heading(passage.heading), passage, text) for passage, text in sentences()]
    answers = [each for each in answers if each[0].endswith("?")]
    assert len(answers) > 500, "too few to say anything"
    assert [text for asked, passage, text in answers if check_answer(asked, text, passage)] == []
