"""Citation marks numbered in the order in which a reader meets them, one number a document."""

from __future__ import annotations

import re
from collections.abc import Sequence

from schemas.messages import Citation

MARK = r"\[\d{1,3}\]"
_MARK = re.compile(r"\[(\d{1,3})\]")


class Numbering:
    """Hands out numbers while a text is read; afterwards ``cited`` holds what was cited, in that order."""

    def __init__(self, citations: Sequence[Citation]) -> None:
        self._by_mark = {citation.n: citation for citation in citations}
        self._numbers: dict[str, int] = {}
        self.cited: list[Citation] = []

    @property
    def renumbers(self) -> bool:
        return bool(self._by_mark)

    def mark(self, text: str) -> str | None:
        """``[7]`` with its new number; None for what is no mark. What cites nothing becomes ``(7)``: as it stands it
        might point at somebody else's proof."""
        found = _MARK.fullmatch(text)
        if not found or not self.renumbers:
            return text if found else None
        citation = self._by_mark.get(int(found.group(1)))
        return f"[{self._number(citation)}]" if citation else f"({found.group(1)})"

    def marks_in(self, text: str) -> str:
        """A text with all its marks renumbered."""
        return _MARK.sub(lambda found: self.mark(found.group()) or found.group(), text)

    def _number(self, citation: Citation) -> int:
        document = citation.document or citation.url or citation.title
        if document not in self._numbers:
            self.cited.append(citation)
            self._numbers[document] = len(self.cited)
        return self._numbers[document]
