"""Texts, buttons and reactions of a message, for tests that look for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.simulators.slack.workspace import Json, Post


def words(body: Json) -> str:
    """All that it says, as it is written. Blocks hide the text that they come with."""
    blocks = body.get("blocks")
    return "\n".join(_texts(blocks)) if blocks else str(body.get("text") or "")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        for each in value.values():
            yield from _texts(each)


def labels(body: Json) -> list[str]:
    """Of its buttons."""
    return [
        element["text"]["text"]
        for block in body.get("blocks", [])
        if block["type"] == "actions"
        for element in block["elements"]
    ]


def marks(post: Post) -> list[str]:
    """The names of the reactions to it."""
    return [each["name"] for each in post.body.get("reactions", [])]
