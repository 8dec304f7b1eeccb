"""What a crawl remembers of pages until the next one, so that a page that did not change is not sent again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from yarl import URL

from schemas.ports import Content


class Note(BaseModel):
    """``ids``: the documents that the page became; ``digest`` is of what it said."""

    model_config = ConfigDict(frozen=True)

    etag: str = ""
    modified: str = ""
    links: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    digest: str = ""

    @classmethod
    def of(cls, headers: Mapping[str, str], links: Sequence[str], ids: Sequence[str], digest: str) -> Note:
        etag, modified = headers.get("ETag", "")[:500], headers.get("Last-Modified", "")[:100]
        return cls(etag=etag, modified=modified, links=tuple(links), ids=tuple(ids), digest=digest)


def digest_of(contents: Sequence[Content]) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(f"{content.title}\0{content.body}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class Notes:
    """Over ``memory``, changed in place. Only pages whose documents are all ``unchanged`` are asked for on condition:
    what somebody else edited or removed has to come again."""

    def __init__(self, memory: MutableMapping[str, Any], unchanged: Collection[str]) -> None:
        self._pages: dict[str, Any] = memory.setdefault("pages", {})
        self._unchanged = unchanged
        self._met: set[str] = set()

    def of(self, url: URL) -> Note | None:
        try:
            note = Note.model_validate(self._pages[str(url)])
        except (KeyError, ValidationError):
            return None
        return note if note.ids and all(id in self._unchanged for id in note.ids) else None

    def conditions(self, url: URL) -> dict[str, str]:
        note = self.of(url)
        if note is None:
            return {}
        said = {"If-None-Match": note.etag, "If-Modified-Since": "" if note.etag else note.modified}
        return {name: value for name, value in said.items() if value}

    def keep(self, url: URL) -> None:
        self._met.add(str(url))

    def put(self, url: URL, note: Note) -> None:
        self._met.add(str(url))
        self._pages[str(url)] = note.model_dump(mode="json")

    def forget_others(self) -> None:
        """After a whole crawl: what was not met is not there any more."""
        for url in self._pages.keys() - self._met:
            del self._pages[url]
