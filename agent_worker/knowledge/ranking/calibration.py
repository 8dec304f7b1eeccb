r"""Fits the weights of ranking and confidence and prints their quality on trades that were held out.

    python -m agent_worker.knowledge.ranking.calibration tests/answers/training/sets.yaml \
        .cache/encoder/bge-small-en-v1.5-q --threads DATA/stackfaq/stackfaq.json

Each trade is measured with the weights that the other trades give. Ranking is fitted on threads of StackFAQ, too, which
are not part of the repository: short questions, in words that the answers often use, while the trades' customers
describe their own situation. Paste the printed weights into ``ranker.py`` and ``confidence.py``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from pathlib import Path

import numpy as np

from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.quality.suite import Case
from agent_worker.knowledge.ranking.confidence import FEATURES, confidence_features
from agent_worker.knowledge.ranking.diversification import FIRST, spread
from agent_worker.knowledge.ranking.logistic_fit import Weights, auroc, fit_conditional_logit, fit_logistic
from agent_worker.knowledge.ranking.ranker import (
    FUSION,
    Evidence,
    PassageFeatures,
    clear_document,
    order_passages,
    rank,
    score_documents,
    weigh_evidence,
)
from agent_worker.knowledge.ranking.training_sets import (
    NOW,
    Thread,
    index_documents,
    read_documents,
    read_questions,
    read_sets,
    read_threads,
    right_passages,
    thread_cases,
    thread_documents,
)
from agent_worker.knowledge.vectors.encoder import Encoder, Kind, light_encoder
from agent_worker.knowledge.vectors.onnx_encoder import open_folder

_IN_FIRST = (1, 3, FIRST)
_FROM_EACH_TRADE = 5
"""Questions of each other trade that are asked in one, so that confidence knows what is far off topic."""
_THREADS_WEIGHT = 12
"""How often a thread's question counts, while a trade's counts once. In the trades the first passage is right about as
often, within a hundredth."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """One question's passages. ``right``: whether each of them answers. ``is_foreign``: it was asked in another trade,
    so nothing here answers it."""

    trade: str
    asked: Case
    figures: PassageFeatures
    right: Sequence[bool]
    unknown_share: float
    query_length: int
    is_foreign: bool = False

    def evidence(self, fusion: Weights) -> Evidence:
        documents = score_documents(self.figures, fusion)
        return weigh_evidence(self.figures, fusion, documents, self.unknown_share, self.query_length)

    def is_right_in_order(self, fusion: Weights) -> list[bool]:
        """Whether each passage answers, in the order in which a turn sees them."""
        order = order_passages(self.figures, fusion)
        documents = [self.figures.passages[place].document for place in order]
        spread_order = spread(documents, clear_document(score_documents(self.figures, fusion)))
        return [self.right[order[place]] for place in spread_order]


@dataclass(frozen=True, slots=True)
class FitResult:
    fusion: Weights
    bias: float
    weights: Weights


@dataclass(frozen=True, slots=True)
class QuestionScore:
    """``place``: of the first right passage, from 0, None without any; ``sure``: the confidence's log odds."""

    trade: str
    asked: Case
    place: int | None
    sure: float


def rank_all(
    index: TenantIndex, trade: str, questions: Sequence[Case], encoder: Encoder | None, *, is_foreign: bool = False
) -> Iterator[Ranking]:
    for asked in questions:
        ranked = rank(index, asked.say, NOW, encoder)
        if ranked.evidence is not None and ranked.features is not None:
            found = ranked.features.passages
            right = [False] * len(found) if is_foreign else right_passages(asked, found)
            evidence, figures = ranked.evidence, _without_content(ranked.features)
            yield Ranking(trade, asked, figures, right, evidence.unknown_share, evidence.query_length, is_foreign)


def _without_content(figures: PassageFeatures) -> PassageFeatures:
    """The texts and vectors of all questions' candidates together would take gigabytes."""
    passages = [replace(passage, text="", body_terms="", words="", vectors=b"") for passage in figures.passages]
    return replace(figures, passages=passages)


def fit(rankings: Sequence[Ranking], kind: Kind, threads: Sequence[Ranking] = ()) -> FitResult:
    """Fit ranking first, with the questions of ``threads``, then confidence on its results."""
    names = list(FUSION[kind])
    groups = [
        (np.stack([each.figures.column(name) for name in names], axis=1), each.right)
        for each in (*rankings, *chain.from_iterable(repeat(threads, _THREADS_WEIGHT)))
        if any(each.right)
    ]
    fusion = dict(zip(names, fit_conditional_logit(groups), strict=True))
    evidence = [ranking.evidence(fusion) for ranking in rankings]
    table = [[confidence_features(each)[name] for name in FEATURES[kind]] for each in evidence]
    answers = [ranking.is_right_in_order(fusion)[0] for ranking in rankings]
    bias, weights = fit_logistic(table, answers, [each.query_length for each in evidence])
    return FitResult(fusion, bias, dict(zip(FEATURES[kind], weights, strict=True)))


