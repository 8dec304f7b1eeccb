"""The chapters of a video, and its document: speech under the chapters' headings, each part with its second.

Chapters are stated by time stamps in the description. The first is 0:00, there are at least three, in order, and each
takes at least ten seconds: https://support.google.com/youtube/answer/9884579"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent_worker.sources.captions import Sentence, clean_text, group_sentences, paragraph_of
from agent_worker.sources.youtube.listing import Video

MIN_CHAPTERS = 3
MIN_CHAPTER_S = 10
_MAX_TITLE = 100
_STAMP = re.compile(
    r"[\s•*>-]{0,5}[(\[]?(?:(\d{1,2}):)?(\d{1,2}):(\d{2})(?!\d)[)\]]?\s{0,5}[-–—:|.]{0,2}\s{0,5}(\S.{0,300})"
)


@dataclass(frozen=True, slots=True)
class Chapter:
    """``start`` in seconds."""

    start: int
    title: str


def find_chapters(description: str) -> list[Chapter]:
    """Empty unless the time stamps follow YouTube's rules."""
    found = [
        Chapter(_seconds(match), clean_text(match[4])) for match in map(_STAMP.match, description.split("\n")) if match
    ]
    gaps = [after.start - before.start for before, after in pairwise(found)]
    is_valid = len(found) >= MIN_CHAPTERS and found[0].start == 0 and min(gaps) >= MIN_CHAPTER_S
    return found if is_valid else []


def _seconds(stamp: re.Match[str]) -> int:
    return int(stamp[1] or 0) * 3600 + int(stamp[2]) * 60 + int(stamp[3])


def render_video(video: Video, sentences: Sequence[Sentence]) -> str:
    """Markdown, empty if nothing is said. Headings link to the second at which the text below them is said."""
    title = clean_text(video.snippet.title) or video.id
    chapters = find_chapters(video.snippet.description)
    if not chapters:
        return "\n\n".join(_render_parts(video, 1, title, group_sentences(sentences)))
    parts: list[str] = []
    for chapter, said in _by_chapter(chapters, sentences):
        parts += _render_parts(video, 2, chapter.title[:_MAX_TITLE], group_sentences(said))
    return "\n\n".join([f"# {_link(video, title, 0)}", *parts] if parts else [])


def _by_chapter(chapters: Sequence[Chapter], sentences: Iterable[Sentence]) -> Iterator[tuple[Chapter, list[Sentence]]]:
    """A sentence belongs to the chapter in which the middle of it is said."""
    said: dict[Chapter, list[Sentence]] = {chapter: [] for chapter in chapters}
    starts = [chapter.start for chapter in chapters]
    for sentence in sentences:
        place = bisect_right(starts, (sentence.start + sentence.end) / 2) - 1
        said[chapters[max(0, place)]].append(sentence)
    yield from said.items()


def _render_parts(video: Video, level: int, heading: str, groups: Iterable[Sequence[Sentence]]) -> Iterator[str]:
    for group in groups:
        if text := paragraph_of(group):
            yield f"{'#' * level} {_link(video, heading, int(group[0].start))}"
            yield text


def _link(video: Video, text: str, second: int) -> str:
    return f"[{text}]({video.url}&t={second}s)"
