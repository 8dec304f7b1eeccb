"""The index on disk survives crashes and damage, is built again where it must, and is small in memory."""

from __future__ import annotations

import shutil
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Event
from typing import Any

import numpy as np
import pytest

from agent_worker.knowledge.index import word_index
from agent_worker.knowledge.index.passage_store import PassageWriter, passage_numbers
from agent_worker.knowledge.index.prepared_document import stamp_of
from agent_worker.knowledge.index.query_filter import QueryTerm, VisibilityFilter
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.index.word_index import WordIndex
from agent_worker.knowledge.ranking.long_context import LongContext
from agent_worker.knowledge.ranking.ranker import rank
from agent_worker.knowledge.text.analysis import term
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


def test_a_killed_writer_leaves_whole_versions(tmp_path: Path, encoder: Encoder) -> None:
    """Wherever a kill hits, the next start finds every document whole, no older than was reported, by its words too."""
    with Popen([sys.executable, "-c", WRITER, str(tmp_path / "one")], stdout=PIPE, text=True) as writer:
        assert writer.stdout is not None
        reported = [int(writer.stdout.readline()) for _ in range(6)]
        writer.kill()
        reported += [int(line) for line in writer.stdout.read().split()]
    index = TenantIndex(tmp_path / "one", encoder)
    kept = int(index.versions["fern"].split("/")[0])
    assert kept in (reported[-1], reported[-1] + 1)
    (hit, *_) = rank(index, f"Which fern is number {kept}?", NOW, encoder).hits
    assert (hit.version, hit.text) == (kept, f"Fern number {kept} wants water.")
    assert [document.version for document in index.documents()] == [kept]
    assert index.document_frequency(term("number")) == 1
    put(index, "fern", "# Ferns\n\nNo fern is left.", kept + 1)
    assert rank(index, "Is a fern left?", NOW, encoder).hits[0].version == kept + 1


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from agent_worker.knowledge.index.tenant_index import TenantIndex
from agent_worker.knowledge.vectors.encoder import light_encoder
from schemas.conversation import Document

index = TenantIndex(Path(sys.argv[1]), light_encoder())
now = datetime(2026, 3, 2, tzinfo=UTC)
for version in range(1, 1000):
    body = f"# Ferns\\n\\nFern number {version} wants water."
    document = Document(id="fern", title="Ferns", body=body, version=version, updated_at=now)
    index.apply([index.prepare(document, f"{version}")])
    print(version, flush=True)
"""


def test_words_that_differ_from_the_documents_are_indexed_again(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a crash came between both, or the word index is damaged or gone: the documents decide, and nothing is
    embedded or read from the log again."""
    index = TenantIndex(tmp_path / "one", encoder)
    put(index, "shipping", SHIPPING)
    before, versions = answers(index, encoder), dict(index.versions)
    with monkeypatch.context() as patched:
        write = WordIndex.write

        def crash(words: WordIndex, *values: Any) -> None:
            write(words, *values)
            raise KeyboardInterrupt

        patched.setattr(WordIndex, "write", crash)
        with pytest.raises(KeyboardInterrupt):
            put(index, "shipping", RETURNS, 2)
    index.close()
    words = tmp_path / "one" / "words"
    for damage in (lambda: None, lambda: shutil.rmtree(words), lambda: (words / "meta.json").write_text("{")):
        damage()
        again = TenantIndex(tmp_path / "one", encoder)
        assert (again.versions, answers(again, encoder)) == (versions, before)
        assert again.document_frequency(term("parcel")) == 1
        again.close()


@pytest.mark.parametrize("damage", ["cut", "overwritten", "gone"])
def test_a_damaged_file_is_built_from_the_log_again(tmp_path: Path, encoder: Encoder, damage: str) -> None:
    """The index then says that it holds nothing, so that everything is read from the log again."""
    index = TenantIndex(tmp_path / "one", encoder)
    put(index, "shipping", SHIPPING)
    index.close()
    path = tmp_path / "one" / "passages.db"
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else content[:4096] + bytes(len(content)))
    again = TenantIndex(tmp_path / "one", encoder)
    assert (again.versions, again.documents(), rank(again, ASKED[0], NOW, encoder).hits) == ({}, [], [])
    put(again, "shipping", SHIPPING)
    assert rank(again, ASKED[0], NOW, encoder).hits


