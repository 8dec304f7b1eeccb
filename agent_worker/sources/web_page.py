"""Pages of websites: like HTML files, but without the menus, banners and footers that only their names give away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from agent_worker.knowledge.text.documents import decode
from agent_worker.knowledge.text.html import declared_charset, html_content
from schemas.errors import MissingDependency
from schemas.ports import Content
from schemas.runtime.optional_dependencies import install_command

WEB_PAGE = "text/html;part=main"
"""The type under which a crawl passes its pages on. A file of HTML keeps everything but its marked frame."""


class WebPage:
    endings: ClassVar[Sequence[str]] = ()
    types: ClassVar[Sequence[str]] = (WEB_PAGE,)
    isolated: ClassVar[bool] = True

    def read(self, name: str, data: bytes) -> Sequence[Content]:
        text = decode(name, data, declared_charset(data))
        content = html_content(name, _drop_frame(name, text))
        # Never lose a page whose names mislead.
        return [content if content.body else html_content(name, text)]


def _drop_frame(name: str, text: str) -> str:
    """The page without the elements whose classes and ids trafilatura knows as a site's frame. Its extraction of the
    main text is not used, because it drops headings and flattens tables of short pages."""
    try:
        from lxml.html import tostring
        from trafilatura import load_html
        from trafilatura.htmlprocessing import prune_unwanted_nodes
        from trafilatura.xpaths import OVERALL_DISCARD_XPATH
    except ImportError as error:
        raise MissingDependency(
            f"{name}: no library that reads web pages is installed", fix=install_command("documents")
        ) from error
    tree = load_html(text)
    if tree is None:
        return text
    pruned = prune_unwanted_nodes(tree, OVERALL_DISCARD_XPATH, with_backup=True)
    return str(tostring(pruned, encoding="unicode"))
