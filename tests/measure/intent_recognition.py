"""Measures how many requests for a person and risks are recognized in each language, and how many ordinary questions
are mistaken for one.

    python -m tests.measure.intent_recognition [FILE ...]

Each FILE holds ordinary questions: a .csv with a column ``text``, a .json with lists of texts or [text, label], or a
.txt with one a line.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from agent_worker.models.local.small_talk import asks_for_person
from agent_worker.nlu.classification import topics_in

LISTS = Path(__file__).parents[1] / "unit" / "agent_worker" / "intents"


def main(files: list[str]) -> None:
    for name in ("wishes", "more_wishes"):
        _recall(name, yaml.safe_load((LISTS / f"{name}.yaml").read_text(encoding="utf-8")))
    _alarms("ordinary", yaml.safe_load((LISTS / "ordinary.yaml").read_text(encoding="utf-8")))
    for file in files:
        _alarms(file, list(_questions(Path(file))))


def _recall(name: str, wishes: dict[str, dict[str, list[str]]]) -> None:
    right = total = 0
    for language, topics in wishes.items():
        said = [(topic, text) for topic, texts in topics.items() for text in texts]
        understood = sum(topic in topics_of(text) for topic, text in said)
        right, total = right + understood, total + len(said)
        print(f"{name} {language}: {understood} of {len(said)}")
    print(f"{name}: {right} of {total} ({right / total:.1%})")


def _alarms(name: str, questions: list[str]) -> None:
    found = Counter(topic for text in questions for topic in topics_of(text))
    alarmed = sum(bool(topics_of(text)) for text in questions)
    print(f"{name}: {alarmed} of {len(questions)} ({alarmed / len(questions):.2%}) {dict(found)}")


def topics_of(text: str) -> set[str]:
    return {*topics_in(text), *(["person"] if asks_for_person(text) else [])}


def _questions(file: Path) -> Iterator[str]:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".csv":
        yield from (row["text"] for row in csv.DictReader(text.splitlines()))
    elif file.suffix == ".json":
        yield from _texts(json.loads(text))
    else:
        yield from filter(None, text.splitlines())


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, list) and len(node) == 2 and all(isinstance(one, str) for one in node):
        yield node[0]
    else:
        for one in node.values() if isinstance(node, dict) else node:
            yield from [one] if isinstance(one, str) else _texts(one)


if __name__ == "__main__":
    main(sys.argv[1:])
