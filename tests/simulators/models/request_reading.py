"""Reads the requests of every provider, and makes the simulated model's answer: it quotes the sentences of the passages
that match the message."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

NOT_FOUND = "NOT_FOUND"
Side = Literal["system", "user", "assistant", "tool"]
_SIDES: dict[str, Side] = {"model": "assistant", "developer": "system"}


@dataclass(frozen=True)
class Line:
    """One text of a request. ``calls``: names of functions the model called."""

    side: Side
    text: str
    calls: tuple[str, ...] = ()


def lines_of(body: dict[str, Any]) -> list[Line]:
    """In order, the instructions first."""
    system = body.get("system") or body.get("systemInstruction", {}).get("parts") or []
    head = [Line("system", text) for text in _texts(system)]
    return head + [line for message in body.get("messages") or body.get("contents") or [] for line in _lines(message)]


def _lines(message: dict[str, Any]) -> Iterator[Line]:
    side = _SIDES.get(message["role"], message["role"])
    called = [call["function"]["name"] for call in message.get("tool_calls") or []]
    content = message.get("content") or message.get("parts") or ""
    if called:
        yield Line(side, "".join(_texts(content)), tuple(called))
        return
    for part in content if isinstance(content, list) else [content]:
        yield _line(side, part)


def _line(side: Side, part: Any) -> Line:
    if isinstance(part, str):
        return Line(side, part)
    if part.get("type") == "tool_use" or "functionCall" in part:
        return Line("assistant", "", (part.get("name") or part["functionCall"]["name"],))
    if part.get("type") == "tool_result":
        return Line("tool", "".join(_texts(part["content"])))
    if "functionResponse" in part:
        response = part["functionResponse"]["response"]
        return Line("tool", str(response.get("return_value", json.dumps(response))))
    return Line(side, part.get("text", ""))


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [part if isinstance(part, str) else part.get("text", "") for part in content]


def tools_of(body: dict[str, Any]) -> list[str]:
    """Names of the functions that may be called."""
    tools = body.get("tools") or []
    declared = [one for tool in tools for one in tool.get("functionDeclarations", [tool.get("function", tool)])]
    return [one["name"] for one in declared]


def data_of(body: dict[str, Any]) -> dict[str, Any]:
    """The JSON objects that a request holds as data, joined; empty when there is none."""
    found: dict[str, Any] = {}
    for line in lines_of(body):
        if line.side != "user":
            continue
        try:
            read = json.loads(line.text)
        except ValueError:
            continue
        if isinstance(read, dict):
            found |= {name: value for name, value in read.items() if name not in found}
    return found


def images_of(body: dict[str, Any]) -> list[tuple[str, bytes]]:
    """Type and bytes of each picture of a request, in order."""
    messages = body.get("messages") or body.get("contents") or []
    contents = [message.get("content") or message.get("parts") or "" for message in messages]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    return [picture for part in parts if (picture := _picture(part)) is not None]


def _picture(part: dict[str, Any]) -> tuple[str, bytes] | None:
    if part.get("type") == "image_url":
        kind, _, data = part["image_url"]["url"].removeprefix("data:").partition(";base64,")
    elif part.get("type") == "image":
        kind, data = part["source"]["media_type"], part["source"]["data"]
    elif "inlineData" in part:
        # Google's own client writes the name in either way, and its servers take both.
        blob = part["inlineData"]
        kind, data = blob.get("mimeType") or blob["mime_type"], blob["data"]
    else:
        return None
    return kind, base64.b64decode(data.replace("-", "+").replace("_", "/"), validate=True)


def results_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """What came of the functions that were called."""
    return [json.loads(line.text) for line in lines_of(body) if line.side == "tool"]


def answer_to(body: dict[str, Any]) -> str:
    """What the functions returned, cited; else for each line of the message the sentence of a passage that shares most
    words with it."""
    told = [
        f"{sentence.rstrip('.!?')} [{result['n']}]."
        for result in results_of(body)
        if "n" in result
        for sentence in _sentences(result["text"])
    ]
    return " ".join(told) or _quoted(data_of(body)) or NOT_FOUND


def _quoted(data: dict[str, Any]) -> str:
    sentences = [
        (passage["n"], sentence) for passage in data.get("passages", []) for sentence in _sentences(passage["text"])
    ]
    chosen: list[str] = []
    for line in str(data.get("message", "")).splitlines():
        asked = _words(line)
        n, best = max(sentences, key=lambda one: len(asked & _words(one[1])), default=(0, ""))
        written = f"{best.rstrip('.!?')} [{n}]."
        if len(asked & _words(best)) >= 2 and written not in chosen:
            chosen.append(written)
    return " ".join(chosen)


def _sentences(text: str) -> list[str]:
    return [piece.strip() for piece in re.split(r"(?<=[.!?])\s+|\n+", text) if piece.strip()]


def _words(text: str) -> set[str]:
    """Stems of a sort: enough to know "return" in "returned"."""
    return {word[:5] for word in re.findall(r"[^\W_]{3,}", text.casefold())}


def sentences_of(text: str) -> list[str]:
    """The answer in pieces that end with a sentence; joined they are the text."""
    return [piece for piece in re.split(r"(?<=[.!?])(?=\s)", text) if piece]
