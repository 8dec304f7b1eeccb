"""Sources below an answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connectors.markup import DISCORD, PLAIN, SLACK, WHATSAPP, render
from schemas.messages import Citation


def citation(n: int, document: str, title: str = "", url: str = "") -> Citation:
    return Citation(n=n, document=document, title=title or document.title(), url=url, quote="q")


RETURNS = citation(4, "returns", url="https://x.example/returns")
FEES = citation(7, "fees")
AGAIN = citation(9, "returns", url="https://x.example/returns#late")


def test_slack_shows_linked_titles_beside_the_answer() -> None:
    sent = render("Thirty days [4]. Free [7].", SLACK, 1000, citations=[RETURNS, FEES])
    assert sent.parts == ("Thirty days [1]. Free [2].",)
    assert sent.context == ("[1] <https://x.example/returns|Returns>", "[2] Fees")


def test_discord_shows_a_small_list_whose_links_unfold_no_preview() -> None:
    sent = render("Thirty days [4].", DISCORD, 1000, citations=[RETURNS])
    assert sent.parts == ("Thirty days [1].\n\n-# Sources\n-# [1] [Returns](<https://x.example/returns>)",)


def test_elsewhere_sources_are_lines_with_title_and_address() -> None:
    for dialect in (WHATSAPP, PLAIN):
        sent = render("Thirty days [4]. Free [7].", dialect, 1000, citations=[RETURNS, FEES], heading="Quellen")
        assert sent.parts == (
            "Thirty days [1]. Free [2].\n\nQuellen:\n[1] Returns: https://x.example/returns\n[2] Fees",
        )


def test_marks_are_numbered_as_they_are_met_and_one_document_has_one_number() -> None:
    sent = render("Free [7]. Thirty days [4][9], late [9] [7].", SLACK, 1000, citations=[RETURNS, FEES, AGAIN])
    assert sent.parts == ("Free [1]. Thirty days [2], late [2] [1].",)
    assert len(sent.context) == 2


def test_only_what_is_cited_is_listed() -> None:
    assert render("Hello.", PLAIN, 1000, citations=[RETURNS]).parts == ("Hello.",)


def test_a_mark_without_proof_never_points_at_the_proof_of_something_else() -> None:
    assert render("Thirty days [4], said [1].", SLACK, 1000, citations=[RETURNS]).parts == (
        "Thirty days [1], said (1).",
    )
    assert render("Footnotes [1][1] of nobody.", SLACK, 1000).parts == ("Footnotes [1][1] of nobody.",)


def test_marks_in_code_are_code_and_marks_in_labels_are_marks() -> None:
    sent = render("`a[4]` and [see [4]](https://x.example)", PLAIN, 1000, citations=[RETURNS])
    assert sent.parts[0].startswith("a[4] and see [1] (https://x.example)")


def test_sources_that_do_not_fit_below_the_answer_come_after_it() -> None:
    answer = "word " * 14 + "end [4]."
    parts = render(answer, WHATSAPP, 80, citations=[RETURNS]).parts
    assert parts == (answer.replace("[4]", "[1]"), "Sources:\n[1] Returns: https://x.example/returns")


def test_the_word_sources_never_ends_a_part() -> None:
    long = citation(1, "title", url="https://x.example/" + "a" * 22)
    parts = render("[1]", PLAIN, 64, citations=[long]).parts
    assert parts == ("[1]", f"Sources:\n[1] Title: {long.url}")


def test_sources_that_are_too_long_are_shortened_or_lose_their_address() -> None:
    long = citation(1, "d", title="Title " * 40, url="https://x.example/" + "a" * 700)
    assert render("[1]", SLACK, 1000, citations=[long]).context == ("[1] " + ("Title " * 40)[:79] + "…",)
    assert render("[1]", PLAIN, 64, citations=[citation(1, "d", url="https://x.example/" + "a" * 50)]).parts == (
        "[1]\n\nSources:\n[1] D",
    )
    unsafe = citation(1, "d", url="javascript:alert(1)")
    assert render("[1]", PLAIN, 1000, citations=[unsafe]).parts == ("[1]\n\nSources:\n[1] D",)


def test_slack_never_gets_more_than_ten_texts_beside_an_answer() -> None:
    many = [citation(n, f"d{n}") for n in range(1, 24)]
    context = render(" ".join(f"[{n}]" for n in range(1, 24)), SLACK, 1000, citations=many).context
    assert len(context) == 8
    assert "\n".join(context).count("\n") == 22


@given(st.lists(st.integers(0, 12), max_size=30), st.integers(64, 300))
def test_every_mark_sent_has_its_line_among_the_sources(marks: list[int], limit: int) -> None:
    citations = [citation(n, f"document {n % 5}", url=f"https://x.example/{n % 5}") for n in range(9)]
    sent = render("".join(f"w[{n}] " for n in marks), PLAIN, limit, citations=citations)
    body, _, listed = "\n".join(sent.parts).partition("Sources:")
    cited = [f"[{number + 1}]" for number in range(len({n % 5 for n in marks if n < 9}))]
    assert {word[1:] for word in body.split() if word.endswith("]")} == set(cited)
    assert [line.split()[0] for line in listed.strip().splitlines()] == cited
    assert all(len(part) <= limit for part in sent.parts)
