"""The code blocks of every page of the site that people write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from docs.hooks.site import pages
from tests.harness.processes import ROOT

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<kind>\w*) ?(?P<about>[^`\n]*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """``kind`` and ``about`` stand behind the fence: a language, and the file that it is or what it shows. ``line`` is
    that of the fence."""

    kind: str
    about: str
    text: str
    page: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.page}:{self.line} {self.kind} {self.about}".rstrip()


def list_pages() -> list[str]:
    """Paths in the repository. References are left out, because they are generated."""
    written = [str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))]
    elsewhere = [path for path, target in pages().items() if path.endswith(".md") and "reference/" not in target]
    return ["README.md", *written, *elsewhere]


def list_blocks(page: str) -> list[Block]:
    return parse_blocks((ROOT / page).read_text(encoding="utf-8"), page)


def parse_blocks(text: str, page: str = "") -> list[Block]:
    """A fence that is not closed is an AssertionError."""
    found: list[Block] = []
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        if opened := _FENCE.match(line):
            inside: list[str] = []
            for _, each in lines:
                if each.strip() == opened["fence"]:
                    break
                inside.append(each.removeprefix(opened["indent"]))
            else:
                raise AssertionError(f"{page}:{number}: the block does not end")
            body = "".join(f"{each}\n" for each in inside)
            found.append(Block(opened["kind"], opened["about"].strip(), body, page, number))
    return found


def list_sources(page: str, kind: str) -> list[str]:
    """The texts of a page's blocks of one kind."""
    return [block.text for block in list_blocks(page) if block.kind == kind]


def page_path(path: Path) -> str:
    return str(path.relative_to(ROOT))
