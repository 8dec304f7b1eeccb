"""The figures of the demo: what each model wrote itself, before the gate refuses it and another answers."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.finetune.demo.recording import CLOSING

QUESTIONS = Path(__file__).with_name("general_questions.yaml")
_MARK = re.compile(r"\[(\d{1,3})\]")


def measure_answers(log: Path, suite: Path, knowledge: Path) -> dict[str, Any]:
    """For each model, in how many of the suite's cases its first answer cites the right document, and ends with the
    mandatory sentence. A request for a repair is no first answer."""
    cases = yaml.safe_load(suite.read_text())["cases"]
    expected = {case["message"]: {_read_title(knowledge, name) for name in case["expect"]["cites"]} for case in cases}
    counts: dict[str, dict[str, int]] = {}
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        if len(entry["messages"]) != 2:
            continue
        request = json.loads(entry["messages"][1]["content"])
        titles = expected.get(request["message"])
        if titles is None:
            continue
        figures = counts.setdefault(entry["model"], {"cases": 0, "cites correctly": 0, "mandatory sentence": 0})
        figures["cases"] += 1
        figures["cites correctly"] += _cites(entry["answer"], request["passages"], titles)
        figures["mandatory sentence"] += entry["answer"].rstrip().endswith(CLOSING)
    return dict(counts)


def _cites(answer: str, passages: Sequence[Mapping[str, Any]], titles: set[str]) -> bool:
    """True if it cites at least one passage, and only passages of the right documents."""
    cited = [int(mark) for mark in _MARK.findall(answer)]
    by_number = {passage["n"]: passage["title"] for passage in passages}
    return bool(cited) and all(by_number.get(n) in titles for n in cited)


def _read_title(knowledge: Path, document: str) -> str:
    (path,) = knowledge.glob(f"{document}.*")
    text = path.read_text()
    found = re.search(r"^# (.+)$|<h1>(.+?)</h1>", text, re.MULTILINE)
    return (found[1] or found[2]).strip() if found else text.splitlines()[0].strip()


def ask_general_questions(url: str, models: Sequence[str]) -> dict[str, Any]:
    """Questions that have nothing to do with the shop, without instructions: what was forgotten shows here."""
    questions = yaml.safe_load(QUESTIONS.read_text())
    shares: dict[str, Any] = {"questions": len(questions)}
    for model in models:
        right = sum(_is_right(_ask(url, model, each["ask"]), each["expect"]) for each in questions)
        shares[model] = right
    return shares


def _is_right(answer: str, expected: str) -> bool:
    return expected.casefold() in answer.casefold()


def _ask(url: str, model: str, question: str) -> str:
    body = {"model": model, "max_tokens": 32, "messages": [{"role": "user", "content": question}]}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=600) as response:
        return str(json.load(response)["choices"][0]["message"]["content"])
