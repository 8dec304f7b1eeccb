"""A number for every passage, kept beside the index's entry: it names what was found without reading what is stored."""

from __future__ import annotations

from agent_worker.knowledge.passages import Place

_ORDERS = 1 << 20
"""No document has so many passages."""


class Numbering:
    """Documents by number. One keeps its number from version to version, so that a reader of the old one still knows
    whose it is. One writer; readers beside it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._documents: dict[int, str] = {}
        self._next = 1

    def of(self, document: str) -> int:
        """Its number, or the one it is to have."""
        return self._numbers.get(document, self._next)

    def known(self, document: str) -> int | None:
        """Its number; None when it is not here."""
        return self._numbers.get(document)

    def put(self, document: str, number: int) -> None:
        self._numbers[document] = number
        self._documents[number] = document
        self._next = max(self._next, number + 1)

    def drop(self, document: str) -> None:
        self._documents.pop(self._numbers.pop(document, 0), None)

    def place(self, number: int) -> Place | None:
        """The passage that has the number; None when its document is not here."""
        document = self._documents.get(document_of(number))
        return None if document is None else Place(document, number % _ORDERS)


def number_of(document: int, order: int) -> int:
    """A passage's number, from its document's. The document itself is found under that of its first passage."""
    return document * _ORDERS + order


def document_of(passage: int) -> int:
    """The document's number, from that of one of its passages."""
    return passage // _ORDERS
