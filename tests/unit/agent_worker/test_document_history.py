"""The earlier versions in a document's record: complete, bounded, and never a reason to refuse a document."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from agent_worker.knowledge.ingest.document_history import (
    MAX_BYTES,
    MAX_RECORD_BYTES,
    MAX_VERSIONS,
    extend_history,
    list_versions,
)
from schemas.conversation import Document

NOW = datetime(2026, 5, 4, tzinfo=UTC)


def build(number: int, body: str, history: str = "") -> Document:
    return Document(
        id="d", title="D", body=body, version=number, updated_at=NOW + timedelta(days=number), history=history
    )


def edit(document: Document, body: str) -> Document:
    new = build(document.version + 1, body)
    return new.model_copy(update={"history": extend_history(document, new)})


def words(count: int, seed: int = 1) -> str:
    chooser = random.Random(seed)
    return " ".join(f"word{chooser.randrange(10**6)}" for _ in range(count))


def test_every_edit_adds_the_text_that_it_replaced_the_newest_first() -> None:
    document = build(1, "one")
    for body in ("two", "three", "two"):
        document = edit(document, body)
    assert [(each.version, each.body) for each in list_versions(document)] == [(3, "three"), (2, "two"), (1, "one")]
    assert list_versions(document)[0].updated_at == NOW + timedelta(days=3)


def test_publishing_the_same_again_adds_no_version() -> None:
    document = edit(build(1, "one"), "two")
    assert edit(document, "two").history == document.history


def test_the_oldest_versions_go_first() -> None:
    document = build(1, "text 1")
    for number in range(2, MAX_VERSIONS + 12):
        document = edit(document, f"text {number}")
    kept = list_versions(document)
    assert len(kept) == MAX_VERSIONS
    assert kept[0].body == f"text {document.version - 1}"


def test_a_long_text_that_is_edited_in_one_place_keeps_its_versions_in_little_space() -> None:
    text = words(3000)
    document = build(1, text)
    for number in range(MAX_VERSIONS):
        document = edit(document, f"{text} Edited {number} times.")
    assert len(list_versions(document)) == MAX_VERSIONS
    assert len(document.history) < MAX_BYTES


def test_the_history_never_exceeds_its_space_nor_the_record_the_brokers_limit() -> None:
    document = build(1, words(40_000))
    for number in range(2, 6):
        document = edit(document, words(40_000, seed=number))
        assert len(document.history) <= MAX_BYTES
    largest = "x" * (900 * 1024)
    full = edit(edit(build(1, "\n" * 60_000 + words(10)), words(9000)), largest)
    assert len(full.model_dump_json()) <= MAX_RECORD_BYTES + 1024


def test_a_history_that_cannot_be_read_is_none() -> None:
    for broken in ("x", "/Td6WFo=", "AAAA"):
        assert list_versions(build(2, "two", history=broken)) == []
        assert [each.body for each in list_versions(edit(build(2, "two", history=broken), "three"))] == ["two"]
