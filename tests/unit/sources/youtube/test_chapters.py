"""Chapters by the rules that YouTube documents, and documents whose parts open the video at their second."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_worker.knowledge.text.splitting import split
from agent_worker.sources.captions import make_cue, sentences_of
from agent_worker.sources.youtube.chapters import Chapter, find_chapters, render_video
from agent_worker.sources.youtube.listing import Video

URL = "https://www.youtube.com/watch?v=vid00001_-x"
THREE = "0:00 Intro\n1:00 Repotting\n2:30 Bye"


def make_video(title: str = "Care", description: str = "") -> Video:
    return Video.model_validate({"id": "vid00001_-x", "snippet": {"title": title, "description": description}})


@pytest.mark.parametrize(
    "description",
    [
        THREE,
        "Hello!\n\n00:00 - Intro\n01:00 – Repotting\n02:30: Bye\n\nSee https://shop.example",
        "(0:00) Intro\n[1:00] Repotting\n• 2:30 Bye",
        "00:00:00 Intro\r\n00:01:00 Repotting\r\n0:02:30 | Bye",
    ],
)
def test_time_stamps_in_the_description_are_chapters(description: str) -> None:
    assert find_chapters(description) == [Chapter(0, "Intro"), Chapter(60, "Repotting"), Chapter(150, "Bye")]


@pytest.mark.parametrize(
    "description",
    [
        "",
        "Watch until 2:30 for the surprise",
        "0:00 Intro\n1:00 Repotting",
        "0:01 Intro\n1:00 Repotting\n2:30 Bye",
        "0:00 Intro\n2:30 Bye\n1:00 Repotting",
        "0:00 Intro\n0:09 Too soon\n2:30 Bye",
        "0:00\n1:00\n2:30",
    ],
)
def test_stamps_that_break_a_rule_are_no_chapters(description: str) -> None:
    """The first is 0:00, there are at least three, in order, and each takes at least ten seconds."""
    assert find_chapters(description) == []


def test_a_long_video_has_chapters_after_an_hour() -> None:
    found = find_chapters("0:00 A\n59:59 B\n1:00:10 C\n12:34:56 D")
    assert [each.start for each in found] == [0, 3599, 3610, 45296]


def test_each_part_stands_under_its_chapter_and_opens_at_its_second() -> None:
    """A sentence that begins just before a chapter, but is said in it, belongs to it."""
    sentences = sentences_of(
        [
            make_cue(2, 5, ["Welcome to the show."]),
            make_cue(59.2, 64, ["Take the pot off."]),
            make_cue(64, 68, ["Use fresh peat."]),
            make_cue(151, 153, ["See you."]),
        ]
    )
    pieces = split("Care", render_video(make_video(description=THREE), sentences), URL)
    assert [(piece.heading, piece.url, piece.text) for piece in pieces] == [
        ("Intro", f"{URL}&t=2s", "Welcome to the show."),
        ("Repotting", f"{URL}&t=59s", "Take the pot off. Use fresh peat."),
        ("Bye", f"{URL}&t=151s", "See you."),
    ]


def test_a_video_without_chapters_is_split_by_time() -> None:
    """About a hundred words each, with no other heading than the title."""
    sentences = sentences_of([make_cue(n * 5, n * 5 + 5, [f"This is what I say in part {n}."]) for n in range(60)])
    pieces = split("Care", render_video(make_video(), sentences), URL)
    assert {piece.heading for piece in pieces} == {""}
    assert len({piece.url for piece in pieces}) == len(pieces) > 3
    for piece in pieces:
        number = int(piece.text.split("part ")[1].split(".")[0])
        assert piece.url == f"{URL}&t={number * 5}s"


def test_a_long_chapter_has_one_heading_and_several_seconds() -> None:
    sentences = sentences_of([make_cue(n * 5, n * 5 + 5, [f"This is what I say in part {n}."]) for n in range(60)])
    pieces = split("Care", render_video(make_video(description=THREE), sentences), URL)
    repotting = [piece.url for piece in pieces if piece.heading == "Repotting"]
    assert repotting == [f"{URL}&t=60s", f"{URL}&t=125s"]


@pytest.mark.parametrize(
    "title", ["C#", "A [b](https://evil.example) c", "# Care", "Care\n\n## [x](y)", "\u202eera\x00C", ""]
)
def test_no_title_breaks_out_of_its_heading(title: str) -> None:
    """Whatever a title or a chapter says, the parts keep their seconds, and a title is no part of their path."""
    said = sentences_of([make_cue(3, 5, ["Hello."]), make_cue(61, 62, ["Now."]), make_cue(160, 161, ["Bye."])])
    for description in ("", f"0:00 {title}.\n1:00 {title}x](https://evil.example\n2:30 ![{title}"):
        video = make_video(title, description)
        body = render_video(video, said)
        shown = " ".join(title.replace("\u202e", "").replace("\x00", "").split()) or video.id
        pieces = split(shown, body, URL)
        assert [piece.url for piece in pieces] in ([f"{URL}&t=3s", f"{URL}&t=61s", f"{URL}&t=160s"], [f"{URL}&t=3s"])
        assert not any(piece.heading.startswith(shown) for piece in pieces if not description)
        assert "evil" not in " ".join(piece.url + piece.text for piece in pieces)


@settings(max_examples=200, deadline=None)
@given(st.text("0123456789:\n ab-[]()•", max_size=300))
def test_any_description_has_valid_chapters_or_none(description: str) -> None:
    chapters = find_chapters(description)
    assert not chapters or (len(chapters) >= 3 and chapters[0].start == 0)
    assert all(after.start - before.start >= 10 for before, after in pairwise(chapters))
    assert all(chapter.title.strip() for chapter in chapters)
