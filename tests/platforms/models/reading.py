"""What the simulated model makes of a prompt: it reads the passages and quotes the sentences that match the message."""

from __future__ import annotations

import json
import re
from typing import Any

NOT_FOUND = "NOT_FOUND"


def data_of(body: dict[str, Any]) -> dict[str, Any]:
    """The JSON object in the first user message of a request; empty when there is none."""
    for message in body.get("messages", []):
        if message["role"] == "user":
            try:
                found = json.loads(message["content"])
            except (TypeError, ValueError):
                continue
            if isinstance(found, dict) and "passages" in found:
                return found
    return {}


def answer_to(body: dict[str, Any]) -> str:
    """For each line of the message the sentence of a passage that shares most words with it, cited."""
    data = data_of(body)
    sentences = [
        (passage["n"], sentence.strip())
        for passage in data.get("passages", [])
        for sentence in re.split(r"(?<=[.!?])\s+|\n+", passage["text"])
        if sentence.strip()
    ]
    chosen: list[str] = []
    for line in str(data.get("message", "")).splitlines():
        asked = _words(line)
        n, best = max(sentences, key=lambda one: len(asked & _words(one[1])), default=(0, ""))
        written = f"{best.rstrip('.!?')} [{n}]."
        if len(asked & _words(best)) >= 2 and written not in chosen:
            chosen.append(written)
    return " ".join(chosen) or NOT_FOUND


def _words(text: str) -> set[str]:
    """Stems of a sort: enough to know "return" in "returned"."""
    return {word[:5] for word in re.findall(r"[^\W_]{3,}", text.casefold())}


def sentences_of(text: str) -> list[str]:
    """The answer in pieces that end with a sentence; joined they are the text."""
    return [piece for piece in re.split(r"(?<=[.!?])(?=\s)", text) if piece]
