"""The steps of an answer: recognizes in which sentences it acknowledges, restates, explains and so on."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from agent_worker.grounding.names import links
from agent_worker.grounding.sentence_splitter import CITATION_MARK, split_sentences
from agent_worker.knowledge.text.analysis import terms
from agent_worker.learning.evals.answers import ObservedAnswer
from agent_worker.learning.evals.suite import Step, StepDefinition
from agent_worker.learning.evals.text_matching import has_phrase, normalize, remove_marks
from agent_worker.nlu.language_detection import base_language

_MIN_RESTATED = 2
_MIN_SHARE_EXPLAINED = 0.6
_PHRASES = "structure_phrases.toml"


def find_missing_step(answer: ObservedAnswer, steps: Sequence[Step | StepDefinition]) -> str:
    """The first step that the answer does not take, each in a sentence of its own and in this order; empty if it takes
    all of them."""
    sentences = [sentence for sentence in split_sentences(answer.text) if remove_marks(sentence).strip()]
    at = 0
    for step in steps:
        while at < len(sentences) and not _takes(step, sentences, at, answer):
            at += 1
        if at == len(sentences):
            return step if isinstance(step, str) else step.name
        at += 1
    return ""


def _takes(step: Step | StepDefinition, sentences: Sequence[str], at: int, answer: ObservedAnswer) -> bool:
    sentence = sentences[at]
    if isinstance(step, StepDefinition):
        return any(has_phrase(normalize(sentence), normalize(phrase)) for phrase in step.phrases)
    if step == "restate":
        return len(set(terms(answer.asked)) & set(terms(sentence))) >= _restated_at_least(answer.asked)
    if step == "explain":
        return _is_cited(sentence, answer)
    if step == "link":
        return bool(links(sentence)) or bool(CITATION_MARK.search(sentence))
    if step == "confirm":
        return sentence.rstrip().endswith("?")
    if step == "sign_off" and at != len(sentences) - 1:
        return False
    return _has_phrase(step, sentence, answer.locale)


def _restated_at_least(asked: str) -> int:
    return min(_MIN_RESTATED, len(set(terms(asked)))) or 1


def _is_cited(sentence: str, answer: ObservedAnswer) -> bool:
    """True if the sentence says what a cited passage says."""
    said = set(terms(remove_marks(sentence)))
    if not said:
        return False
    return any(len(said & set(terms(each.quote))) >= _MIN_SHARE_EXPLAINED * len(said) for each in answer.citations)


def _has_phrase(step: str, sentence: str, locale: str) -> bool:
    words = normalize(sentence)
    return any(has_phrase(words, phrase) for phrase in _list_phrases(step, base_language(locale)))


@cache
def _list_phrases(step: str, language: str) -> list[str]:
    """Of the language, or of all of them if it is unknown or has none."""
    table: dict[str, dict[str, list[str]]] = tomllib.loads(
        files("agent_worker.learning.evals").joinpath(_PHRASES).read_text(encoding="utf-8")
    )
    sections = [table[language]] if language in table else list(table.values())
    return [normalize(phrase) for section in sections for phrase in section.get(step, [])]
