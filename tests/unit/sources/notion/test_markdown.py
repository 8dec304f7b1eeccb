"""Blocks of pages as markdown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.platforms.notion.server import NotionServer
from tests.platforms.notion.workspace import (
    Block,
    Json,
    Workspace,
    bullet,
    heading,
    paragraph,
    rich,
    synced,
    table,
    text_block,
    toggle,
)
from tests.unit.sources.notion.conftest import SourceReader

Read = Callable[..., Awaitable[str]]
URL = "https://shop.example/moss"


@pytest.fixture
def read(workspace: Workspace, sync: SourceReader) -> Read:
    async def body(*blocks: Block) -> str:
        page = workspace.page("Page", *blocks, share=True)
        await sync()
        return sync.body(page).removeprefix("# Page\n\n")

    return body


def number(text: str, *children: Block) -> Block:
    return text_block("numbered_list_item", text, *children)


def column(*blocks: Block) -> Block:
    return Block("column", {}, blocks)


EXTERNAL = {"type": "external", "external": {"url": URL}}
HOSTED = {
    "type": "file",
    "file": {"url": "https://s3.example/secret?signature=1", "expiry_time": "2026-03-02T10:00:00Z"},
}
CASES: dict[str, tuple[list[Block], str]] = {
    "headings stand below the title": (
        [heading(1, "One"), heading(2, "Two"), heading(3, "Three"), paragraph("Text.")],
        "## One\n\n### Two\n\n#### Three\n\nText.",
    ),
    "lists nest and are numbered": (
        [bullet("a", bullet("b", number("c"), number("d"))), bullet("e"), number("f"), number("g", paragraph("h"))],
        "- a\n  - b\n    1. c\n    2. d\n- e\n1. f\n2. g\n   h",
    ),
    "a number list may begin anywhere": (
        [text_block("numbered_list_item", "x", list_start_index=4), number("y"), paragraph("-"), number("z")],
        "4. x\n5. y\n\n-\n\n1. z",
    ),
    "to-dos have boxes": (
        [text_block("to_do", "watered", checked=True), text_block("to_do", "fed", checked=False)],
        "- [x] watered\n- [ ] fed",
    ),
    "a toggle is a section, and what follows it belongs to the one around it": (
        [
            heading(1, "Shipping"),
            toggle("How long?", paragraph("Two days."), toggle("By air?", paragraph("One."))),
            toggle("How much?", paragraph("12 euro.")),
            paragraph("We ship every day."),
            heading(1, "Returns"),
        ],
        "## Shipping\n\n### How long?\n\nTwo days.\n\n#### By air?\n\nOne.\n\n### How much?\n\n12 euro.\n\n"
        "## Shipping\n\nWe ship every day.\n\n## Returns",
    ),
    "so is a heading that opens": (
        [heading(2, "Closed", paragraph("Inside."), heading(1, "Deeper")), paragraph("Outside.")],
        "### Closed\n\nInside.\n\n#### Deeper\n\n# Page\n\nOutside.",
    ),
    "a toggle in a list is an item": (
        [bullet("a", toggle("b", paragraph("c"))), toggle("empty")],
        "- a\n  - b\n    c\n\nempty",
    ),
    "quotes and callouts": (
        [
            text_block("quote", "Said\ntwice"),
            text_block("callout", "Careful", paragraph("hot"), bullet("a"), bullet("b"), icon={"emoji": "💡"}),
            text_block("callout", "", paragraph("bare"), icon=None),
        ],
        "> Said\n> twice\n\n> 💡 Careful\n>\n> hot\n>\n> - a\n> - b\n\nbare",
    ),
    "code keeps its fences inside": (
        [text_block("code", "```\nx", language="plain text", caption=[rich("Listing")])],
        "````plain\n```\nx\n````\n\nListing",
    ),
    "equations": (
        [Block("equation", {"expression": "e=mc^2"}), Block("equation", {"expression": " "})],
        "$$e=mc^2$$",
    ),
    "a table with a header": (
        [table(["plant", "a|b"], ["moss", ""])],
        "| plant | a\\|b |\n| --- | --- |\n| moss |  |",
    ),
    "a table without one": (
        [table(["k", "v"], ["1", "2"], header=False), paragraph("after")],
        "|  |  |\n| --- | --- |\n| k | v |\n| 1 | 2 |\n\nafter",
    ),
    "columns one after another": (
        [Block("column_list", {}, [column(heading(1, "L"), paragraph("left")), column(paragraph("right"))])],
        "## L\n\nleft\n\nright",
    ),
    "a synced block shows what is in it": ([synced(paragraph("shared"), bullet("a"))], "shared\n\n- a"),
    "links to media elsewhere, and only names of files that Notion keeps": (
        [
            Block("bookmark", {"url": "https://e.example/(x)", "caption": []}),
            Block("image", {**EXTERNAL, "caption": [rich("Moss [green]")]}),
            Block("pdf", {**HOSTED, "caption": []}),
            Block("file", {**HOSTED, "caption": [], "name": "Prices [2026].pdf"}),
            Block("embed", {"url": "javascript:alert(1)", "caption": []}),
        ],
        "[https://e.example/%28x%29](https://e.example/%28x%29)\n\n[Moss [green]](https://shop.example/moss)\n\n"
        "Prices (2026).pdf",
    ),
    "what says nothing is left out": (
        [
            paragraph(""),
            Block("divider"),
            Block("breadcrumb"),
            Block("table_of_contents", {"color": "default"}),
            Block("unsupported", {"block_type": "form"}, [paragraph("hidden")]),
            text_block("template", "New entry", paragraph("hidden")),
            paragraph("text"),
        ],
        "text",
    ),
    "types that are not known yet keep their text": (
        [text_block("novelty", "new", paragraph("inside"))],
        "new\n\ninside",
    ),
    "text that looks like markdown stays text": (
        [paragraph("# a\n1. b\n- c\n> d\n| e\n---\n*f*_g_`h`[i](j)\\")],
        "\\# a\n1\\. b\n\\- c\n\\> d\n\\| e\n\\---\n\\*f\\*\\_g\\_\\`h\\`[i]\\(j)\\\\",
    ),
}


@pytest.mark.parametrize(("blocks", "expected"), CASES.values(), ids=list(CASES))
async def test_blocks(read: Read, blocks: list[Block], expected: str) -> None:
    assert await read(*blocks) == expected


def mention(type: str, text: str, href: str | None = None, **value: object) -> Json:
    return {**rich(text, href), "type": "mention", "mention": {"type": type, type: value}}


EQUATION = {**rich("x"), "type": "equation", "equation": {"expression": "x"}}
LOOKS: dict[str, tuple[list[Json], str]] = {
    "looks": (
        [rich("a", bold=True), rich(" b", italic=True), rich(" c ", strikethrough=True), rich("d`e", code=True)],
        "**a** *b* ~~c~~ ``d`e``",
    ),
    "together": ([rich("a", bold=True, italic=True)], "***a***"),
    "runs of one look": ([rich("a", bold=True), rich("b", bold=True), rich("c")], "**ab**c"),
    "line by line": ([rich("a\n b ", bold=True)], "**a**\n**b**"),
    "links": ([rich("moss", URL), rich("!", URL, bold=True)], f"[moss]({URL})[**!**]({URL})"),
    "links between pages": ([rich("x", "/0a1b?pvs=4")], "[x](https://www.notion.so/0a1b?pvs=4)"),
    "no other schemes": ([rich("x", "javascript:alert(1)"), rich("y", "data:text/html,z")], "xy"),
    "mail": ([rich("x", "mailto:a@shop.example")], "[x](mailto:a@shop.example)"),
    "equations": ([rich("a "), EQUATION], "a $x$"),
    "mentions": (
        [mention("page", "Returns", "https://www.notion.so/1", id="1"), rich(", "), mention("date", "2026-03-02")],
        "[Returns](https://www.notion.so/1), 2026-03-02",
    ),
    "invisible characters": ([rich("a\u202eb\x00c\ud800d\ufeff\r\ne")], "abc\ufffdd\ne"),
}


@pytest.mark.parametrize(("texts", "expected"), LOOKS.values(), ids=list(LOOKS))
async def test_rich_text(read: Read, texts: list[Json], expected: str) -> None:
    assert await read(Block("paragraph", {"rich_text": texts})) == expected


async def test_nested_pages_are_links_and_documents_of_their_own(
    notion: NotionServer, workspace: Workspace, sync: SourceReader
) -> None:
    """Pages without a text are none, but what is below them is read."""
    shelf = workspace.page("Shelf [1]", share=True)
    (spot,) = workspace.write(shelf, toggle("Inside"))
    returns = workspace.page("Returns [new]", paragraph("30 days."), parent=spot)
    prices = workspace.database("Prices", parent=spot)
    workspace.row(prices, "Moss", properties={"Price": number_property(7)})
    link = Block("link_to_page", {"type": "page_id", "page_id": returns.id})
    unknown = Block("link_to_page", {"type": "page_id", "page_id": "11111111-1111-4111-8111-111111111111"})
    workspace.page("Links", paragraph("See:"), link, unknown, share=True)
    await sync()
    assert sync.titles == ["Links", "Moss", "Returns [new]"]
    address = f"https://www.notion.so/{returns.id.replace('-', '')}"
    assert sync.holds(f"See:\n\n- [Returns (new)]({address})")


def number_property(value: float | None) -> Json:
    return {"id": "n", "type": "number", "number": value}


def formula(**value: object) -> Json:
    return {"id": "f", "type": "formula", "formula": value}


async def test_properties_of_rows_are_a_list(workspace: Workspace, sync: SourceReader) -> None:
    plants = workspace.database("Plants", share=True)
    sibling = workspace.row(plants, "Sundew", paragraph("Small."))
    properties: dict[str, Json] = {
        "Price": number_property(24.5),
        "In stock": {"type": "checkbox", "checkbox": True},
        "Light": {"type": "select", "select": {"id": "a", "name": "full *sun*", "color": "red"}},
        "Status": {"type": "status", "status": None},
        "Tags": {"type": "multi_select", "multi_select": [{"name": "rare"}, {"name": "red"}]},
        "Since": {"type": "date", "date": {"start": "2026-03-01", "end": "2026-04-01", "time_zone": None}},
        "Notes": {"type": "rich_text", "rich_text": [rich("Keep "), rich("wet", bold=True), rich("\nalways")]},
        "Page": {"type": "url", "url": URL},
        "Mail": {"type": "email", "email": "a@shop.example"},
        "Number": {"type": "unique_id", "unique_id": {"prefix": "NEP", "number": 7}},
        "Gross": formula(type="number", number=29),
        "Sold": formula(type="boolean", boolean=False),
        "Sum": {"type": "rollup", "rollup": {"type": "array", "array": [number_property(1), number_property(2)]}},
        "Related": {"type": "relation", "relation": [{"id": sibling.id}, {"id": plants.id}], "has_more": False},
        "Keeper": {"type": "people", "people": [{"object": "user", "id": plants.id, "name": "Anna"}]},
        "Edited": {"type": "last_edited_time", "last_edited_time": "2026-03-02T09:00:00.000Z"},
        "Margin": number_property(3),
    }
    row = workspace.row(plants, "Alata", paragraph("A pitcher plant."), properties=properties)
    sync.options["hidden_properties"] = ["Margin"]
    await sync()
    assert sync.body(row) == (
        "# Alata\n\n- **Gross:** 29\n- **In stock:** Yes\n- **Light:** full \\*sun\\*\n- **Mail:** a@shop.example\n"
        f"- **Notes:** Keep **wet** always\n- **Number:** NEP-7\n- **Page:** [{URL}]({URL})\n- **Price:** 24.5\n"
        "- **Related:** Sundew\n- **Since:** 2026-03-01 – 2026-04-01\n- **Sold:** No\n- **Sum:** 1, 2\n"
        "- **Tags:** rare, red\n\nA pitcher plant."
    )
