"""Memory of a crawl's pages for the next crawl, so that unchanged pages are not sent again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from yarl import URL

from schemas.ports import Content


class PageRecord(BaseModel):
    """``ids``: the documents made of the page; ``digest``: of its contents."""

    model_config = ConfigDict(frozen=True)

    etag: str = ""
    modified: str = ""
    links: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    digest: str = ""

    @classmethod
    def of(cls, headers: Mapping[str, str], links: Sequence[str], ids: Sequence[str], digest: str) -> PageRecord:
        etag, modified = headers.get("ETag", "")[:500], headers.get("Last-Modified", "")[:100]
        return cls(etag=etag, modified=modified, links=tuple(links), ids=tuple(ids), digest=digest)


def digest_of(contents: Sequence[Content]) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(f"{content.title}\0{content.body}\0".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class PageCache:
    """Works on ``memory`` in place. Conditional requests are made only for pages whose documents are all ``unchanged``:
    a document that was edited or removed elsewhere has to be read again."""

    def __init__(self, memory: MutableMapping[str, Any], unchanged: Collection[str]) -> None:
        self._pages: dict[str, Any] = memory.setdefault("pages", {})
        self._unchanged = unchanged
        self._visited: set[str] = set()

    def find(self, url: URL) -> PageRecord | None:
        try:
            record = PageRecord.model_validate(self._pages[str(url)])
        except (KeyError, ValidationError):
            return None
        return record if record.ids and all(id in self._unchanged for id in record.ids) else None

    def conditions(self, url: URL) -> dict[str, str]:
        record = self.find(url)
        if record is None:
            return {}
        headers = {"If-None-Match": record.etag, "If-Modified-Since": "" if record.etag else record.modified}
        return {name: value for name, value in headers.items() if value}

    def keep(self, url: URL) -> None:
        self._visited.add(str(url))

    def put(self, url: URL, record: PageRecord) -> None:
        self._visited.add(str(url))
        self._pages[str(url)] = record.model_dump(mode="json")

    def forget_others(self) -> None:
        """After a complete crawl, drop the pages that it did not visit."""
        for url in self._pages.keys() - self._visited:
            del self._pages[url]
