"""The document file beside the index survives crashes and compaction, serves older readers, and is small in memory."""

from __future__ import annotations

import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from agent_worker.knowledge.index import tenant_store
from agent_worker.knowledge.index.document_codec import DocumentHeader, pack, read_passages, unpack
from agent_worker.knowledge.index.document_file import DocumentFile
from agent_worker.knowledge.index.passage_table import DocumentAttributes
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.index.tenant_store import stamp_of
from agent_worker.knowledge.index.term_counts import count_terms
from agent_worker.knowledge.ranking.long_context import LongContext
from agent_worker.knowledge.ranking.ranker import rank
from agent_worker.knowledge.text.splitting import PassageText
from agent_worker.knowledge.vectors.encoder import Encoder, light_encoder
from schemas.conversation import Document
from tests.unit.agent_worker.worker_environment import RETURNS, SHIPPING

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ASKED = ("Is there something warm in the parcel?", "Until when may I bring pots back?", "Who waters ferns?")


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    found = light_encoder()
    assert found is not None
    return found


def put(index: TenantIndex, name: str, body: str, version: int = 1) -> None:
    document = Document(id=name, title=name, body=body, version=version, updated_at=NOW)
    index.apply([index.prepare(document, f"{version}")])


def answers(index: TenantIndex, encoder: Encoder) -> list[list[tuple[str, int, float]]]:
    ranked = [rank(index, asked, NOW, encoder) for asked in ASKED]
    return [[(hit.key, hit.version, round(hit.score, 4)) for hit in each.hits] for each in ranked]


def contents(file: DocumentFile) -> list[bytes]:
    return [bytes(file.pages.content(each)) for each in file.records()]


def test_records_are_there_again_and_what_was_half_written_is_not(tmp_path: Path) -> None:
    """A write that a crash cut short, or bytes that changed since, end the file there; it is then written on."""
    path = tmp_path / "documents"
    file = DocumentFile(path)
    first, second = file.add([(1, 7, b"one"), (2, 8, b"the other one")])
    file.close()
    with path.open("ab") as torn:
        torn.write(b"PRK1 and then nothing more of it")
    again = DocumentFile(path)
    assert list(again.records()) == [first, second]
    again.add([(3, 9, b"third")])
    assert contents(again) == [b"one", b"the other one", b"third"]
    again.close()
    with path.open("r+b") as changed:
        changed.seek(second.begin)
        changed.write(b"T")
    assert contents(DocumentFile(path)) == [b"one"]


def test_a_reader_reads_on_while_the_file_grows_and_is_tidied(tmp_path: Path) -> None:
    """What it began with stays readable, where it stood, though the file is another one by then."""
    file = DocumentFile(tmp_path / "documents")
    records = file.add((number, 0, bytes([number]) * 5000) for number in range(20))
    pages = file.pages
    file.add([(99, 0, b"more")])
    kept = file.compact(records[::2])
    assert [bytes(pages.content(each))[:1] for each in records] == [bytes([number]) for number in range(20)]
    assert [bytes(file.pages.content(each))[:1] for each in kept] == [bytes([number]) for number in range(0, 20, 2)]
    pages.release()
    assert bytes(pages.content(records[3])) == bytes([3]) * 5000
    assert [each.number for each in file.records()] == list(range(0, 20, 2))


def test_a_document_is_unpacked_as_it_was_packed() -> None:
    """Names of any script, passages without words, and vectors at a place where numbers may be read."""
    pieces = [PassageText("", "Моховые горшки", ""), PassageText("", "…", ""), PassageText("h", "warm warm moss", "")]
    fields = [{"p_title": "", "p_heading": p.heading, "p_body": p.text.replace("…", "")} for p in pieces]
    made = count_terms("Tïtle", pieces, fields)
    vectors = [np.eye(64, dtype=np.float32)[: 3 + number] for number in range(3)]
    about = DocumentHeader("doc/ü", 5, "Tïtle", "https://x.example", DocumentAttributes(9, "verified", "de"))
    content = pack(about, pieces, made, vectors)
    found = unpack(memoryview(content))
    assert (found.header, found.counts.terms, found.counts.words) == (about, made.terms, made.words)
    for name in ("term_of", "term_sizes", "counts", "word_of", "word_sizes", "lengths"):
        assert np.array_equal(getattr(found.counts, name), getattr(made, name)), name
    assert (found.sizes.tolist(), found.vectors_begin % 8) == ([4, 5, 6], 0)
    texts = {0: ("", "Моховые горшки"), 2: ("h", "warm warm moss")}
    assert read_passages(memoryview(content), [2, 0, 3]) == (about, texts)
    assert len(unpack(memoryview(pack(about, pieces, made, None))).sizes) == 0


