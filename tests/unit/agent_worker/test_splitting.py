"""Splitting: passages are verbatim, bounded, never empty, and lose nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_worker.knowledge.text.documents import MAX_BYTES, from_bytes, read_file
from agent_worker.knowledge.text.sentences import units_of
from agent_worker.knowledge.text.splitting import MAX_WORDS, count_words, split
from schemas.errors import DocumentTooLarge, Unprocessable

EXAMPLES = sorted((Path(__file__).parents[3] / "examples/plantstore/knowledge").iterdir())
_PLAIN = """# Top
## Part
### Small

- an item that says something
1. first
| a | b |
|---|---|
| 1 | 2 |
```
A sentence with some count_words in it. Another one!
  go on"""
LINES = st.sampled_from([*_PLAIN.splitlines(), "word " * 70, "x" * 3000])


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_passages_of_real_documents(path: Path) -> None:
    """Every word of a document's text stands in exactly one passage, whose length is bounded; quotes are verbatim."""
    draft = read_file(path)
    pieces = split(draft.title, draft.body)
    assert all(piece.text in draft.body and 0 < count_words(piece.text) <= MAX_WORDS for piece in pieces)
    headings = {line for line in draft.body.splitlines() if line.startswith("#")}
    body = [word for line in draft.body.splitlines() if line not in headings for word in line.split()]
    assert [word for piece in pieces for word in piece.text.split()] == body
    for piece in pieces:
        assert all(unit.quote in piece.text for unit in units_of(piece.text))


@settings(max_examples=150, deadline=None)
@given(st.lists(LINES, max_size=40))
def test_any_markdown_is_split(lines: list[str]) -> None:
    """Whatever the markdown, passages are verbatim and not blank, and every line of text is in one of them."""
    body = "\n".join(lines)
    pieces = split("Title", body)
    assert all(piece.text.strip() and piece.text in body for piece in pieces)
    assert all(count_words(piece.text) <= MAX_WORDS or "```" in piece.text for piece in pieces)
    assert bool(pieces) == bool(body.strip())
    for piece in pieces:
        assert all(unit.quote.strip() and unit.quote in piece.text for unit in units_of(piece.text))


def test_heading_path_is_kept() -> None:
    """A passage carries the path of headings over it, without the title."""
    pieces = split("Guide", "# Guide\n\n## Water\n\n### Summer\n\nDaily.\n\n## Light\n\nMuch.")
    assert [(piece.heading, piece.text) for piece in pieces] == [("Water > Summer", "Daily."), ("Light", "Much.")]


def test_a_heading_that_links_into_its_document_gives_its_address_to_what_stands_below() -> None:
    """Sections without such a heading have the address above them; links to elsewhere are part of the heading."""
    url = "https://shop.example/care"
    body = (
        f"Start.\n\n## [Water [daily]]({url}#water)\n\nMuch.\n\n### Summer\n\nMore.\n\n## Light\n\nSun.\n\n"
        f"## [Feed]({url}less)\n\nNone.\n\n## [1.0](https://elsewhere.example/1.0)\n\nNew."
    )
    assert [(piece.heading, piece.url) for piece in split("Care", body, url)] == [
        ("", url),
        ("Water [daily]", f"{url}#water"),
        ("Water [daily] > Summer", f"{url}#water"),
        ("Light", url),
        (f"[Feed]({url}less)", url),
        ("[1.0](https://elsewhere.example/1.0)", url),
    ]
    assert {piece.url for piece in split("Care", body)} == {""}


def test_a_long_section_has_one_address() -> None:
    """Each passage that it is cut into opens the document there."""
    table = "| Country | Price |\n|---|---|\n" + "\n".join(f"| Land number {n} here | {n} euro |" for n in range(60))
    body = "# [Prices](https://a.example?b=c&t=9s)\n\n" + "A short sentence. " * 200 + f"\n\n{table}"
    pieces = split("Prices", body, "https://a.example?b=c")
    assert len(pieces) > 4
    assert {(piece.heading, piece.url) for piece in pieces} == {("", "https://a.example?b=c&t=9s")}


