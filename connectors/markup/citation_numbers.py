"""Citation marks, numbered in reading order with one number per document."""

from __future__ import annotations

import re
from collections.abc import Sequence

from schemas.messages import Citation

CITATION_MARK = r"\[\d{1,3}\]"
_MARK = re.compile(r"\[(\d{1,3})\]")


class CitationNumbers:
    """Assigns numbers while a text is read; afterwards ``cited`` holds the citations in that order."""

    def __init__(self, citations: Sequence[Citation]) -> None:
        self._by_mark = {citation.n: citation for citation in citations}
        self._numbers: dict[str, int] = {}
        self.cited: list[Citation] = []

    @property
    def renumbers(self) -> bool:
        return bool(self._by_mark)

    def mark(self, text: str) -> str | None:
        """Return ``[7]`` with its new number; None if the text is no mark. A mark that cites nothing becomes ``(7)``,
        because as it stands it could point at another document."""
        match = _MARK.fullmatch(text)
        if not match or not self.renumbers:
            return text if match else None
        citation = self._by_mark.get(int(match.group(1)))
        return f"[{self._number(citation)}]" if citation else f"({match.group(1)})"

    def marks_in(self, text: str) -> str:
        """Renumber all marks in a text."""
        return _MARK.sub(lambda match: self.mark(match.group()) or match.group(), text)

    def _number(self, citation: Citation) -> int:
        document = citation.document or citation.url or citation.title
        if document not in self._numbers:
            self.cited.append(citation)
            self._numbers[document] = len(self.cited)
        return self._numbers[document]
