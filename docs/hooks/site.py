"""Adds to the site of mkdocs what does not stand in ``docs``: generated references, and pages from elsewhere.

Pages link to each other as on a code host, by their paths in the repository. A link to the file that a reference is
made from leads to that reference; a link to any other file without a page becomes plain text.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from docs.hooks import commands, errors, http, metrics, settings, topics
from docs.hooks.dialect import translate

ROOT = Path(__file__).parents[2]
REFERENCES = {
    "settings": (settings.build, "gateway/config/settings.py"),
    "commands": (commands.build, "gateway/cli.py"),
    "http": (http.build, "gateway/http/openapi.py"),
    "topics": (topics.build, "schemas/topics.py"),
    "errors": (errors.build, "schemas/errors.py"),
    "metrics": (metrics.build, "infra/metrics.py"),
}
"""Page below ``reference/`` → what writes it, and the file that it is made from."""
COPIED = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "connectors/**/README.md",
    "examples/*/README.md",
    "connectors/slack/manifest.yaml",
)
"""Pages, and files to copy from, that stand elsewhere in the repository."""
ALONE = ("index.md", "tutorial.md")
"""Pages that need no list of the pages beside them."""
ALIASES = {"README.md": "index.md", "docs/adr": "adr/README.md"}


def pages() -> dict[str, str]:
    """Path in the repository → path on the site, of every page that is not in ``docs``."""
    copied = {str(path.relative_to(ROOT)): path for pattern in COPIED for path in sorted(ROOT.glob(pattern))}
    references = {source: f"reference/{name}.md" for name, (_, source) in REFERENCES.items()}
    return {path: f"repository/{path}" for path in copied} | references


def on_config(config: Any) -> Any:
    """Event of mkdocs: list the channels' pages, and the decisions, of which there are new ones all the time."""
    parts = {name: pages for part in config.nav for name, pages in part.items()}
    channels = next(part["Channels"] for part in parts["Reference"] if "Channels" in part)
    channels.extend(
        page for page in pages().values() if page.startswith("repository/connectors/") and page.endswith(".md")
    )
    records = [f"adr/{path.name}" for path in sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))]
    parts["Explanation"].append({"Decisions": ["adr/README.md", *records]})
    return config


def on_files(files: Files, config: Any) -> Files:
    """Event of mkdocs."""
    for name, (build, _) in REFERENCES.items():
        files.append(File.generated(config, f"reference/{name}.md", content=build()))
    for source, target in pages().items():
        if not target.startswith("reference/"):
            files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Event of mkdocs."""
    uri = page.file.src_uri
    if uri in ALONE:
        page.meta["hide"] = ["navigation"]
    known = pages() | ALIASES
    origin = next((source for source, target in known.items() if target == uri and target != "index.md"), f"docs/{uri}")
    folder = "docs/reference" if uri.startswith("reference/") else posixpath.dirname(origin)

    def find_page(path: str) -> str | None:
        target = known.get(path) or path.removeprefix("docs/")
        if files.get_file_from_path(target) is not None and (path in known or path.startswith("docs/")):
            return posixpath.relpath(target, posixpath.dirname(uri) or ".")
        return "" if (ROOT / path).exists() else None

    return translate(markdown, folder, find_page)


def on_serve(server: Any, **_: Any) -> Any:
    """Event of mkdocs: build again when a page outside ``docs`` changes."""
    for path in _watched():
        server.watch(str(path))
    return server


def _watched() -> Iterator[Path]:
    return (ROOT / path for path, target in pages().items() if not target.startswith("reference/"))
