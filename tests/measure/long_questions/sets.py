"""Long messages with the documents that answer them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import yaml

from agent_worker.knowledge.ranking.training_sets import (
    Thread,
    TrainingSet,
    read_documents,
    read_questions,
    thread_answers,
    thread_documents,
)
from schemas.conversation import Document

STORIES = Path(__file__).parent / "stories.yaml"
MIN_WORDS = 200
_PER_TRADE = 40
_PER_THREAD = 2


@dataclass(frozen=True, slots=True)
class LongQuestion:
    """``right``: ids of the documents that answer; ``hidden``: ids that do not count, because the text is theirs."""

    text: str
    right: frozenset[str]
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class LongSet:
    name: str
    documents: Sequence[Document]
    questions: Sequence[LongQuestion]


class Stories:
    """Tells a question inside a story. The same question always gets the same story."""

    def __init__(self, file: Path = STORIES) -> None:
        parts = yaml.safe_load(file.read_text(encoding="utf-8"))
        self._beginnings: list[str] = parts["beginnings"]
        self._endings: list[str] = parts["endings"]

    def tell(self, question: str) -> str:
        """The question before, between or after a beginning and an ending."""
        number, beginning = divmod(crc32(question.encode()), len(self._beginnings))
        number, ending = divmod(number, len(self._endings))
        parts = [self._beginnings[beginning], self._endings[ending]]
        parts.insert(number % 3, question)
        return "\n\n".join(part.strip() for part in parts)


def trade_set(given: TrainingSet, stories: Stories) -> LongSet:
    """Questions of a trade, each told in a story about something else."""
    asked = [case for case in read_questions(given) if case.sources]
    chosen = sorted(asked, key=lambda case: crc32(case.say.encode()))[:_PER_TRADE]
    questions = [
        LongQuestion(stories.tell(case.say), frozenset(source.partition("#")[0] for source in case.sources))
        for case in chosen
    ]
    return LongSet(f"{given.trade}, in stories", list(read_documents(given.knowledge)), questions)


def stackfaq_sets(threads: Sequence[Thread], stories: Stories) -> Iterator[LongSet]:
    """The quoted half: paraphrases told in stories; all paraphrases of a thread in one message; and texts that are all
    about the topic, a thread's longest answers, for which its other answers are to be found."""
    documents = list(thread_documents(threads))
    quoted = [(number, thread) for number, thread in enumerate(threads) if thread.is_quoted]
    told = [
        LongQuestion(stories.tell(text), _ids(number, thread))
        for number, thread in quoted
        for text in thread.paraphrases[:_PER_THREAD]
    ]
    yield LongSet("stackfaq, in stories", documents, told)
    joined = [
        LongQuestion("? ".join(text.strip(" ?.") for text in thread.paraphrases), _ids(n, thread))
        for n, thread in quoted
    ]
    yield LongSet("stackfaq, all paraphrases", documents, joined)
    topical = [found for number, thread in quoted if (found := _topical(number, thread))]
    yield LongSet("stackfaq, other answers", documents, topical)


def _ids(number: int, thread: Thread) -> frozenset[str]:
    return frozenset(thread_answers(number, thread))


def _topical(number: int, thread: Thread) -> LongQuestion | None:
    """None for a thread that has too little text."""
    texts: list[str] = []
    hidden: set[str] = set()
    longest = sorted(enumerate(thread.answers), key=lambda pair: -len(pair[1]))
    for place, answer in longest[:-1]:
        if len(" ".join(texts).split()) < MIN_WORDS:
            texts.append(answer)
            hidden.add(f"{number}-{place}")
    words = "\n\n".join(texts).split()
    if len(words) < MIN_WORDS:
        return None
    return LongQuestion(" ".join(words[: 2 * MIN_WORDS]), _ids(number, thread) - hidden, frozenset(hidden))