def test_tidying_changes_no_answer(tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often documents change and go, the file stays near to what is live, and all is found as in a new one."""
    monkeypatch.setattr(tenant_store, "MIN_DEAD_BYTES", 20_000)
    index = TenantIndex(tmp_path / "one", encoder)
    sizes = []
    for version in range(1, 30):
        put(index, "shipping", SHIPPING.replace("72", str(version)), version)
        put(index, "returns", RETURNS.replace("30", str(version)), version)
        put(index, f"passing-{version}", f"# Ferns\n\nFern number {version} wants water.")
        index.apply([], [f"passing-{version - 1}"])
        sizes.append((tmp_path / "one" / "documents").stat().st_size)
    assert sizes[-1] < 5 * sizes[0]
    assert sizes != sorted(sizes), "it was tidied"
    anew = TenantIndex(tmp_path / "two", encoder)
    put(anew, "shipping", SHIPPING.replace("72", "29"), 29)
    put(anew, "returns", RETURNS.replace("30", "29"), 29)
    put(anew, "passing-29", "# Ferns\n\nFern number 29 wants water.")
    wanted = answers(anew, encoder)
    assert answers(index, encoder) == wanted
    index.close()
    assert answers(TenantIndex(tmp_path / "one", encoder), encoder) == wanted


def test_searches_beside_writes_find_whole_passages(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While documents are replaced and the file is tidied under it, a search never fails, and each passage it shows is
    one that its document had: the text of the version that is named."""
    monkeypatch.setattr(tenant_store, "MIN_DEAD_BYTES", 10_000)
    index = TenantIndex(tmp_path / "one", encoder)
    body = "# Parcels\n\nThe parcel of release {} is warm.\n\n## Pots\n\nPots of release {} come back."

    def write(version: int) -> None:
        put(index, f"d{version % 3}", body.format(version, version), version)

    for version in range(1, 4):
        write(version)

    def searched() -> int:
        count = 0
        while not done.is_set():
            hits = rank(index, "Is the parcel warm, and do pots come back?", NOW, encoder).hits
            assert all(f"release {hit.version} " in hit.text for hit in hits)
            count += bool(hits)
        return count

    done = Event()
    with ThreadPoolExecutor(2) as pool:
        searches = [pool.submit(searched) for _ in range(2)]
        try:
            for version in range(4, 40):
                write(version)
        finally:
            done.set()
        assert all(each.result() > 0 for each in searches)


def test_an_index_whose_documents_are_gone_is_made_anew(tmp_path: Path, encoder: Encoder) -> None:
    """Then it says that it holds nothing, so that all is read from the log again."""
    index = TenantIndex(tmp_path / "one", encoder)
    put(index, "shipping", SHIPPING)
    index.close()
    (tmp_path / "one" / "documents").unlink()
    again = TenantIndex(tmp_path / "one", encoder)
    assert (again.versions, again.documents()) == ({}, [])


def test_a_write_that_failed_leaves_what_was_there(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version before stays the one that is found, now and after a start; the next write counts."""
    index = TenantIndex(tmp_path / "one", encoder)
    put(index, "shipping", SHIPPING)
    before = answers(index, encoder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("agent_worker.knowledge.index.tenant_index.entries_of", full)
        with pytest.raises(OSError, match="No space"):
            put(index, "shipping", RETURNS, 2)
    assert answers(index, encoder) == before
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(OSError, match="No space"):
            put(index, "shipping", RETURNS, 2)
    assert answers(index, encoder) == before
    index.close()
    again = TenantIndex(tmp_path / "one", encoder)
    assert answers(again, encoder) == before
    put(again, "shipping", RETURNS, 2)
    assert again.versions["shipping"] == stamp_of(2, "2")


def test_documents_too_large_for_any_prompt_are_not_read(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Documents far longer than is asked for are told by their counts; what fits is read, and held until it changes."""
    index, whole = TenantIndex(tmp_path / "one", encoder), LongContext()
    put(index, "shipping", SHIPPING)
    assert whole.passages("shop", index, NOW, 10_000)
    reads: list[str] = []

    def read() -> list[Document]:
        reads.append("read")
        return []

    monkeypatch.setattr(index, "documents", read)
    assert whole.passages("shop", index, NOW, 10_000)
    assert (whole.passages("shop", index, NOW, 5), reads) == ([], [])
    whole.passages("shop", index, NOW, 10_000)
    assert reads == ["read"], "what was too much is not kept"


@pytest.mark.parametrize(("sections", "most"), [(10, 2000), (1, 3000)])
def test_a_passage_takes_little_memory(tmp_path: Path, encoder: Encoder, sections: int, most: int) -> None:
    """Opened from the disk, each more of sixty words takes under two kilobytes; alone in its document, under three."""
    few, many = (measure_memory(tmp_path / f"{count}", encoder, count, sections) for count in (200, 2000))
    assert 0 < (many - few) / 1800 < most


def measure_memory(folder: Path, encoder: Encoder, passages: int, sections: int) -> int:
    """Bytes allocated by opening an index of so many, room for more included."""
    words = [f"{first}{second}" for first in ("pot", "moss", "fern", "leaf", "root") for second in range(200)]
    chance = np.random.default_rng(1)
    bodies = (
        "\n\n".join(f"## Part\n\n{'. '.join(map(' '.join, part))}." for part in chance.choice(words, (sections, 6, 10)))
        for _ in range(passages // sections)
    )
    made = (Document(id=f"d{n}", title="Pots", body=body, version=1, updated_at=NOW) for n, body in enumerate(bodies))
    index = TenantIndex(folder, encoder)
    index.apply([index.prepare(document, "1") for document in made])
    # Held until the end, and so its words: the interpreter's own table of them, which doubles now and then, is no part.
    index.close()
    tracemalloc.start()
    try:
        again = TenantIndex(folder, encoder)
        assert len(again.versions) == passages // sections
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
