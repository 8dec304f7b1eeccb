"""Encrypted files open whole or not at all, in constant memory."""

from __future__ import annotations

import io
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path

import pytest

from infra.backup import encryption
from infra.backup.archive import create_archive, read_archive, verify_backup
from infra.backup.encryption import CHUNK, TAG_BYTES, BackupSecret, EncryptedReader, EncryptedWriter
from schemas.errors import SetupError

AT = datetime(2026, 5, 4, tzinfo=UTC)
SECRET = BackupSecret("key_file", b"k" * 32)


def encrypt(content: bytes, secret: BackupSecret = SECRET) -> bytes:
    sink = io.BytesIO()
    writer = EncryptedWriter(sink, secret, kind="data", created_at=AT, engine="SQLite")
    writer.write(content)
    writer.finish()
    return sink.getvalue()


def decrypt(content: bytes, secret: BackupSecret = SECRET) -> bytes:
    reader, parts = EncryptedReader(io.BytesIO(content), secret, "the file"), []
    while part := reader.read(1_000_000):
        parts.append(part)
    return b"".join(parts)


def split(content: bytes) -> tuple[bytes, list[bytes]]:
    """The header, and the chunks."""
    start = 12 + int.from_bytes(content[8:12])
    size = CHUNK + TAG_BYTES
    return content[:start], [content[at : at + size] for at in range(start, len(content), size)]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 7])
def test_every_size_comes_back(size: int) -> None:
    content = bytes(size)
    sealed = encrypt(content)
    assert decrypt(sealed) == content
    assert b"\0" * 64 not in sealed


def test_a_file_that_was_cut_reordered_repeated_or_extended_is_refused() -> None:
    sealed = encrypt(bytes(3 * CHUNK + 7))
    head, chunks = split(sealed)
    assert len(chunks) == 4
    changed = [
        *(head + b"".join(chunks[:count]) for count in range(len(chunks))),
        sealed[:-1],
        sealed + b"x",
        head + b"".join([chunks[1], chunks[0], *chunks[2:]]),
        head + b"".join([chunks[0], *chunks]),
        head + b"".join([chunks[0], *chunks[2:]]),
        split(encrypt(bytes(5)))[0] + b"".join(chunks),
        head[:20],
        b"",
    ]
    for content in changed:
        with pytest.raises(SetupError):
            decrypt(content)


def test_every_changed_bit_is_noticed() -> None:
    sealed = encrypt(b"words of a contact")
    for at in range(len(sealed)):
        with pytest.raises(SetupError):
            decrypt(sealed[:at] + bytes([sealed[at] ^ 4]) + sealed[at + 1 :])


def test_the_header_cannot_be_changed_even_to_another_valid_one() -> None:
    sealed = encrypt(b"words")
    head, chunks = split(sealed)
    fields = json.loads(head[12:]) | {"created_at": "2031-01-01T00:00:00Z"}
    text = json.dumps(fields).encode()
    with pytest.raises(SetupError, match="does not open"):
        decrypt(head[:8] + len(text).to_bytes(4) + text + b"".join(chunks))


def test_only_the_same_secret_opens_and_weak_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption, "SCRYPT_COST", 1 << 10)
    passphrase = BackupSecret.from_passphrase("a long enough passphrase")
    assert decrypt(encrypt(b"words", passphrase), passphrase) == b"words"
    with pytest.raises(SetupError, match="does not open"):
        decrypt(encrypt(b"words", passphrase), BackupSecret.from_passphrase("another long passphrase"))
    with pytest.raises(SetupError, match="protected by a passphrase"):
        decrypt(encrypt(b"words", passphrase))
    with pytest.raises(SetupError, match="too short"):
        BackupSecret.from_passphrase("short")
    (tmp_path / "key").write_text("short")
    for name in ("key", "absent"):
        with pytest.raises(SetupError):
            BackupSecret.from_file(tmp_path / name)


def test_a_large_archive_is_written_and_read_in_constant_memory(tmp_path: Path) -> None:
    large, target = tmp_path / "large", tmp_path / "backup"
    with large.open("wb") as sink:
        sink.truncate(64 * 1024 * 1024)
    tracemalloc.start()
    try:
        with create_archive(target, SECRET, kind="data", created_at=AT, engine="SQLite") as archive:
            archive.add("manifest.json", b"{}")
            archive.add_file("database", large)
        verify_backup(target, SECRET)
        for entry in read_archive(target, SECRET, "data"):
            while entry.stream.read(CHUNK):
                pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
    assert target.stat().st_size > 64 * 1024 * 1024


def test_an_archive_that_was_not_finished_has_no_name(tmp_path: Path) -> None:
    target = tmp_path / "backup"
    unfinished = create_archive(target, SECRET, kind="data", created_at=AT, engine="SQLite")
    with pytest.raises(SetupError, match="was not made"), unfinished as archive:
        archive.add_file("database", tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []
    with create_archive(target, SECRET, kind="data", created_at=AT, engine="SQLite"):
        pass
    again = create_archive(target, SECRET, kind="data", created_at=AT, engine="SQLite")
    with pytest.raises(SetupError, match="already exists"), again:
        pass
    with pytest.raises(SetupError, match="not the keys"):
        next(read_archive(target, SECRET, "keys"))
