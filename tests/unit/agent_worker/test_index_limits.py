"""Internal documents are never found, also not while they are being written; tenants share threads and descriptors."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from agent_worker.knowledge.index import tenant_indexes
from agent_worker.knowledge.index.passage_store import PassageStore, Totals
from agent_worker.knowledge.index.stored_passage import StoredPassage
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.index.tenant_indexes import OpenIndexes
from agent_worker.knowledge.index.word_index import WordIndex
from agent_worker.knowledge.ranking.ranker import rank
from schemas.conversation import Document

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def put(index: TenantIndex, version: int, visibility: Literal["public", "internal"], name: str = "margins") -> None:
    body = "# Margins\n\n## Orchids\n\nThe margin on orchids is forty percent."
    document = Document(id=name, title="Margins", body=body, version=version, visibility=visibility, updated_at=NOW)
    index.apply([index.prepare(document, f"{version}")])


def test_no_search_during_a_write_finds_what_is_internal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search between the steps of a write sees nothing: after the words, after the documents, while a version
    follows."""
    index, found = TenantIndex(tmp_path / "index", None), []
    put(index, 1, "public", "known")  # so that its words are known
    write, totals = WordIndex.write, PassageStore.totals

    def search() -> None:
        found.extend(rank(index, "What is the margin on orchids?", NOW).hits)

    def write_and_search(words: WordIndex, *values: Any) -> None:
        write(words, *values)
        search()

    def search_and_count(store: PassageStore) -> Totals:
        search()
        return totals(store)

    monkeypatch.setattr(WordIndex, "write", write_and_search)
    monkeypatch.setattr(PassageStore, "totals", search_and_count)
    put(index, 1, "internal")
    put(index, 2, "internal")
    assert {hit.document for hit in found} == {"known"}
    put(index, 3, "public")
    assert "margins" in {hit.document for hit in rank(index, "What is the margin on orchids?", NOW).hits}


def test_threads_and_descriptors_do_not_grow_with_tenants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all tenants' indexes a few are open at a time, and each still answers and takes changes."""
    monkeypatch.setattr(tenant_indexes, "MAX_OPEN", 2)
    opened, indexes = OpenIndexes(), [TenantIndex(tmp_path / f"{number}", None) for number in range(12)]
    before = _held()
    for version in (1, 2):
        for index in indexes:
            opened.use(index)
            put(index, version, "public")
        for index in indexes:
            opened.use(index)
            (hit,) = rank(index, "What is the margin on orchids?", NOW).hits
            assert hit.version == version
    for index in indexes:
        opened.use(index)
        put(index, 3, "public")
    deadline = time.monotonic() + 60
    # A closed index's threads end a little later. An open one that was written has seven, and up to eight descriptors.
    while any(count - start > 2 * most for count, start, most in zip(_held(), before, (7, 8), strict=True)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _held() -> tuple[int, int]:
    """Threads and descriptors of this process."""
    return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))


def test_an_index_in_use_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is to be closed while a change is written is not; a search that has begun ends as if it were open."""
    index, write, found = TenantIndex(tmp_path / "index", None), WordIndex.write, []

    def close_and_write(words: WordIndex, *values: Any) -> None:
        index.close()
        write(words, *values)

    monkeypatch.setattr(WordIndex, "write", close_and_write)
    put(index, 1, "public")
    read = TenantIndex.read

    def close_and_read(self: TenantIndex, *values: Any) -> list[StoredPassage]:
        self.close()
        return read(self, *values)

    monkeypatch.setattr(TenantIndex, "read", close_and_read)
    found.extend(rank(index, "What is the margin on orchids?", NOW).hits)
    assert [hit.version for hit in found] == [1]


def test_only_few_indexes_stay_ready_for_changes_and_the_others_still_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After edits in many tenants the threads that merge segments end, and a further edit starts them again."""
    monkeypatch.setattr(tenant_indexes, "MAX_CHANGING", 1)
    opened, indexes = OpenIndexes(), [TenantIndex(tmp_path / f"{number}", None) for number in range(4)]
    closed, threads = list[TenantIndex](), _held()[0]
    close_writers = TenantIndex.close_writers

    def close_and_note(index: TenantIndex) -> None:
        closed.append(index)
        close_writers(index)

    monkeypatch.setattr(TenantIndex, "close_writers", close_and_note)
    for version in (1, 2):
        for index in indexes:
            opened.use(index, changes=True)
            put(index, version, "public")
    assert closed == [*indexes, *indexes[:3]]
    for index in indexes:
        opened.use(index)
        assert [hit.version for hit in rank(index, "What is the margin on orchids?", NOW).hits] == [2]
    assert len(closed) == 7, "a search needs no writer"
    deadline = time.monotonic() + 60
    # Each open index has a thread, and the one that was changed last has six more.
    while _held()[0] - threads > len(indexes) + 6:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_opening_an_index_that_has_not_changed_writes_nothing(tmp_path: Path) -> None:
    """At a start all tenants' indexes are opened."""
    index = TenantIndex(tmp_path / "index", None)
    put(index, 1, "public")
    index.close()
    before = _modified(tmp_path)
    again = TenantIndex(tmp_path / "index", None)
    assert again.versions == index.versions
    again.close()
    assert _modified(tmp_path) == before


def _modified(folder: Path) -> dict[str, int]:
    return {str(file): file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
