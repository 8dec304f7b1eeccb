"""CSV files of questions and answers, as spreadsheets export them."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

from agent_worker.knowledge.text.documents import content_of, decode
from agent_worker.knowledge.text.front_matter import parse_attributes
from schemas.errors import DocumentTooLarge, Unprocessable
from schemas.ports import Content

MAX_ROWS = 20_000
_QUESTION = ("question", "q", "title")
_ANSWER = ("answer", "a", "body", "response")
_COLUMNS = "the first row names the columns: question, answer, and optionally url, language, visibility, expires_at"
_NO_WORD = re.compile(r"[\W_]+")


class CsvTable:
    """A document for each row. Its id is derived from the question, so that rows may move and answers change."""

    endings: ClassVar[Sequence[str]] = (".csv",)
    types: ClassVar[Sequence[str]] = ("text/csv",)
    isolated: ClassVar[bool] = False

    def read(self, name: str, data: bytes) -> Sequence[Content]:
        text = decode(name, data)
        try:
            return list(_contents(name, text))
        except csv.Error as error:
            raise Unprocessable(f"{name}: not a table ({error})", fix=_COLUMNS) from error


def _contents(name: str, text: str) -> Iterator[Content]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    reader.fieldnames = [heading.strip().lower() for heading in reader.fieldnames or ()]
    question, answer = _column(name, reader.fieldnames, _QUESTION), _column(name, reader.fieldnames, _ANSWER)
    rows: dict[str, int] = {}
    for number, row in enumerate(reader, 1):
        if number > MAX_ROWS:
            raise DocumentTooLarge(f"{name}: more than {MAX_ROWS:,} rows", fix="split it into several files")
        position = f"{name}, row {number + 1}"
        question_text, answer_text = (row[question] or "").strip(), (row[answer] or "").strip()
        if not question_text and not answer_text:
            continue
        if not question_text or not answer_text:
            raise Unprocessable(
                f"{position}: a {'question' if question_text else 'answer'} has no counterpart", fix=_COLUMNS
            )
        key = _row_id(question_text)
        if key in rows:
            raise Unprocessable(f"{position}: the question is also in row {rows[key]}", fix="keep one of the two")
        rows[key] = number + 1
        attributes = parse_attributes(
            position, {heading: value for heading, value in row.items() if heading not in (question, None)}
        )
        yield content_of(attributes, question_text[:300], f"# {' '.join(question_text.split())}\n\n{answer_text}", key)
    if not rows:
        raise Unprocessable(f"{name}: it has no rows", fix=_COLUMNS)


def _delimiter(text: str) -> str:
    head = text.partition("\n")[0]
    return max(",;\t", key=head.count)


def _column(name: str, headings: Sequence[str], known: Sequence[str]) -> str:
    found = next((heading for heading in known if heading in headings), None)
    if found is None:
        raise Unprocessable(f"{name}: there is no column {known[0]!r}", fix=_COLUMNS)
    return found


def _row_id(question: str) -> str:
    plain = _NO_WORD.sub(" ", question).casefold().strip()
    return hashlib.sha256((plain or question).encode("utf-8", "surrogatepass")).hexdigest()[:10]
