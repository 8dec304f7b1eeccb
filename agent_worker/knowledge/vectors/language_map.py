r"""Fits the map from the multilingual model's vectors to a sentence encoder's, and writes it beside this file.

    python -m agent_worker.knowledge.vectors.language_map ../shared/data/reader .cache/encoder/bge-small-en-v1.5-q

The map is a ridge regression from a question's vector by the one to the English question's vector by the other. The
folder holds public sets of questions as gzipped JSON lines. Most of the questions are English: ``squadshifts`` (CC BY
4.0), ``selqa`` (Apache 2.0) and ``boolq`` (CC BY-SA 3.0). Those of ``xquad`` (CC BY-SA 4.0) are the same in several
languages; only half of its articles are used, so that the others can show how good the map is.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agent_worker.knowledge.vectors.encoder import Encoder, Vectors, light_encoder
from agent_worker.knowledge.vectors.multilingual_encoder import QuestionModel, load_model, map_file, plain_text
from agent_worker.knowledge.vectors.onnx_encoder import open_folder

ENGLISH = ("squadshifts", "selqa", "boolq")
PARALLEL = "xquad"
_MOST = 16_000
"""English questions, a random choice: encoding one takes 40 ms with both networks."""
_LENGTHS = range(10, 300)
"""Characters of a question."""
PARALLEL_WEIGHT = 4.0
"""Of a question in several languages, against 1 of an English one."""
_PENALTY = 1e-3
"""Of the ridge regression, in mean squares of a feature."""
_REPORT_EVERY = 1_000


def read_rows(file: Path) -> list[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_english(data: Path) -> list[str]:
    """A random choice of distinct English questions, the same each time."""
    files = [file for name in ENGLISH for file in sorted((data / name).glob("*.jsonl.gz"))]
    found = dict.fromkeys(question.strip() for file in files for row in read_rows(file) for question in _questions(row))
    kept = sorted(question for question in found if len(question) in _LENGTHS)
    random.Random(1).shuffle(kept)
    return kept[:_MOST]


def _questions(row: dict[str, Any]) -> Iterator[str]:
    yield from (each["question"] for each in row["questions"]) if "questions" in row else (row["question"],)


def is_for_fitting(titles: Iterable[str], title: str) -> bool:
    """Whether the article belongs to the half whose questions are used here."""
    return sorted(set(titles)).index(title) % 2 == 0


def read_parallel(data: Path, languages: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of a question in one of the languages and the same question in English."""
    english = read_rows(data / PARALLEL / "en.jsonl.gz")
    titles = [row["title"] for row in english]
    pairs = []
    for language in languages:
        for row, other in zip(english, read_rows(data / PARALLEL / f"{language}.jsonl.gz"), strict=True):
            if is_for_fitting(titles, row["title"]):
                pairs += zip(_questions(other), _questions(row), strict=True)
    return pairs


def languages_of(data: Path) -> list[str]:
    return sorted(file.name.partition(".")[0] for file in (data / PARALLEL).glob("*.jsonl.gz"))


def fit_map(given: Vectors, wanted: Vectors, weights: Vectors) -> Vectors:
    """The linear map's rows and its offset, by which the ``given`` vectors come nearest to the ``wanted`` ones."""
    shares = (weights / weights.sum())[:, None].astype(np.float64)
    given_mean, wanted_mean = (shares * given).sum(axis=0), (shares * wanted).sum(axis=0)
    centered = given - given_mean
    covariance = centered.T @ (shares * centered)
    penalty = _PENALTY * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    rows = np.linalg.solve(covariance + penalty, centered.T @ (shares * (wanted - wanted_mean)))
    return np.vstack([rows, wanted_mean - given_mean @ rows]).astype(np.float32)


def encode_questions(model: QuestionModel, texts: Sequence[str]) -> Vectors:
    return np.concatenate([model.query([plain_text(text)]) for text in _report(texts)])


def _report(texts: Sequence[str]) -> Iterator[str]:
    begin = time.monotonic()
    for count, text in enumerate(texts, 1):
        yield text
        if count % _REPORT_EVERY == 0:
            print(f"{count} of {len(texts)} after {time.monotonic() - begin:.0f} s", flush=True)


def encode_english(encoder: Encoder, texts: Sequence[str]) -> Vectors:
    """Each text once."""
    distinct = list(dict.fromkeys(texts))
    vectors = dict(zip(distinct, encoder.encode_query(distinct), strict=True))
    return np.stack([vectors[text] for text in texts])


def main(arguments: Sequence[str]) -> None:
    """Arguments: the folder of the public sets and that of the sentence encoder."""
    data, folder = map(Path, arguments)
    light = light_encoder()
    if light is None:
        raise SystemExit("the package wordllama is not installed")
    encoder = open_folder(folder, light)
    english = read_english(data)
    parallel = read_parallel(data, languages_of(data))
    weights = np.concatenate([np.ones(len(english)), np.full(len(parallel), PARALLEL_WEIGHT)])
    given = encode_questions(load_model(), [*english, *(asked for asked, _ in parallel)])
    wanted = encode_english(encoder, [*english, *(question for _, question in parallel)])
    target = map_file(encoder.name.partition("+")[0])
    np.save(target, fit_map(given, wanted, weights).astype(np.float16))
    print(f"{len(english)} English questions, {len(parallel)} in several languages: {target}")


if __name__ == "__main__":
    main(sys.argv[1:])
