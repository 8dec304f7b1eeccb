"""Turns Markdown as code hosts read it into Markdown as the site reads it: links, nested lists and fences."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Callable, Iterator

_FENCE = re.compile(r"(\s*)(`{3,})(\w*)[ ]*(.*)")
_ITEM = re.compile(r"(\s*)([-*]|\d+\.)(\s+)\S")
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_CODE_LIKE_HTML = re.compile(r"`([^`]*<![^`]*)`")
_EXTERNAL = re.compile(r"[a-z][a-z0-9+.-]*:|#")


def translate(text: str, folder: str, find_page: Callable[[str], str | None]) -> str:
    """``folder``: of the file in the repository. ``find_page`` maps a path in the repository to a link on the site, ""
    for a file that is not on the site, None if there is no such file."""
    return "\n".join(_links(_fences(_lists(text.splitlines())), folder, find_page)) + "\n"


def _lists(lines: list[str]) -> Iterator[str]:
    """The site wants four spaces for each level of a list, and an empty line before it."""
    widths: list[int] = []
    previous = ""
    fenced = False
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if not line.strip():
            yield ""
            previous = ""
            continue
        while widths and not fenced and indent < widths[-1]:
            widths.pop()
        item = None if fenced else _ITEM.match(line)
        if item and not widths and previous and not previous.startswith("\0"):
            yield ""
        rest = line[min(indent, widths[-1] if widths else 0) :]
        yield "    " * len(widths) + rest
        if item:
            widths.append(item.end(3))
        if _FENCE.match(line):
            fenced = not fenced
        previous = "\0" if widths else line


def _fences(lines: Iterator[str]) -> Iterator[str]:
    """What stands behind the language of a fence is its title."""
    inside = False
    for line in lines:
        fence = _FENCE.fullmatch(line)
        if fence and not inside and fence[4]:
            yield f'{fence[1]}{fence[2]}{fence[3]} title="{fence[4]}"'
        else:
            yield line
        inside ^= fence is not None


def _links(lines: Iterator[str], folder: str, find_page: Callable[[str], str | None]) -> Iterator[str]:
    def replace(match: re.Match[str]) -> str:
        text, target = match.groups()
        if _EXTERNAL.match(target):
            return match[0]
        path, hash_sign, anchor = target.partition("#")
        page = find_page(posixpath.normpath(posixpath.join(folder, path)))
        if page is None:
            return match[0]
        return f"[{text}]({page}{hash_sign}{anchor})" if page else text

    inside = False
    for line in lines:
        inside ^= _FENCE.match(line) is not None
        yield line if inside else _CODE_LIKE_HTML.sub(_as_html, _LINK.sub(replace, line))


def _as_html(match: re.Match[str]) -> str:
    """Code that the site's parser of HTML would take for a declaration."""
    return f"<code>{html.escape(match[1])}</code>"
