r"""Fits the map from the multilingual model's vectors to a sentence encoder's, and writes it beside this file.

    python -m agent_worker.knowledge.vectors.language_map DATA/reader .cache/encoder/bge-small-en-v1.5-q

The map is a ridge regression from English questions' vectors by the one to their vectors by the other. Since the
multilingual model gives a question nearly the same vector in all languages, the map serves them all; fitting it on
translated questions, too, made it worse. The folder holds public sets of questions as gzipped JSON lines:
``squadshifts`` (CC BY 4.0), ``selqa`` (Apache 2.0) and ``boolq`` (CC BY-SA 3.0).
"""

from __future__ import annotations

import gzip
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agent_worker.knowledge.vectors.encoder import Vectors, light_encoder
from agent_worker.knowledge.vectors.multilingual_encoder import QuestionModel, load_model, map_file, plain_text
from agent_worker.knowledge.vectors.onnx_encoder import open_folder

SETS = ("squadshifts", "selqa", "boolq")
_MOST = 12_000
"""Questions, a random choice: encoding one takes 40 ms with both networks."""
_LENGTHS = range(10, 300)
"""Characters of a question."""
_PENALTY = 0.1
"""Of the ridge regression, in mean squares of a feature."""
_REPORT_EVERY = 1_000


def read_rows(file: Path) -> list[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_questions(data: Path) -> list[str]:
    """A random choice of the distinct questions, the same each time."""
    files = [file for name in SETS for file in sorted((data / name).glob("*.jsonl.gz"))]
    found = dict.fromkeys(question.strip() for file in files for row in read_rows(file) for question in _questions(row))
    kept = sorted(question for question in found if len(question) in _LENGTHS)
    random.Random(1).shuffle(kept)
    return kept[:_MOST]


def _questions(row: dict[str, Any]) -> Iterator[str]:
    yield from (each["question"] for each in row["questions"]) if "questions" in row else (row["question"],)


def fit_map(given: Vectors, wanted: Vectors) -> Vectors:
    """The linear map's rows and its offset, by which the ``given`` vectors come nearest to the ``wanted`` ones."""
    given_mean, wanted_mean = given.mean(axis=0, dtype=np.float64), wanted.mean(axis=0, dtype=np.float64)
    centered = given - given_mean
    covariance = centered.T @ centered
    penalty = _PENALTY * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    rows = np.linalg.solve(covariance + penalty, centered.T @ (wanted - wanted_mean))
    return np.vstack([rows, wanted_mean - given_mean @ rows]).astype(np.float32)


def encode_questions(model: QuestionModel, texts: Sequence[str]) -> Vectors:
    return np.concatenate([model.query([plain_text(text)]) for text in _report(texts)])


def _report(texts: Sequence[str]) -> Iterator[str]:
    begin = time.monotonic()
    for count, text in enumerate(texts, 1):
        yield text
        if count % _REPORT_EVERY == 0:
            print(f"{count} of {len(texts)} after {time.monotonic() - begin:.0f} s", flush=True)


def main(arguments: Sequence[str]) -> None:
    """Arguments: the folder of the public sets and that of the sentence encoder."""
    data, folder = map(Path, arguments)
    light = light_encoder()
    if light is None:
        raise SystemExit("the package wordllama is not installed")
    encoder = open_folder(folder, light)
    questions = read_questions(data)
    fitted = fit_map(encode_questions(load_model(), questions), encoder.encode_query(questions))
    target = map_file(encoder.name.partition("+")[0])
    np.save(target, fitted.astype(np.float16))
    print(f"{len(questions)} questions: {target}")


if __name__ == "__main__":
    main(sys.argv[1:])
