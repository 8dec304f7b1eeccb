"""Caption files become sentences with times: what rolls or repeats is said once, and nothing is lost."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_worker.knowledge.text.blocks import blocks_of
from agent_worker.knowledge.text.documents import check_body
from agent_worker.sources.captions import (
    Cue,
    SubRip,
    WebVtt,
    count_spoken,
    group_sentences,
    make_cue,
    merge_rolling,
    paragraph_of,
    read_cues,
    sentences_of,
)
from agent_worker.sources.conversion import Conversion
from agent_worker.sources.isolation import Isolation
from schemas.errors import Unprocessable

SRT = (
    "\ufeff1\r\n00:00:01,000 --> 00:00:03,000\r\n- How do I repot? Take\r\n\r\n"
    "2\r\n00:00:03,000 --> 00:00:05,000\r\n<i>the pot</i> off. Then\r\nwater it well.\r\n\r\n"
    "3\r\n00:00:33,000 --> 00:00:34,000\r\n{\\an8}(optional) At -5 degrees.\r\n"
)
ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:00.000 --> 00:00:02.000 align:start position:0%
\x20
today<00:00:00.500><c> we</c><00:00:01.000><c> repot</c>

00:00:02.000 --> 00:00:02.010 align:start position:0%
today we repot
\x20

00:00:02.010 --> 00:00:04.000 align:start position:0%
today we repot
the<00:00:02.500><c> peat &amp; sand [Music]</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
the peat &amp; sand [Music]
\x20

00:00:04.010 --> 00:00:06.000 align:start position:0%
the peat &amp; sand [Music]
&gt;&gt; and water it
"""


def spoken(cues: list[Cue]) -> str:
    return " ".join(each.text for each in sentences_of(cues))


def test_sentences_of_a_file_know_when_they_are_said() -> None:
    """Within a cue by their place in it; a long silence ends a sentence that lacks its full stop."""
    sentences = sentences_of(read_cues("a.srt", SRT, "srt"))
    assert [each.text for each in sentences] == [
        "How do I repot?",
        "Take the pot off.",
        "Then water it well.",
        "(optional) At -5 degrees.",
    ]
    assert [int(each.start) for each in sentences] == [1, 2, 3, 33]
    assert [int(each.end) for each in sentences] == [2, 3, 5, 34]


def test_rolling_captions_are_said_once() -> None:
    """As YouTube makes them: each line is shown twice, and its words appear one by one."""
    merged = merge_rolling(read_cues("a.vtt", ROLLING, "vtt"))
    assert [(cue.start, cue.lines) for cue in merged] == [
        (0.0, ("today we repot",)),
        (2.01, ("the peat & sand",)),
        (4.01, ("and water it",)),
    ]


def test_captions_that_grow_word_by_word_are_said_once() -> None:
    shown = ["I", "I want", "I want to", "I want to repot"]
    assert spoken([make_cue(n, n + 1, [text]) for n, text in enumerate(shown)]) == "I want to repot"


def test_words_that_are_really_repeated_stay() -> None:
    """In captions that do not roll, a line that begins like the one before it is another line."""
    lines = ["No, no.", "No, no, I said.", "Sand drains.", "Peat holds water.", "Mix both.", "Mix both well.", "Done."]
    cues = [make_cue(n, n + 1, [text]) for n, text in enumerate(lines)]
    assert spoken(cues) == " ".join(lines)


def test_the_same_caption_twice_at_once_is_said_once() -> None:
    assert spoken([make_cue(0, 2, ["Mix both."]), make_cue(0, 2, ["Mix both."])]) == "Mix both."


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        (">> ANNA: Welcome [Applause]", "ANNA: Welcome"),
        ("(laughter)", ""),
        ("add perlite (optional)", "add perlite (optional)"),
        ("[ __ ] happens", "happens"),
        ("use [2 parts] peat", "use [2 parts] peat"),
        ("♪ a song about moss ♪ and now", "and now"),
        ("- Minus", "Minus"),
        ("-5 °C at night", "-5 °C at night"),
        ("a\u202eb\x00c\u2066", "abc"),
        ("\u200b\u200b", "\u200b\u200b"),
        ("5 &lt; 7", "5 < 7"),
    ],
)
def test_marks_of_sounds_and_speakers_are_left_out(line: str, clean: str) -> None:
    assert make_cue(0, 1, [line]).lines == ((clean,) if clean else ())


def test_speech_without_punctuation_is_cut_where_a_cue_ends() -> None:
    """Every piece is short enough to be quoted, and no word is lost."""
    cues = [make_cue(n, n + 1, [f"and then number {n} of the pots"]) for n in range(40)]
    pieces = sentences_of(cues)
    assert all(20 <= count_spoken(each.text) <= 40 for each in pieces[:-1])
    assert all(each.text.startswith("and then") and each.start == int(each.start) for each in pieces)
    assert " ".join(each.text for each in pieces) == " ".join(cue.lines[0] for cue in cues)


