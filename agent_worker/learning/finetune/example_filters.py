"""Filters over all examples together: texts of the agent that people sent, contradictions, near-duplicates, and the
share that models wrote."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent_worker.learning.finetune.text_similarity import find_similar_pairs, overlap, read_figures, read_words
from agent_worker.learning.finetune.training_example import SOURCES, Problem, TrainingExample

SAME = 0.9
"""The share of equal words from which two texts say the same."""
ECHO_WORDS = 8
"""Shorter answers may be equal by chance: "Yes, we ship to Malta.\""""
DEFAULT_MODEL_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class FilterOptions:
    """``model_share``: the part of the answers to learn that models may have written, 0 to 1."""

    model_share: float = DEFAULT_MODEL_SHARE


@dataclass(frozen=True, slots=True)
class FilterResult:
    """``dropped``: those that are not used, each with its problem and without text."""

    kept: Sequence[TrainingExample]
    dropped: Sequence[TrainingExample]


_Findings = Mapping[str, Problem]


def filter_examples(examples: Iterable[TrainingExample], options: FilterOptions = FilterOptions()) -> FilterResult:
    """Drop what must not be learned. Each filter sees only what the filters before it have left."""
    kept: list[TrainingExample] = []
    dropped: list[TrainingExample] = []
    for example in examples:
        (kept if example.problem is None else dropped).append(example)
    filters: list[Callable[[Sequence[TrainingExample]], _Findings]] = [
        _find_echoes,
        _find_contradictions,
        _find_answered_declines,
        _find_duplicates,
        lambda left: _find_excess(left, options.model_share),
    ]
    for find in filters:
        found = find(kept)
        dropped += [each.without_text(found[each.id]) for each in kept if each.id in found]
        kept = [each for each in kept if each.id not in found]
    return FilterResult(kept, dropped)


def _find_echoes(examples: Sequence[TrainingExample]) -> _Findings:
    """Answers of people that are texts of the agent, from any conversation."""
    by_models = {
        text
        for each in examples
        for text in (each.rejected, "" if each.by_person else each.chosen)
        if len(text.split()) >= ECHO_WORDS
    }
    known = {_normalize(text) for text in by_models}
    return {each.id: "agent_echo" for each in examples if each.by_person and _normalize(each.chosen) in known}


def _normalize(text: str) -> str:
    return " ".join(sorted(read_words(text)))


def _find_contradictions(examples: Sequence[TrainingExample]) -> _Findings:
    """Answers to the same question that name different figures. Nobody can tell which of them is right. A figure that
    only one of two answers adds is no contradiction."""
    found: dict[str, Problem] = {}
    for one, other in _find_same_questions(examples):
        a, b = read_figures(one.chosen), read_figures(other.chosen)
        if a - b and b - a:
            found[one.id] = found[other.id] = "contradictory_figures"
    return found


def _find_answered_declines(examples: Sequence[TrainingExample]) -> _Findings:
    """Those that decline a question which another answer answers."""
    with_answers = [each for each in examples if each.chosen]
    pairs = [pair for pair in _find_same_questions(with_answers) if pair[0].declines != pair[1].declines]
    return {each.id: "not_grounded" for pair in pairs for each in pair if each.declines}


def _find_duplicates(examples: Sequence[TrainingExample]) -> _Findings:
    """All but the best of the examples that say the same: what people wrote, then what they approved, then the newest.
    Of a pair of answers both must be the same."""
    best_first = sorted(examples, key=lambda each: (SOURCES.index(each.source), -each.at.timestamp(), each.id))
    rank = {each.id: place for place, each in enumerate(best_first)}
    found: dict[str, Problem] = {}
    for one, other in _find_same_questions(best_first):
        worse = max(one, other, key=lambda each: rank[each.id])
        if _says_same(one.chosen, other.chosen) and _says_same(one.rejected, other.rejected):
            found[worse.id] = "near_duplicate"
    return found


def _find_same_questions(examples: Sequence[TrainingExample]) -> Iterable[tuple[TrainingExample, TrainingExample]]:
    """Pairs of examples with the same question. The price of another size is another question."""
    for one, other in find_similar_pairs([read_words(each.question) for each in examples], SAME):
        if read_figures(examples[one].question) == read_figures(examples[other].question):
            yield examples[one], examples[other]


def _says_same(one: str, other: str) -> bool:
    return overlap(read_words(one), read_words(other)) >= SAME and read_figures(one) == read_figures(other)


def _find_excess(examples: Sequence[TrainingExample], model_share: float) -> _Findings:
    """What models wrote beyond their share. A model that mostly learns from itself only learns its own mistakes. The
    weakest approvals go first, and the oldest of them."""
    by_models = [each for each in examples if each.chosen and not each.by_person]
    people = sum(each.by_person for each in examples)
    room = len(by_models) if model_share >= 1 else int(people * model_share / (1 - model_share) + 1e-9)
    strongest = sorted(by_models, key=lambda each: (SOURCES.index(each.source), -each.at.timestamp(), each.id))
    return {each.id: "model_share" for each in strongest[room:]}


def group_by_problem(dropped: Iterable[TrainingExample]) -> dict[Problem, list[TrainingExample]]:
    """The dropped examples by the reason."""
    groups: dict[Problem, list[TrainingExample]] = defaultdict(list)
    for each in dropped:
        if each.problem is not None:
            groups[each.problem].append(each)
    return dict(groups)