def test_long_table_keeps_its_head_in_mind() -> None:
    """A table that must be cut is cut between rows, and later parts know the head for the search."""
    table = "| Country | Price |\n|---|---|\n" + "\n".join(f"| Land number {n} here | {n} euro |" for n in range(60))
    pieces = split("T", table)
    assert len(pieces) > 1
    assert all(line.startswith("|") and line.endswith("|") for piece in pieces for line in piece.text.splitlines())
    assert "Country" in pieces[1].note


def test_abbreviations_do_not_end_sentences() -> None:
    """Initials, abbreviations and decimals stay inside their sentence."""
    quotes = [unit.quote for unit in units_of("Keep N. hamata at 12.5 °C, e.g. in a cellar. Then wait.")]
    assert quotes == ["Keep N. hamata at 12.5 °C, e.g. in a cellar.", "Then wait."]


def test_html_loses_its_frame() -> None:
    """Of a page its content is kept as markdown; navigation, scripts, styles and footer are gone."""
    page = (
        b"<html><head><title>Site</title><style>p{}</style></head><body><nav>Menu</nav><h1>Prices</h1>"
        b"<p>Pots cost <b>4 euro</b>.</p><table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>"
        b"<script>steal()</script><footer>Imprint</footer></body></html>"
    )
    draft = from_bytes("prices.html", page)
    assert draft.title == "Prices"
    assert "Pots cost **4 euro**." in draft.body
    assert "| 1 | 2 |" in draft.body
    assert not any(word in draft.body for word in ("Menu", "steal", "Imprint", "p{}"))


def test_text_headings_are_found() -> None:
    """Lines in capitals of a plain text become its title and headings."""
    draft = from_bytes("Help Page.txt", b"OUR HELP\n\nHello.\n\n1. THE PRICES\n\nPots cost 4 euro.\n")
    assert (draft.id, draft.title) == ("help-page", "Our help")
    assert split(draft.title, draft.body)[1].heading == "The prices"


@pytest.mark.parametrize(
    ("name", "data", "error"),
    [
        ("a.md", b"caf\xe9 cr\xe8me", Unprocessable),
        ("a.md", b"abc\x00def", Unprocessable),
        ("a.md", b" \n\n", Unprocessable),
        ("a.md", b"---\n***\n", Unprocessable),
        ("a.md", b"word " * (MAX_BYTES // 5 + 10), DocumentTooLarge),
    ],
    ids=["latin-1", "binary", "blank", "marks only", "too large"],
)
def test_unusable_documents_are_refused(name: str, data: bytes, error: type[Exception]) -> None:
    """Refused with advice for the operator."""
    with pytest.raises(error) as caught:
        from_bytes(name, data)
    assert getattr(caught.value, "fix", "")


def test_unknown_ending(tmp_path: Path) -> None:
    """A PDF is refused with the list of what can be read."""
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF")
    with pytest.raises(Unprocessable) as caught:
        read_file(path)
    assert ".html" in caught.value.fix


def test_labels_in_bold_type_are_headings_if_there_are_several() -> None:
    """The label stays in the text, so that a quotation is verbatim; the next heading ends its section."""
    body = (
        "# Families\n\nWelcome.\n\n## Service\n\n**Babysitting.** From 6 pm.\n\nAsk a day before.\n\n"
        "**What you can borrow:**\n\n- baby bath\n\n## Beach\n\n**Careful:** it is deep.\n\nBuoys mark the end."
    )
    assert [(piece.heading, piece.text) for piece in split("Families", body)] == [
        ("", "Welcome."),
        ("Service > Babysitting", "**Babysitting.** From 6 pm.\n\nAsk a day before."),
        ("Service > What you can borrow", "**What you can borrow:**\n\n- baby bath"),
        ("Beach", "**Careful:** it is deep.\n\nBuoys mark the end."),
    ]


@pytest.mark.parametrize(
    ("line", "heading"),
    [
        ("**May I take one of your bikes on the ferry?**", "May I take one of your bikes on the ferry?"),
        ("**Please never leave the key in the door of your room.**", ""),
        ("**Bold*", ""),
        ("**a**b", ""),
    ],
)
def test_a_question_in_bold_type_is_a_heading_and_a_sentence_is_none(line: str, heading: str) -> None:
    assert [piece.heading for piece in split("Guide", f"{line}\n\nYes.")] == [heading]