def test_an_index_of_an_older_version_is_built_again(tmp_path: Path, encoder: Encoder) -> None:
    """Its files, here those of the version with a file of records, are removed; then all is read from the log."""
    folder = tmp_path / "one"
    folder.mkdir()
    (folder / "format").write_text(f"12 {encoder.name}")
    for name, content in (("documents", b"PRK1" * 8), ("meta.json", b"{}"), (".managed.json", b"[]")):
        (folder / name).write_bytes(content)
    index = TenantIndex(folder, encoder)
    assert index.versions == {}
    assert not (folder / "documents").exists()
    put(index, "shipping", SHIPPING)
    index.close()
    again = TenantIndex(folder, encoder)
    assert again.versions == {"shipping": stamp_of(1, "1")}


def test_a_document_is_read_as_it_was_written(tmp_path: Path, encoder: Encoder) -> None:
    """Names of any script, passages without words, and everything that a search compares."""
    body = "# Tïtle\n\nМоховые горшки\n\n## h\n\n…\n\n## warm > moss\n\nwarm warm moss\0"
    document = Document(
        id="doc/ü", title="Tïtle", body=body, version=5, url="https://x.example", language="de",
        visibility="verified", expires_at=NOW, updated_at=NOW,
    )  # fmt: skip
    index = TenantIndex(tmp_path / "one", encoder)
    made = index.prepare(document, "stamp")
    index.apply([made])
    assert index.document("doc/ü") == document
    (number,) = index.find_documents([QueryTerm("moss", (("moss", 1.0),), 1.0)], VisibilityFilter(0, verified=True), 5)
    numbers = list(reversed(passage_numbers(number, 4)))
    found = index.read(numbers, VisibilityFilter(int(NOW.timestamp()), verified=True))
    assert [each.number for each in found] == numbers[1:]
    for each in found:
        passage = made.passages[each.order]
        assert (each.document, each.version, each.title, each.url) == ("doc/ü", 5, "Tïtle", "https://x.example")
        assert (each.heading, each.text, each.words) == (passage.heading, passage.text, passage.words)
        assert (each.heading_terms, each.body_terms) == (passage.heading_terms, passage.body_terms)
        assert each.vectors == made.vectors.passages[each.order]
    for hidden in (VisibilityFilter(int(NOW.timestamp())), VisibilityFilter(int(NOW.timestamp()) + 1, verified=True)):
        assert index.read(numbers, hidden) == []


def test_changes_leave_no_trace(tmp_path: Path, encoder: Encoder) -> None:
    """However often documents change and go, the file stays near to what is live, and all is found as in a new one."""
    index = TenantIndex(tmp_path / "one", encoder)
    sizes = []
    for version in range(1, 30):
        put(index, "shipping", SHIPPING.replace("72", str(version)), version)
        put(index, "returns", RETURNS.replace("30", str(version)), version)
        put(index, f"passing-{version}", f"# Ferns\n\nFern number {version} wants water.")
        index.apply([], [f"passing-{version - 1}"])
        index.close()
        sizes.append(sum(each.stat().st_size for each in (tmp_path / "one").glob("passages.db*")))
        index = TenantIndex(tmp_path / "one", encoder)
    assert sizes[-1] < 2 * sizes[0]
    anew = TenantIndex(tmp_path / "two", encoder)
    put(anew, "shipping", SHIPPING.replace("72", "29"), 29)
    put(anew, "returns", RETURNS.replace("30", "29"), 29)
    put(anew, "passing-29", "# Ferns\n\nFern number 29 wants water.")
    wanted = answers(anew, encoder)
    assert answers(index, encoder) == wanted
    index.close()
    assert answers(TenantIndex(tmp_path / "one", encoder), encoder) == wanted


def test_searches_beside_writes_find_whole_passages(tmp_path: Path, encoder: Encoder) -> None:
    """While documents are replaced under it, a search never fails, and each passage it shows is
    one that its document had: the text of the version that is named."""
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


def test_a_write_that_failed_leaves_what_was_there(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version before stays the one that is found, now and after a start; the next write counts."""
    index = TenantIndex(tmp_path / "one", encoder)
    put(index, "shipping", SHIPPING)
    before = answers(index, encoder)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for owner, name in ((PassageWriter, "put"), (word_index, "_entries"), (WordIndex, "write")):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, full)
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


@pytest.mark.parametrize(("sections", "most"), [(10, 300), (1, 600)])
def test_a_passage_takes_little_memory(tmp_path: Path, encoder: Encoder, sections: int, most: int) -> None:
    """Opened from the disk, each more of sixty words takes under 300 bytes; alone in its document, under 600."""
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
