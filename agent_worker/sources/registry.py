"""Sources and formats by entry point. The built-in ones are listed here in the form of entry points."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from schemas.errors import InvalidRequest, MissingDependency, Unprocessable
from schemas.ports import Format, Source
from schemas.ports.sources import FORMATS, SOURCES

_SYNC_MINUTES = 60.0
_BUILT_IN = {
    FORMATS: {
        "markdown": "agent_worker.sources.text_files:Markdown",
        "text": "agent_worker.sources.text_files:PlainText",
        "html": "agent_worker.sources.text_files:Html",
        "web_page": "agent_worker.sources.web_page:WebPage",
        "csv": "agent_worker.sources.csv_tables:CsvTable",
        "pdf": "agent_worker.sources.pdf:Pdf",
        "docx": "agent_worker.sources.word:Word",
        "vtt": "agent_worker.sources.captions:WebVtt",
        "srt": "agent_worker.sources.captions:SubRip",
    },
    # Asked in this order, after installed sources: whatever is not a URL is a path.
    SOURCES: {
        "notion": "agent_worker.sources.notion.source:Notion",
        "drive": "agent_worker.sources.drive.source:GoogleDrive",
        "youtube": "agent_worker.sources.youtube.source:YouTube",
        "zendesk": "agent_worker.sources.zendesk.source:Zendesk",
        "feed": "agent_worker.sources.feed.source:Feed",
        "website": "agent_worker.sources.website.source:Website",
        "files": "agent_worker.sources.files:Files",
    },
}


@lru_cache
def find_plugins(group: str) -> dict[str, EntryPoint]:
    """An installed plug-in replaces a built-in one with the same name. Kept, because looking for installed ones reads
    the metadata of every package."""
    installed = {entry.name: entry for entry in entry_points(group=group)}
    ours = {name: EntryPoint(name, value, group) for name, value in _BUILT_IN[group].items()}
    return installed | {name: entry for name, entry in ours.items() if name not in installed}


def _instantiate(entry: EntryPoint) -> Any:
    try:
        return entry.load()()
    except Exception as error:  # third-party code
        raise MissingDependency(
            f"{entry.group}: {entry.name} cannot be loaded ({type(error).__name__}: {error})",
            fix="repair or remove the package that provides it",
        ) from error


@lru_cache(maxsize=1)
def formats() -> dict[str, Format]:
    return {name: _instantiate(entry) for name, entry in find_plugins(FORMATS).items()}


def file_endings() -> list[str]:
    return [ending for each in formats().values() for ending in each.endings]


def format_of(name: str, type: str = "") -> tuple[str, Format]:
    """The format for the media type, or else for the name's extension. Raises Unprocessable."""
    ending = "." + name.rpartition(".")[2].lower() if "." in name else ""
    for known, each in formats().items():
        if type in each.types if type else ending in each.endings:
            return known, each
    raise Unprocessable(
        f"{name}: {f'{type} is' if type else f'files ending in {ending or chr(39) * 2} are'} not read",
        fix=f"convert it to one of: {', '.join(file_endings())}",
    )


def source_of(location: str) -> Source:
    """Raises InvalidRequest when no source accepts the location."""
    for source in _sources():
        if source.takes(location):
            return source
    raise InvalidRequest(f"{location}: no source can read this", fix=_suggest(location))


def _suggest(location: str) -> str:
    known = list(find_plugins(SOURCES))
    if similar := get_close_matches(location.partition(":")[0].lower(), known, n=1):
        return f"did you mean a location of the source {similar[0]!r}? docs/documents.md shows how they are written"
    return f"name a file, a folder or an address, or install its source: there are {', '.join(known)}"


def sync_minutes_of(location: str) -> float:
    """How often such a location is synced, unless the configuration says otherwise; 0: only when asked."""
    return float(getattr(source_of(location), "sync_minutes", _SYNC_MINUTES))


def controls_access(location: str) -> bool:
    """Return whether content at the location can be taken back from us, by a permission."""
    return bool(getattr(source_of(location), "controls_access", True))


def load_sources() -> None:
    """Import all sources, which takes a tenth of a second. One that cannot be loaded is reported when it is used."""
    with suppress(MissingDependency):
        for _ in _sources():
            pass


def _sources() -> Iterator[Source]:
    for entry in find_plugins(SOURCES).values():
        source: Source = _instantiate(entry)
        yield source