def fit_relation(rankings: Sequence[Ranking], fusion: Weights) -> float:
    """The relation to the question that 99 of a hundred passages have that answer one and are among the first."""
    kept: list[float] = []
    for each in rankings:
        relations, first = each.figures.relations().tolist(), order_passages(each.figures, fusion)[:FIRST]
        answers = [relations[place] for place in first if each.right[place]]
        kept += [max(answers)] if answers else []
    return float(np.quantile(kept, 0.01))


def cross_validate(rankings: Sequence[Ranking], kind: Kind, threads: Sequence[Ranking] = ()) -> list[QuestionScore]:
    """Scores of every trade's questions with the weights that all other trades give."""
    out = []
    for trade in dict.fromkeys(each.trade for each in rankings):
        fitted = fit([each for each in rankings if each.trade != trade], kind, threads)
        out += [score(each, fitted) for each in rankings if each.trade == trade and not each.is_foreign]
    return out


def score(ranking: Ranking, fitted: FitResult) -> QuestionScore:
    named = confidence_features(ranking.evidence(fitted.fusion))
    sure = fitted.bias + sum(weight * named[name] for name, weight in fitted.weights.items())
    right = ranking.is_right_in_order(fitted.fusion)
    return QuestionScore(ranking.trade, ranking.asked, right.index(True) if any(right) else None, sure)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, help="a file that lists training sets")
    parser.add_argument("encoders", type=Path, nargs="*", help="folders of sentence encoders")
    parser.add_argument("--threads", type=Path, help="StackFAQ")
    given = parser.parse_args(arguments)
    sets, threads = read_sets(given.sets), read_threads(given.threads) if given.threads else []
    for encoder in (*_open_encoders(given.encoders), light_encoder(), None):
        kind = encoder.kind if encoder else "words"
        rankings: list[Ranking] = []
        asked = {each.trade: read_questions(each) for each in sets}
        for each in sets:
            foreign = [case for trade, cases in asked.items() if trade != each.trade for case in _sample(cases)]
            with tempfile.TemporaryDirectory() as directory:
                index = index_documents(read_documents(each.knowledge), Path(directory) / kind, encoder)
                rankings += rank_all(index, each.trade, asked[each.trade], encoder)
                rankings += rank_all(index, each.trade, foreign, encoder, is_foreign=True)
                index.close()
        in_threads = rank_threads(threads, encoder)
        print(f"── {encoder.name if encoder else 'words alone'} ({kind})")
        _print_metrics(cross_validate(rankings, kind, in_threads))
        fitted = fit(rankings, kind, in_threads)
        print("FUSION", {name: round(weight, 2) for name, weight in fitted.fusion.items()})
        print("RELATED_ABOVE", round(fit_relation(rankings, fitted.fusion), 2))
        print("BIAS", round(fitted.bias, 2), "WEIGHTS", {name: round(w, 2) for name, w in fitted.weights.items()})


def rank_threads(threads: Sequence[Thread], encoder: Encoder | None) -> list[Ranking]:
    """Rank for the half that is not quoted; nothing without threads."""
    if not threads:
        return []
    with tempfile.TemporaryDirectory() as directory:
        index = index_documents(thread_documents(threads), Path(directory), encoder)
        rankings = list(rank_all(index, "threads", thread_cases(threads), encoder))
        index.close()
    return rankings


def _sample(cases: Sequence[Case]) -> Sequence[Case]:
    """A few questions that the trade's own documents answer, from its whole list."""
    answerable = [case for case in cases if not case.must_decline]
    return answerable[:: max(1, len(answerable) // _FROM_EACH_TRADE)][:_FROM_EACH_TRADE]


def _open_encoders(folders: Iterable[Path]) -> Iterator[Encoder]:
    light = light_encoder()
    if light is None:
        return
    for folder in folders:
        encoder = open_folder(folder, light)
        yield encoder
        if encoder.multilingual is not None:
            # English questions, encoded as those in other languages are.
            yield encoder.multilingual


def _print_metrics(scores: Sequence[QuestionScore]) -> None:
    """Print by trade how often the right passage was among the first ones, and how well the confidence separates
    questions whose first passage answers from all others, and answerable questions from unanswerable ones."""
    print(f"{'':12}first  in {_IN_FIRST[1]}   in {_IN_FIRST[2]}   AUROC right, answerable")
    for trade in dict.fromkeys(each.trade for each in scores):
        asked = [each for each in scores if each.trade == trade]
        answerable = [each for each in asked if not each.asked.must_decline]
        shares = [sum(each.place is not None and each.place < count for each in answerable) for count in _IN_FIRST]
        right = auroc([(each.sure, each.place == 0) for each in asked])
        known = auroc([(each.sure, not each.asked.must_decline) for each in asked])
        cells = [*(share / len(answerable) for share in shares), right, known]
        print(f"{trade:12}" + "  ".join("–".center(5) if cell is None else f"{cell:.3f}" for cell in cells))


if __name__ == "__main__":
    main(sys.argv[1:])
