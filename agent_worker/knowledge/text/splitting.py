"""Splitting of documents into passages of 100–180 words along headings. Nothing is cut within a sentence, and every
passage is verbatim."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from agent_worker.knowledge.text.blocks import Block, bare_item, blocks_of, is_ruler, lines_of
from agent_worker.knowledge.text.opening_hours import restate_hours
from agent_worker.knowledge.text.sentences import sentence_spans

MAX_WORDS = 180
ENOUGH_WORDS = 100
_LABEL_LEVEL = 7
"""Below every heading."""
_MAX_LABEL_WORDS, _MIN_LABELS = 6, 2
Span = tuple[int, int]
_LABEL = re.compile(r"\*\*([^*\n]{2,80}?)[.:]?\*\*[.:]?(?=\s|$)")
"""A label in bold type at the beginning of a paragraph: "**Water.** From April to October …"."""
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class PassageText:
    """``text`` is a verbatim part of the body, ``heading`` the path of headings above it. ``note`` helps to find it
    without being part of it: the header of a table that was split. So does ``restated``, see ``restate_hours``.
    ``url`` opens the document at its section."""

    heading: str
    text: str
    note: str = ""
    url: str = ""
    restated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Heading:
    level: int
    title: str
    url: str


def count_words(text: str) -> int:
    return len(text.split())


def split(title: str, body: str, url: str = "") -> list[PassageText]:
    """At least one passage for a body with a visible character. No passage is blank.

    ``url``: the document's address. A heading that is a link to a place in it, such as
    ``## [Repotting](https://shop.example/care#repotting)``, gives that address to the passages below it."""
    passages: list[PassageText] = []
    path: list[_Heading] = []
    section: list[Block] = []
    headings: list[Block] = []
    blocks = blocks_of(body)
    labels = _find_labels(body, blocks)
    for block in blocks:
        label = labels.get(block.start, "")
        if block.kind != "heading" and not label:
            section.append(block)
            continue
        passages.extend(_pack(body, _place(path, title, url), section))
        above = [entry for entry in path if entry.level < (_LABEL_LEVEL if label else block.level)]
        url_above = above[-1].url if above else url
        if label:
            section = [block]
            path = [*above, _Heading(_LABEL_LEVEL, label, url_above)]
        else:
            section = []
            headings.append(block)
            path = [*above, _read_heading(block, url, url_above)]
    passages.extend(_pack(body, _place(path, title, url), section))
    if not passages and headings:
        passages = [PassageText("", body[headings[0].start : headings[-1].end], url=url)]
    return [replace(each, restated=restate_hours(title, each.heading, each.text)) for each in passages]


def _find_labels(body: str, blocks: list[Block]) -> dict[int, str]:
    """The labels of paragraphs that stand for headings, by the start of the block: a question, or one of several in a
    section. A single one may be an emphasis."""
    found: dict[int, str] = {}
    section: dict[int, str] = {}
    for block in [*blocks, Block("heading", len(body), len(body))]:
        if block.kind == "heading":
            is_list = len(section) >= _MIN_LABELS
            found |= {start: label for start, label in section.items() if is_list or label.endswith("?")}
            section = {}
        elif block.kind == "text" and (match := _LABEL.match(body, block.start, block.end)) is not None:
            label = match[1].strip()
            if label.endswith("?") or len(label.split()) <= _MAX_LABEL_WORDS:
                section[block.start] = label
    return found


def _read_heading(block: Block, document_url: str, url_above: str) -> _Heading:
    """The heading with its own address, or else that of the heading above it. Other links are left as they are."""
    if block.title.startswith("[") and block.title.endswith(")"):
        text, _, address = block.title[1:-1].rpartition("](")
        if text and document_url and _is_inside(address, document_url):
            return _Heading(block.level, text, address)
    return _Heading(block.level, block.title, url_above)


def _is_inside(address: str, document_url: str) -> bool:
    return address.startswith(document_url) and address[len(document_url) :].startswith(("#", "?", "&"))


def _place(path: list[_Heading], title: str, url: str) -> tuple[str, str]:
    """The heading and the address of a section."""
    names = [each.title for each in path]
    if names and names[0].casefold() == title.casefold():
        names = names[1:]
    return " > ".join(names), path[-1].url if path else url


def _pack(body: str, place: tuple[str, str], section: list[Block]) -> Iterator[PassageText]:
    """Merge neighbouring blocks until a passage is long enough, within one section."""
    heading, url = place
    pending: Span | None = None
    pending_words = 0
    for start, end, note in _parts(body, section):
        size = count_words(body[start:end])
        total = pending_words + size
        if (
            pending is not None
            and not note
            and (total <= MAX_WORDS and (pending_words < ENOUGH_WORDS or size < ENOUGH_WORDS // 2))
        ):
            pending, pending_words = (pending[0], end), total
            continue
        if pending is not None:
            yield PassageText(heading, body[pending[0] : pending[1]], url=url)
            pending = None
        if note:
            yield PassageText(heading, body[start:end], note, url)
        else:
            pending, pending_words = (start, end), size
    if pending is not None:
        yield PassageText(heading, body[pending[0] : pending[1]], url=url)


def _parts(body: str, section: list[Block]) -> Iterator[tuple[int, int, str]]:
    for block in section:
        if count_words(body[block.start : block.end]) <= MAX_WORDS:
            yield block.start, block.end, ""
        elif block.kind == "table":
            yield from _table(body, block)
        elif block.kind == "text":
            yield from _runs(body, _atoms(body, list(sentence_spans(body, block.start, block.end))), "")
        else:
            yield from _runs(body, _atoms(body, list(_lines(body, block))), "")


def _lines(body: str, block: Block) -> Iterator[Span]:
    """Lines, or list items with their continuation lines."""
    begin = block.start
    for start, end in lines_of(body, block.start, block.end):
        if start > begin and (block.kind != "list" or bare_item(body[start:end])):
            yield begin, start - 1
            begin = start
    yield begin, block.end


def _table(body: str, block: Block) -> Iterator[tuple[int, int, str]]:
    rows = list(lines_of(body, block.start, block.end))
    headed = len(rows) > 1 and is_ruler(body[rows[1][0] : rows[1][1]])
    note = body[rows[0][0] : rows[1][1]] if headed else ""
    first = True
    for start, end, _ in _runs(body, _atoms(body, rows), ""):
        yield start, end, "" if first else note
        first = False


def _atoms(body: str, spans: list[Span]) -> Iterator[Span]:
    """Spans of at most MAX_WORDS; text without breaks is cut between words."""
    for start, end in spans:
        while end - start > MAX_WORDS * 12 or count_words(body[start:end]) > MAX_WORDS:
            cut = _cut(body, start, end)
            yield start, cut
            start = cut
        if body[start:end].strip():
            yield start, end


def _cut(body: str, start: int, end: int) -> int:
    """The place to cut text without breaks: after a word, or anywhere if there is no end of a word."""
    furthest = min(end, start + MAX_WORDS * 6)
    last = start
    for count, match in enumerate(_WORD.finditer(body, start, furthest), 1):
        if count > MAX_WORDS or (match.end() == furthest < end and last > start):
            break
        last = match.end()
    return last if last > start else furthest


def _runs(body: str, spans: Iterator[Span], note: str) -> Iterator[tuple[int, int, str]]:
    pending: Span | None = None
    for start, end in spans:
        if pending is not None and count_words(body[pending[0] : end]) <= MAX_WORDS:
            pending = (pending[0], end)
            continue
        if pending is not None:
            yield (*pending, note)
        pending = (start, end)
    if pending is not None:
        yield (*pending, note)
