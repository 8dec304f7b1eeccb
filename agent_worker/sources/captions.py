"""Captions of a video: cues with times, and the sentences that are said in them."""

from __future__ import annotations

import html
import io
import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Literal

from agent_worker.knowledge.text.documents import decode
from agent_worker.knowledge.text.sentences import sentence_spans
from agent_worker.knowledge.text.splitting import ENOUGH_WORDS
from schemas.errors import MissingDependency, Unprocessable
from schemas.ports import Content
from schemas.runtime.optional_dependencies import install_command

_TOUCH_S = 0.15
"""Two cues with a shorter gap follow each other without a pause."""
_MIN_ROLLING_SHARE = 0.25
_MAX_LINES = 8
"""More lines of a cue are not compared with those of the cue before it."""
_MAX_SENTENCE_WORDS = 40
_CUT_WORDS = 20
"""Speech without punctuation is cut after this many words, where a cue ends."""
_WIDE_CHARACTERS_PER_WORD = 3
_MAX_CHARACTERS_PER_WORD = 12
"""For scripts without blanks between words."""
_PAUSE_S = 5.0
"""A longer silence ends a sentence."""
_BREAK_S = 20.0
"""A longer silence ends a passage."""
_SOUND = re.compile(r"\[(?: ?[^\W\d_]{1,30}){1,3} ?\]|\[ ?_{1,9} ?\]|^\((?: ?[^\W\d_]{1,30}){1,3} ?\)$|♪[^♪]{0,300}♪?")
_POSITION = re.compile(r"\{\\[^{}]{0,100}\}")
_SPEAKER = re.compile(r"(?<!\S)>>+\s*|^[-–—]\s+")
_MARKUP = re.compile(r"(?:(?:#{1,6}|[-*+•>]) |\||```+|~~~+| )+")
_WORD = re.compile(r"\S+")
_FULL_STOP = re.compile(r"(?<=[。！？])")
_INVISIBLE_KINDS = ("Cc", "Cs", "Co", "Cn")
_BIDI_CONTROLS = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\u061c")


@dataclass(frozen=True, slots=True)
class Cue:
    """Lines that are shown together. Times are in seconds."""

    start: float
    end: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, or a piece of speech without punctuation. Times are in seconds."""

    start: float
    end: float
    text: str


CaptionFormat = Literal["vtt", "srt"]


def read_cues(name: str, text: str, format: CaptionFormat) -> list[Cue]:
    """Raises Unprocessable when the text is not in the format, and MissingDependency."""
    try:
        from webvtt import WebVTT
        from webvtt.errors import MalformedCaptionError, MalformedFileError
    except ImportError as error:
        raise MissingDependency(f"{name}: caption files need webvtt-py", fix=install_command("documents")) from error
    try:
        captions = WebVTT.from_buffer(io.StringIO(text.lstrip("\ufeff\n\r\t ")), format=format).captions
        return [
            make_cue(
                each.start_time.in_milliseconds() / 1000, each.end_time.in_milliseconds() / 1000, each.text.split("\n")
            )
            for each in captions
        ]
    except (MalformedFileError, MalformedCaptionError) as error:
        raise Unprocessable(
            f"{name}: not a caption file in the format {format}", fix="export it again, as .vtt or .srt"
        ) from error


def make_cue(start: float, end: float, lines: Iterable[str]) -> Cue:
    """A cue without marks of speakers, sounds and invisible characters."""
    return Cue(start, max(start, end), tuple(line for line in map(_clean_line, lines) if line))


def _clean_line(line: str) -> str:
    text = clean_text(_POSITION.sub("", html.unescape(line)))
    return " ".join(_SPEAKER.sub("", _SOUND.sub(" ", text)).split())


def clean_text(text: str) -> str:
    """The text on one line, without characters that are not shown or change the direction of writing."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    return " ".join(
        "".join(
            " " if each.isspace() else each
            for each in text
            if each.isspace() or (each not in _BIDI_CONTROLS and unicodedata.category(each) not in _INVISIBLE_KINDS)
        ).split()
    )


