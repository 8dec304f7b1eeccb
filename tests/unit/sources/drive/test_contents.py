"""Exports and spreadsheets as Markdown: what Google sends, what people write, and what nobody should."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_worker.sources.drive.contents import clean_markdown, clean_text
from agent_worker.sources.drive.spreadsheets import sheet_contents
from tests.harness.time_growth import assert_in_proportion
from tests.platforms.drive.workspace import sheet

LINK = "https://docs.google.com/spreadsheets/d/1abc/edit?usp=drivesdk"
# Lines of an export by Google Docs, from a document with a table of contents, pictures and lists.
EXPORT = (
    "\ufeff---\n\n"
    "# **Docs to Markdown** {#docs-to-markdown}\n\n"
    "See [docs\\_to\\_markdown](https://shop.example/docs\\_to) \\- it is free\\! Call 1\\-800\\-22\\.\n\n"
    "[Heading IDs](#heading-ids)\n\n"
    "[Numbered lists (ordered)](\\#numbered-lists)\n\n"
    "#\n\n"
    "1\\. is not a list, \\# no heading, \\- no item\n\n"
    "\\- nor this\n\n"
    "A picture ![of a fern][image1] and one without words ![][image2].\n\n"
    "| A | B |\n| :---- | :---- |\n| 1 | 2\\+3 |\n\n"
    "```\na \\- b ![][image1]\n```\n\n"
    "[image1]: <data:image/png;base64,iVBORw0KGgo=>\n\n"
    "[image2]: <data:image/png;base64,AAAA>\n"
)


def test_an_export_loses_pictures_anchors_and_needless_escapes() -> None:
    assert clean_markdown(EXPORT).split("\n") == [
        "# Docs to Markdown",
        "",
        "See [docs_to_markdown](https://shop.example/docs_to) - it is free! Call 1-800-22.",
        "",
        "Heading IDs",
        "",
        "Numbered lists (ordered)",
        "",
        "",
        "",
        "1\\. is not a list, # no heading, - no item",
        "",
        "\\- nor this",
        "",
        "A picture of a fern and one without words .",
        "",
        "| A | B |",
        "| :---- | :---- |",
        "| 1 | 2+3 |",
        "",
        "```",
        "a \\- b ![][image1]",
        "```",
    ]


@given(st.text(alphabet=st.sampled_from("ab \n#*_-\\[](){}!`~<>1.|\x0b\x00\ufeff:data"), max_size=300))
def test_cleaning_any_text_keeps_its_letters(text: str) -> None:
    """Anchors, pictures and headings without text apart, no letter is lost; nothing is added."""
    cleaned = clean_markdown(text)
    assert sum(map(str.isalnum, cleaned)) <= sum(map(str.isalnum, text))
    if not set(text) & set("{}[]!"):
        assert [c for c in cleaned if c.isalnum()] == [c for c in text if c.isalnum()]
    assert not set(cleaned) & set("\x00\x0b")
    assert not cleaned.startswith("---")


@given(
    st.lists(st.sampled_from(["plain words", "# A heading", "- an item", "1. one", "> said", "| a | b |"]), max_size=9)
)
def test_markdown_without_escapes_stays_as_it_is(lines: list[str]) -> None:
    assert clean_markdown("\n".join(lines)) == "\n".join(lines)


@pytest.mark.parametrize(
    "piece",
    [
        "\\-", "![", "![][", "[a](#", "{#", "# {#", "[image1]: <data:", "```\n", "~~~\n", "**", "a_\\_", "\x0b",
        "(", "[", "]", " ", "# ", "- ", "*", "![a](data:x", "\\\\", "---\n", "# **a** ", "\u202e", "\u0301",
    ],
)  # fmt: skip
def test_a_hostile_export_takes_linear_time(piece: str) -> None:
    assert_in_proportion(lambda size: piece * (size // len(piece)), clean_markdown, 60_000)


def test_a_heading_of_spaces_takes_linear_time() -> None:
    assert_in_proportion(lambda size: "# " + " " * size + "x", clean_markdown, 60_000)
    assert_in_proportion(lambda size: "# " + "{#" * size + "}", clean_markdown, 60_000)


def test_text_keeps_its_lines_and_loses_control_characters() -> None:
    assert clean_text("a\r\nb\rc\x0bd\x00\x07\te") == "a\nb\nc\nd\te"


# ── spreadsheets ─────────────────────────────────────────────────────────────────────────────────────────────────────


def bodies(*sheets: dict[str, Any]) -> list[str]:
    return [content.body for content in sheet_contents({"sheets": list(sheets)}, "Prices", LINK)]


def test_each_visible_sheet_is_a_document_that_opens_there() -> None:
    contents = sheet_contents(
        {
            "sheets": [
                sheet(0, "Plants", ("Plant", "Price"), ("Fern", "12 €")),
                sheet(77, "Pots", ("Pot", "Price"), ("Clay", "3 €")),
                sheet(5, "Costs", ("secret", "margin"), hidden=True),
                sheet(6, "Empty"),
                sheet(8, "Chart", sheetType="OBJECT"),
            ]
        },
        "Prices",
        LINK,
    )
    assert [(content.title, content.key, content.url) for content in contents] == [
        ("Prices – Plants", "0", f"{LINK}#gid=0"),
        ("Prices – Pots", "77", f"{LINK}#gid=77"),
    ]
    assert contents[1].body == "# Prices – Pots\n\n| Pot | Price |\n| --- | --- |\n| Clay | 3 € |"


def test_a_single_sheet_is_called_after_its_spreadsheet() -> None:
    assert bodies(sheet(0, "Sheet1", ("a", "b")))[0].startswith("# Prices\n")


def test_titles_above_tables_are_headings_and_empty_rows_separate_tables() -> None:
    body = bodies(
        sheet(
            0, "S",
            ("Shipping",), ("Country", "", "Price"), ("Spain", "", "5 €"), (),
            ("Returns", ""), ("Free within 30 days.",), (),
            ("Note",),
        )
    )[0]  # fmt: skip
    assert body == (
        "# Prices\n\n## Shipping\n\n| Country | Price |\n| --- | --- |\n| Spain | 5 € |\n\n"
        "- Returns\n- Free within 30 days.\n\n## Note"
    )


def test_hidden_rows_and_columns_are_left_out_and_cells_stay_in_their_row() -> None:
    rows = (("Plant", "Cost", "Price"), ("Fern", "2 €", "9 €"), ("Old", "1 €", "1 €"), ("Mo|ss\nand more", "", "7 €"))
    body = bodies(sheet(0, "S", *rows, hidden_rows=(2,), hidden_columns=(1,)))[0]
    assert body.split("\n")[2:] == [
        "| Plant | Price |", "| --- | --- |", "| Fern | 9 € |", "| Mo\\|ss and more | 7 € |",
    ]  # fmt: skip


def test_links_are_kept_and_harmful_ones_are_text() -> None:
    body = bodies(
        sheet(
            0, "S", ("Page", "Kind"), (("Help", "https://shop.example/h"), "a"), (("Bad", "javascript:alert(1)"), "b")
        )
    )[0]
    assert "[Help](https://shop.example/h)" in body
    assert "javascript" not in body


def test_control_characters_of_a_cell_are_dropped() -> None:
    assert bodies(sheet(0, "S", ("a\x00\x07b", "c\x0bd\x7f"))) == ["# Prices\n\n| ab | c d |\n| --- | --- |"]


CELL = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=12)


@given(st.lists(st.lists(CELL, max_size=5).map(tuple), max_size=12))
def test_every_word_of_a_sheet_is_in_its_document(rows: list[tuple[str, ...]]) -> None:
    said = [" ".join(cell.split()).replace("|", "\\|") for row in rows for cell in row]
    body = "\n".join(bodies(sheet(0, "S", *rows)))
    plain = body.replace("\\|", "|")
    assert all(cell.replace("\\|", "|") in plain for cell in said if cell)
    for table in body.split("\n\n"):
        lines = [line.replace("\\|", "") for line in table.split("\n") if line.startswith("| ")]
        if lines and lines[1:2] and set(lines[1]) <= set("| -"):
            assert len({line.count("|") for line in lines if "\\" not in line} or {0}) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["sheets", "properties", "sheetId", "title", "data", "rowData", "values", "formattedValue",
                         "hyperlink", "rowMetadata", "hiddenByUser", "hidden"]), inner, max_size=5,
    ),
    max_leaves=30,
)  # fmt: skip


@settings(max_examples=300)
@given(JSON)
def test_no_answer_of_the_sheets_api_breaks_the_conversion(value: Any) -> None:
    sheets = value if isinstance(value, dict) else {"sheets": value}
    assert all(content.body and content.key for content in sheet_contents(sheets, "N", LINK))
    assert sheet_contents({"sheets": [sheets]}, "N", LINK) is not None
