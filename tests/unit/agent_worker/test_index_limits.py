"""Internal documents are never found, also not while they are being written."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.index.tenant_store import TenantStore
from agent_worker.knowledge.index.term_statistics import DocumentStatistics
from agent_worker.knowledge.ranking.ranker import rank
from schemas.conversation import Document

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def put(index: TenantIndex, version: int, visibility: Literal["public", "internal"], name: str = "margins") -> None:
    body = "# Margins\n\n## Orchids\n\nThe margin on orchids is forty percent."
    document = Document(id=name, title="Margins", body=body, version=version, visibility=visibility, updated_at=NOW)
    index.apply([index.prepare(document, f"{version}")])


def test_no_search_during_a_write_finds_what_is_internal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search between the commit and what memory learns of it sees nothing; nor does one while a version follows."""
    index, found = TenantIndex(tmp_path / "index", None), []
    put(index, 1, "public", "known")  # so that its words are known
    drop_documents, drop = TenantStore.drop, index.statistics.drop

    def searched(store: TenantStore, documents: Collection[str]) -> None:
        found.extend(rank(index, "What is the margin on orchids?", NOW).hits)
        drop_documents(store, documents)

    def dropped(tally: DocumentStatistics) -> None:
        drop(tally)
        found.extend(rank(index, "What is the margin on orchids?", NOW).hits)

    monkeypatch.setattr(TenantStore, "drop", searched)
    put(index, 1, "internal")
    monkeypatch.setattr(index.statistics, "drop", dropped)
    put(index, 2, "internal")
    assert {hit.document for hit in found} == {"known"}
    put(index, 3, "public")
    assert "margins" in {hit.document for hit in rank(index, "What is the margin on orchids?", NOW).hits}
