"""Any tree of blocks becomes markdown that holds its texts, adds no structure of its own, and costs no more than it
is long."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent_worker.knowledge.text.blocks import blocks_of
from agent_worker.knowledge.text.documents import check_body
from agent_worker.sources.notion.markdown_writer import MarkdownWriter
from agent_worker.sources.notion.objects import Block as ReadBlock
from agent_worker.sources.notion.objects import parse
from schemas.errors import DocumentTooLarge
from tests.harness.sizes import size
from tests.platforms.notion.sample import document_id
from tests.platforms.notion.server import NotionServer
from tests.platforms.notion.workspace import Block, Json, Workspace, bullet, paragraph, rich, synced, toggle
from tests.unit.sources.notion.conftest import SourceReader

ID = "11111111-1111-4111-8111-111111111111"
_TEXTS = (
    "paragraph",
    "heading_1",
    "heading_2",
    "heading_3",
    "bulleted_list_item",
    "numbered_list_item",
    "to_do",
    "toggle",
    "quote",
    "callout",
    "novelty",
)
_CONTAINERS = ("column_list", "column", "synced_block", "tab")
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_WORD = re.compile(r"\w+")

texts = st.text(
    st.one_of(
        st.characters(exclude_categories=()),
        st.sampled_from("#*_`[]()|>-+~$\\1. \n\t\u202e\x00"),
    ),
    max_size=40,
)
looks = st.fixed_dictionaries({}, optional=dict.fromkeys(("bold", "italic", "strikethrough", "code"), st.booleans()))
links = st.none() | st.sampled_from(["https://shop.example/a_(b)", "/0a1b", "javascript:x", "http://[", " "])
runs = st.builds(lambda text, href, look: rich(text, href, **look), texts, links, looks)
rich_texts = st.lists(runs, max_size=4)
text_blocks = st.builds(
    lambda type, text, checked: Block(type, {"rich_text": text, "checked": checked}),
    st.sampled_from(_TEXTS),
    rich_texts,
    st.booleans(),
)
other_blocks = st.one_of(
    st.builds(lambda type: Block(type, {}), st.sampled_from(_CONTAINERS)),
    st.builds(lambda cells: Block("table_row", {"cells": cells}), st.lists(rich_texts, max_size=3)),
    st.builds(lambda header: Block("table", {"has_column_header": header}), st.booleans()),
    st.builds(lambda text, name: Block("code", {"rich_text": text, "language": name}), rich_texts, texts),
    st.builds(lambda text: Block("equation", {"expression": text}), texts),
    st.builds(lambda text: Block("child_page", {"title": text}), texts),
    st.builds(lambda text, url: Block("bookmark", {"url": url, "caption": text}), rich_texts, texts),
)
trees = st.recursive(
    text_blocks | other_blocks,
    lambda inner: st.builds(
        lambda block, children: Block(block.type, block.content, children),
        text_blocks | other_blocks,
        st.lists(inner, max_size=4),
    ),
    max_leaves=25,
)


def encode(block: Block) -> Json:
    return {"id": ID, "type": block.type, "has_children": bool(block.children), block.type: block.content}


def write(blocks: Sequence[Block], max_size: int = 10**9) -> str:
    writer = MarkdownWriter("Title", "", {}, max_size)
    waiting: list[Iterator[Block]] = [iter(blocks)]
    while waiting:
        block = next(waiting[-1], None)
        if block is None:
            waiting.pop()
            if waiting:
                writer.close()
        elif writer.open(parse(ReadBlock, encode(block))):
            waiting.append(iter(block.children))
    return writer.text


@settings(max_examples=size(75, full=300), deadline=None)
@example([Block("bookmark", {"url": "/\x1b", "caption": []})])
@given(st.lists(trees, max_size=5))
def test_any_tree_becomes_a_clean_document(blocks: list[Block]) -> None:
    body = write(blocks)
    assert not _UNSEEN.search(body)
    check_body("page", body)
    assert body.encode().decode() == body


@settings(max_examples=size(75, full=300), deadline=None)
@given(st.lists(st.builds(lambda text: Block("paragraph", {"rich_text": text}), rich_texts), max_size=4))
def test_text_never_becomes_structure_and_is_never_lost(blocks: list[Block]) -> None:
    """Whatever it looks like: as the splitter of documents reads it, paragraphs stay paragraphs."""
    body = write(blocks)
    assert {each.kind for each in blocks_of(body)[1:]} <= {"text"}
    said = [word for block in blocks for run in block.content["rich_text"] for word in _words(run["plain_text"])]
    assert _is_subsequence(said, list(body))


@settings(max_examples=size(50, full=200), deadline=None)
@given(st.lists(trees, max_size=5))
def test_headings_are_those_of_the_page(blocks: list[Block]) -> None:
    titles = {"Title"}
    waiting = list(blocks)
    while waiting:
        block = waiting.pop()
        waiting += block.children
        if block.type.startswith("heading") or block.type == "toggle":
            titles.add(_squeeze("".join(run["plain_text"] for run in block.content["rich_text"])))
    found = {_squeeze(each.title) for each in blocks_of(write(blocks)) if each.kind == "heading"}
    assert found <= titles


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(rich_texts, min_size=2, max_size=2), min_size=1, max_size=4), st.booleans())
def test_a_table_has_as_many_columns_in_each_row(rows: list[list[list[Json]]], header: bool) -> None:
    cells = [Block("table_row", {"cells": row}) for row in rows]
    body = write([Block("table", {"has_column_header": header}, cells)])
    lines = body.split("\n")[2:]
    assert len(lines) == len(rows) + (1 if header else 2)
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines} == {3}


def _words(text: str) -> str:
    return "".join(_WORD.findall(_UNSEEN.sub("", text)))


def _is_subsequence(wanted: Sequence[str], found: Sequence[str]) -> bool:
    rest = iter(found)
    return all(each in rest for each in wanted)


def _squeeze(text: str) -> str:
    return "".join(_words(text))


# ── hostile pages ────────────────────────────────────────────────────────────────────────────────────────────────────


def nest(type: str, depth: int) -> Block:
    block = Block(type, {"rich_text": [rich("x")]})
    for _ in range(depth):
        block = Block(type, {"rich_text": [rich("x")]}, [block])
    return block


@pytest.mark.parametrize("type", ["bulleted_list_item", "toggle", "quote", "paragraph", "heading_1", "synced_block"])
def test_deep_trees_cost_no_more_for_each_level(type: str) -> None:
    """Prefixes and headings stop growing."""
    shallow, deep = (len(write([nest(type, depth)])) for depth in (1_000, 4_000))
    assert deep <= 5 * shallow


def test_a_page_without_end_is_given_up_at_its_limit() -> None:
    writer = MarkdownWriter("Title", "", {}, 100_000)
    block = parse(ReadBlock, encode(paragraph("word " * 100)))
    for _ in range(198):
        writer.open(block)
    with pytest.raises(DocumentTooLarge):
        any(writer.open(block) for _ in range(5))


async def test_synced_blocks_that_double_at_each_level_are_given_up(
    notion: NotionServer, workspace: Workspace, sync: SourceReader
) -> None:
    page = workspace.page("Bomb", share=True)
    (inner,) = workspace.write(page, synced(paragraph("x")))
    for _ in range(40):
        (inner,) = workspace.write(page, synced(synced(copy_of=inner), synced(copy_of=inner)))
    result = await sync()
    assert [each.id for each in result.skipped] == [document_id(page)]
    assert "2,000 blocks" in result.skipped[0].why
    assert notion.total < 2_010
    assert (await sync()).skipped[0].why == result.skipped[0].why


async def test_pages_that_contain_each_other_are_read_once(workspace: Workspace, sync: SourceReader) -> None:
    first = workspace.page("First", paragraph("One."), share=True)
    second = workspace.page("Second", toggle("Inside", bullet("Two.")), parent=first)
    second.children.append(first)
    first.parent = second
    assert (await sync()).titles == ["First", "Second"]
    below = SourceReader(sync.server, f"notion://{second.id}")
    assert (await below()).titles == ["First", "Second"]