def test_scripts_without_blanks_are_neither_joined_by_blanks_nor_left_whole() -> None:
    cues = [make_cue(n * 3, n * 3 + 3, ["今日は植え替え", "をします。"][n % 2 :][:1]) for n in range(40)]
    sentences = sentences_of(cues)
    assert {each.text for each in sentences} == {"今日は植え替えをします。"}
    assert [each.start for each in sentences] == [6.0 * n for n in range(20)]
    assert len(group_sentences(sentences * 10)) > 1


def test_passages_are_long_enough_and_end_at_silence() -> None:
    sentences = sentences_of([make_cue(n * 4, n * 4 + 4, [f"This is the sentence number {n}."]) for n in range(60)])
    late = sentences_of([make_cue(600, 604, ["A late sentence."])])
    groups = group_sentences([*sentences, *late])
    assert [100 <= sum(count_spoken(each.text) for each in group) <= 140 for group in groups[:-2]] == [True] * 3
    assert [each.text for each in groups[-1]] == ["A late sentence."]


def test_files_are_documents_of_their_own() -> None:
    """A paragraph for each passage; the file's name is the title."""
    (content,) = SubRip().read("a.srt", SRT.encode())
    assert content.title == ""
    assert content.body == "How do I repot? Take the pot off. Then water it well.\n\n(optional) At -5 degrees."
    (content,) = WebVtt().read("a.vtt", ROLLING.encode())
    assert content.body == "today we repot the peat & sand and water it"


async def test_both_kinds_of_files_are_converted_by_their_ending_and_their_media_type() -> None:
    async with Isolation() as isolation:
        convert = Conversion(isolation)
        for name, type in (("a.srt", ""), ("a.SRT", ""), ("a", "application/x-subrip")):
            assert "Take the pot off." in (await convert(name, SRT.encode(), type))[0].body
        for name, type in (("a.vtt", ""), ("a", "text/vtt")):
            assert "peat & sand" in (await convert(name, ROLLING.encode(), type))[0].body
        for empty in ("WEBVTT\n", "WEBVTT\n\n00:00.000 --> 00:01.000\n[Music]\n"):
            with pytest.raises(Unprocessable, match="no text"):
                await convert("a.vtt", empty.encode(), "")


@pytest.mark.parametrize("text", ["", "hello", "1\nWEBVTT\nx"])
@pytest.mark.parametrize("format", [WebVtt(), SubRip()])
def test_what_is_no_caption_file_is_refused_with_a_fix(format: WebVtt | SubRip, text: str) -> None:
    with pytest.raises(Unprocessable, match=r"bad\.vtt") as caught:
        format.read("bad.vtt", text.encode())
    assert caught.value.fix


# ── anything at all ──────────────────────────────────────────────────────────────────────────────────────────────────

WORDS = st.text("abcäß今。.!? \u202e\x07#|`>-*[]♪&<", max_size=25)
CUES = st.lists(
    st.builds(
        lambda start, length, lines: make_cue(start, start + length, lines),
        st.floats(0, 1000),
        st.floats(0, 30),
        st.lists(WORDS, max_size=4),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(CUES)
def test_any_captions_become_sentences_in_order_of_time(cues: list[Cue]) -> None:
    """No word is invented or lost, times do not run backwards within a passage, and paragraphs are only text."""
    merged = merge_rolling(cues)
    sentences = sentences_of(cues)
    assert "".join("".join(each.text.split()) for each in sentences) == "".join(
        "".join(line.split()) for cue in merged for line in cue.lines
    )
    assert all(before.start <= after.start for before, after in pairwise(sentences))
    assert all(each.text == each.text.strip() != "" for each in sentences)
    for group in group_sentences(sentences):
        assert {block.kind for block in blocks_of(paragraph_of(group))} <= {"text", "list"}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("abc今 .", min_size=3, max_size=30).filter(str.strip), min_size=3, max_size=30, unique=True))
def test_rolling_captions_of_any_text_lose_and_repeat_nothing(lines: list[str]) -> None:
    clean = [make_cue(0, 1, [line]).lines[0] for line in lines]
    if len(set(clean)) < len(clean) or any(after.startswith(f"{before} ") for before, after in pairwise(clean)):
        return  # cannot be told from a repetition
    rolling = [make_cue(n, n + 1, pair) for n, pair in enumerate(pairwise(["", *clean]))]
    said = [line for cue in merge_rolling(rolling) for line in cue.lines]
    assert said == clean


def test_a_hostile_file_makes_a_body_that_can_be_published() -> None:
    text = "WEBVTT\n\n00:00.000 --> 00:01.000\n# x\n```\n| a |\n\u202eabc\x07 &#7; &#x202e;\n"
    (content,) = WebVtt().read("a.vtt", text.encode())
    check_body("a.vtt", content.body)
    assert {block.kind for block in blocks_of(content.body)} == {"text"}
