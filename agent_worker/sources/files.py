"""The source for files and folders."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import ClassVar

from agent_worker.knowledge.text.documents import check_size, document_id
from agent_worker.sources.registry import file_endings
from schemas.errors import ParleyError, SetupError
from schemas.ports import Content, IncompleteListing, ReadDocument, SkippedDocument, SyncRequest, UnchangedDocument

_BETWEEN_RESTS, _REST_S = 50, 0.0005
"""Files after which a listing lets other threads work, and seconds for which it does."""
_CHECK = "check the path; in the configuration, `knowledge: {paths: …}`"


class Files:
    sync_minutes: ClassVar[float] = 0
    controls_access: ClassVar[bool] = False

    def takes(self, location: str) -> bool:
        return "://" not in location

    async def read(
        self, visit: SyncRequest
    ) -> AsyncIterator[ReadDocument | UnchangedDocument | SkippedDocument | IncompleteListing]:
        for path in await asyncio.to_thread(files_at, Path(visit.location)):
            id = document_id(path.name)
            try:
                data = await asyncio.to_thread(_bytes, path)
                contents = await visit.convert(path.name, data, "")
            except ParleyError as error:
                yield SkippedDocument.of(str(path), error, id)
                continue
            except OSError as error:
                yield SkippedDocument(str(path), str(error.strerror), id)
                continue
            for document in documents_of(id, str(path), contents):
                yield document


def documents_of(id: str, name: str, contents: Sequence[Content]) -> list[ReadDocument]:
    """Several contents of one file are distinguished by their keys."""
    named = ((f"{id}-{content.key}" if content.key else id, content) for content in contents)
    return [ReadDocument(each[-200:].lstrip("-"), name, content) for each, content in named]


def files_at(path: Path) -> list[Path]:
    """Every readable file, in folders recursively. Raises SetupError for a missing path."""
    if not path.exists():
        raise SetupError(f"{path} does not exist", fix=_CHECK)
    if not path.is_dir():
        return [path.resolve()]
    known = tuple(file_endings())
    found: set[str] = set()
    # Plain strings take a third of the time that paths take, and hold up questions for as much less.
    for folder, _, names in os.walk(os.path.realpath(path)):
        for number, name in enumerate(names):
            if number % _BETWEEN_RESTS == 0:
                time.sleep(_REST_S)
            file = os.path.join(folder, name)
            if name.lower().endswith(known) and not name.startswith(".") and os.path.isfile(file):
                found.add(os.path.realpath(file) if os.path.islink(file) else file)
    return [Path(file) for file in sorted(found, key=lambda file: file.split(os.sep))]


def _bytes(path: Path) -> bytes:
    check_size(path.name, path.stat().st_size)
    return path.read_bytes()