# ── repeated lines ───────────────────────────────────────────────────────────────────────────────────────────────────


def merge_rolling(cues: Iterable[Cue]) -> list[Cue]:
    """The cues in order of time, each with the words that it adds. Captions that roll repeat the line above in the next
    cue, or grow word by word."""
    ordered = sorted((cue for cue in cues if cue.lines), key=lambda cue: (cue.start, cue.end))
    is_rolling = _is_rolling(ordered)
    merged: list[Cue] = []
    shown: tuple[str, ...] = ()
    until = -1.0
    for cue in ordered:
        lines = cue.lines
        if cue.start <= until + _TOUCH_S:
            lines = _added_lines(shown, lines) if is_rolling or lines == shown else lines
        if lines:
            merged.append(Cue(cue.start, cue.end, lines))
        shown, until = cue.lines, max(until, cue.end)
    return merged


def _is_rolling(cues: Sequence[Cue]) -> bool:
    rolling = sum(
        after.start <= before.end + _TOUCH_S
        and (after.lines[0] == before.lines[-1] or after.lines[0].startswith(f"{before.lines[-1]} "))
        for before, after in pairwise(cues)
    )
    return rolling >= 2 and rolling >= _MIN_ROLLING_SHARE * len(cues)


def _added_lines(shown: tuple[str, ...], lines: tuple[str, ...]) -> tuple[str, ...]:
    for count in range(min(len(shown), len(lines), _MAX_LINES), 0, -1):
        if shown[-count:] == lines[:count]:
            return lines[count:]
    if shown and lines[0].startswith(f"{shown[-1]} "):
        return (lines[0][len(shown[-1]) + 1 :], *lines[1:])
    return lines


# ── sentences ────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Speech:
    """All that is said as one text that knows the time of each of its places."""

    def __init__(self, cues: Iterable[Cue]) -> None:
        self.places: list[int] = []
        """The start of each cue in the text."""
        self._cues: list[tuple[Cue, int]] = []
        parts: list[str] = []
        length, last = 0, ""
        for cue in _end_at_next(cues):
            said = " ".join(cue.lines)
            gap = "" if not last or (_is_unspaced(last) and _is_unspaced(said[0])) else " "
            parts += (gap, said)
            self.places.append(length + len(gap))
            self._cues.append((cue, len(said)))
            length, last = length + len(gap) + len(said), said[-1]
        self.text = "".join(parts)

    def time_at(self, place: int) -> float:
        """Seconds. Within a cue, words are taken to be said at an even pace."""
        index = max(0, bisect_right(self.places, place) - 1)
        cue, length = self._cues[index]
        return cue.start + (cue.end - cue.start) * min(1.0, (place - self.places[index]) / length)

    def stretches(self) -> Iterator[tuple[int, int]]:
        """Parts of the text between long silences."""
        begin = 0
        for place, ((before, _), (after, _)) in zip(self.places[1:], pairwise(self._cues), strict=True):
            if after.start - before.end > _PAUSE_S:
                yield begin, place
                begin = place
        yield begin, len(self.text)


def _end_at_next(cues: Iterable[Cue]) -> list[Cue]:
    """The cues, each ending when the next begins, so that times in the text do not run backwards."""
    ordered = list(cues)
    ends = [min(cue.end, after.start) for cue, after in pairwise(ordered)]
    return [*map(lambda cue, end: replace(cue, end=end), ordered, ends), *ordered[-1:]]


def _is_unspaced(character: str) -> bool:
    """Return whether the script writes no blanks between words."""
    return unicodedata.east_asian_width(character) in "WF" and not "\uac00" <= character <= "\ud7a3"


