"""Measures in how many messages the language is detected, and in how many another one is.

python -m tests.measure.language_detection
"""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import yaml

from agent_worker.nlu import languages
from agent_worker.nlu.language_detection import detect_language, load_language_model
from tests.unit.agent_worker.languages import SENTENCES

_LISTS = Path(__file__).parents[1] / "unit" / "agent_worker" / "intents"
_TABLES = Path(next(iter(languages.__path__)))
_SMALL_TALK = ("greeting", "thanks", "goodbye", "presence", "abilities", "complaint")
_PATTERN = re.compile(r"[/_*.]")
"""A phrase with one of these is a pattern, not a text."""


def main() -> None:
    load_language_model()
    for name, messages in (("sentences", sentences()), ("wishes", wishes()), ("phrases", phrases())):
        begin = time.process_time()
        found = [(language, text, detect_language(text)) for language, text in messages]
        spent = (time.process_time() - begin) / len(found)
        right = sum(language == detected for language, _, detected in found)
        undecided = sum(not detected for *_, detected in found)
        print(
            f"{name}: {right} of {len(found)} right, {len(found) - right - undecided} mistaken, "
            f"{undecided} undecided, {spent * 1e6:.0f} µs each"
        )


def sentences() -> Iterator[tuple[str, str]]:
    for language, texts in SENTENCES.items():
        yield from ((language, text) for text in texts)


def wishes() -> Iterator[tuple[str, str]]:
    for name in ("wishes", "more_wishes"):
        for language, topics in yaml.safe_load((_LISTS / f"{name}.yaml").read_text(encoding="utf-8")).items():
            yield from ((language, text) for text in chain.from_iterable(topics.values()))


def phrases() -> Iterator[tuple[str, str]]:
    """Greetings, thanks and other small talk of two words or more."""
    for file in sorted(_TABLES.glob("*.toml")):
        table = tomllib.loads(file.read_text(encoding="utf-8"))
        said = re.split(r"[|\n]", "|".join(table.get(topic, "") for topic in _SMALL_TALK))
        yield from ((file.stem, text.strip()) for text in said if " " in text.strip() and not _PATTERN.search(text))


if __name__ == "__main__":
    main()
