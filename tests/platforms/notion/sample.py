"""A workspace of a given size, as a company might have it: trees of pages, some of them inside toggles, and tables."""

from __future__ import annotations

from random import Random

from tests.platforms.notion.workspace import (
    PAGE_LIKE,
    Block,
    Node,
    Workspace,
    bullet,
    heading,
    paragraph,
    table,
    toggle,
)

_ROWS = 0.3
_TABLES = 3


def document_id(page: Node) -> str:
    """The document that Parley makes of the page."""
    return f"notion-{page.id.replace('-', '')}"


def is_leaf(page: Node) -> bool:
    """Whether nothing else is deleted with the page."""
    return not any(each is not page and each.kind in PAGE_LIKE for each in page.tree())


def mark(number: int, edition: int = 1) -> str:
    """A sentence that no other page has, nor any other edition of this one."""
    return f"Article {number:04} edition {edition} is described here."


def blocks(number: int, edition: int = 1) -> list[Block]:
    """A page of a few blocks; every tenth has more, with others inside."""
    simple = [
        heading(2, f"About {number}"),
        paragraph(mark(number, edition)),
        bullet("in stock"),
        bullet("in the shop"),
    ]
    if number % 10:
        return simple
    return [*simple, toggle("Details?", paragraph(f"Weight {number} g.")), table(["size", "price"], ["9 cm", "7 euro"])]


def fill(workspace: Workspace, pages: int, seed: int = 7) -> list[Node]:
    """All pages of the workspace, in the order of their numbers. Two are shared by themselves, the others through
    them."""
    random = Random(seed)
    found = [workspace.page(f"Guide {number}", *blocks(number), share=True) for number in range(2)]
    tables = [workspace.database(f"Table {number}", parent=found[0]) for number in range(_TABLES)]
    for number in range(2, pages):
        if random.random() < _ROWS:
            found.append(workspace.row(random.choice(tables), f"Row {number}", *blocks(number)))
            continue
        parent = random.choice([page for page in found if page.parent is None or page.parent.kind != "data_source"])
        if random.random() < 0.1:
            (parent,) = workspace.write(parent, toggle(f"More below {number}"))
        found.append(workspace.page(f"Page {number}", *blocks(number), parent=parent))
    return found