def sentences_of(cues: Iterable[Cue]) -> list[Sentence]:
    """The sentences in order of time. Repeated lines of rolling captions are said once."""
    speech = _Speech(merge_rolling(cues))
    found = []
    for start, end in _spans(speech):
        text = speech.text[start:end].lstrip()
        if text:
            start, said = end - len(text), text.rstrip()
            found.append(Sentence(speech.time_at(start), speech.time_at(start + len(said)), said))
    return found


def _spans(speech: _Speech) -> Iterator[tuple[int, int]]:
    for begin, stop in speech.stretches():
        for start, end in sentence_spans(speech.text, begin, stop):
            at = start
            for match in _FULL_STOP.finditer(speech.text, start, end):
                yield from _cut_speech(speech, at, match.end())
                at = match.end()
            yield from _cut_speech(speech, at, end)


def _cut_speech(speech: _Speech, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut what is too long for a sentence, where a cue ends if possible."""
    if count_spoken(speech.text[start:end]) <= _MAX_SENTENCE_WORDS:
        yield start, end
        return
    at, words = start, 0
    for place, word, begins_cue in _words(speech, start, end):
        if words and (words >= _MAX_SENTENCE_WORDS or (begins_cue and words >= _CUT_WORDS)):
            yield at, place
            at, words = place, 0
        words += count_spoken(word)
    yield at, end


def _words(speech: _Speech, start: int, end: int) -> Iterator[tuple[int, str, bool]]:
    """Place and text of each word, and whether a cue begins with it."""
    for cue in range(max(0, bisect_right(speech.places, start) - 1), len(speech.places)):
        begin, stop = max(start, speech.places[cue]), min(end, _next_place(speech, cue))
        if begin >= end:
            return
        for match in _WORD.finditer(speech.text, begin, stop):
            yield match.start(), match[0], match.start() == speech.places[cue]


def _next_place(speech: _Speech, cue: int) -> int:
    return speech.places[cue + 1] if cue + 1 < len(speech.places) else len(speech.text)


def count_spoken(text: str) -> int:
    """The number of words, estimated by length where a script has no blanks."""
    wide = sum(map(_is_unspaced, text)) if not text.isascii() else 0
    return max(len(text.split()) + wide // _WIDE_CHARACTERS_PER_WORD, len(text) // _MAX_CHARACTERS_PER_WORD)


def group_sentences(sentences: Iterable[Sentence]) -> list[list[Sentence]]:
    """Runs of sentences that are long enough for a passage. A long silence ends one."""
    groups: list[list[Sentence]] = []
    words = 0
    for sentence in sentences:
        if not groups or words >= ENOUGH_WORDS or sentence.start - groups[-1][-1].end > _BREAK_S:
            groups.append([])
            words = 0
        groups[-1].append(sentence)
        words += count_spoken(sentence.text)
    return groups


def paragraph_of(group: Sequence[Sentence]) -> str:
    """The sentences as a paragraph that is no heading, list or table in Markdown."""
    text = " ".join(each.text for each in group)
    markup = _MARKUP.match(text)
    return text[markup.end() :] if markup else text


# ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_file(name: str, data: bytes, format: CaptionFormat) -> Sequence[Content]:
    groups = group_sentences(sentences_of(read_cues(name, decode(name, data), format)))
    return [Content(title="", body="\n\n".join(filter(None, map(paragraph_of, groups))))]


class WebVtt:
    endings: ClassVar[Sequence[str]] = (".vtt",)
    types: ClassVar[Sequence[str]] = ("text/vtt",)
    isolated: ClassVar[bool] = False

    def read(self, name: str, data: bytes) -> Sequence[Content]:
        return _read_file(name, data, "vtt")


class SubRip:
    endings: ClassVar[Sequence[str]] = (".srt",)
    types: ClassVar[Sequence[str]] = ("application/x-subrip",)
    isolated: ClassVar[bool] = False

    def read(self, name: str, data: bytes) -> Sequence[Content]:
        return _read_file(name, data, "srt")
