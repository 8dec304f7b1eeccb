"""Files of contacts are unreadable in the store, and gone once the key of their contact is erased."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from infra.blobs import StoredBlobs, open_blobs
from schemas.errors import NotFound, Unavailable
from schemas.messages import Attachment
from schemas.privacy.key_service import CACHE_LIFETIME
from tests.contracts.blobs.conftest import Clock, Keys

CANARY = b"canary of ada 4711"
NAME = "letter of ada.txt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def sealed(folder: Path, clock: Clock, keys: Keys) -> StoredBlobs:
    return open_process(folder, clock, keys)


def open_process(folder: Path, clock: Clock, keys: Keys, *, is_sealing: bool = True) -> StoredBlobs:
    return open_blobs("file", folder, clock, sealer=keys.open_sealer(is_sealing=is_sealing))


async def put(
    blobs: StoredBlobs, *, uploader: str = "ada", conversation: str = "c1", claimed: bool = True
) -> Attachment:
    return await blobs.put(
        "shop", NAME, "text/plain", CANARY, conversation=conversation, uploader=uploader, claimed=claimed
    )


def find_readable(folder: Path) -> list[Path]:
    """The stored files in which name or content can be read."""
    written = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in written if CANARY in path.read_bytes() or NAME.encode() in path.read_bytes()]


async def is_absent(blobs: StoredBlobs, file: Attachment) -> bool:
    for look in (blobs.get, blobs.describe):
        with pytest.raises(NotFound):
            await look("shop", file.id)
    return True


@pytest.mark.parametrize("claimed", [True, False])
@pytest.mark.parametrize("uploader", ["ada", ""])
async def test_no_byte_of_a_file_is_readable_and_every_process_reads_it(
    folder: Path, sealed: StoredBlobs, clock: Clock, keys: Keys, uploader: str, claimed: bool
) -> None:
    file = await put(sealed, uploader=uploader, claimed=claimed)
    assert (file.name, file.type, file.size) == (NAME, "text/plain", len(CANARY))
    assert not find_readable(folder)
    assert await sealed.total("shop") == len(CANARY)
    for process in (sealed, open_process(folder, clock, keys), open_process(folder, clock, keys, is_sealing=False)):
        assert await process.get("shop", file.id) == (file, CANARY)
        described = await process.describe("shop", file.id)
        assert (described.attachment, described.conversation, described.uploader) == (file, "c1", uploader)


async def test_files_of_earlier_releases_and_of_nobody_are_read_as_they_are(
    folder: Path, sealed: StoredBlobs, clock: Clock, keys: Keys
) -> None:
    earlier = await put(open_blobs("file", folder, clock))
    unsealed = await put(open_process(folder, clock, keys, is_sealing=False))
    nobodys = await put(sealed, uploader="", conversation="")
    assert len({path.name[:43] for path in find_readable(folder)}) == 3
    for file in (earlier, unsealed, nobodys):
        assert await sealed.get("shop", file.id) == (file, CANARY)


async def test_a_file_is_absent_everywhere_once_its_key_is_erased_and_can_be_deleted(
    sealed: StoredBlobs, folder: Path, clock: Clock, keys: Keys
) -> None:
    gone, kept = await put(sealed), await put(sealed, uploader="eve")
    service = keys.open_service()
    await service.erase("shop", "ada")
    assert await is_absent(open_process(folder, clock, keys), gone)
    clock.tick(seconds=CACHE_LIFETIME.total_seconds())
    assert await is_absent(sealed, gone)
    assert await sealed.get("shop", kept.id) == (kept, CANARY)
    assert await sealed.delete("shop", gone.id) == len(CANARY)
    assert await sealed.delete("shop", gone.id) == 0


async def test_only_what_somebody_uploads_after_an_erasure_is_readable_again(
    sealed: StoredBlobs, clock: Clock, keys: Keys, folder: Path
) -> None:
    before = await put(sealed)
    await keys.open_service().erase("shop", "ada")
    clock.tick(seconds=CACHE_LIFETIME.total_seconds() + 1)
    fetched = await put(sealed)
    assert await is_absent(sealed, fetched)
    uploaded = await put(sealed, claimed=False)
    assert await sealed.get("shop", uploaded.id) == (uploaded, CANARY)
    for file in (before, fetched):
        assert await is_absent(sealed, file)
    assert not find_readable(folder)


async def test_a_sealed_file_cannot_be_put_in_the_place_of_another(sealed: StoredBlobs, folder: Path) -> None:
    one, two = await put(sealed), await put(sealed)
    place = folder / "blobs" / "shop"
    (place / two.id).write_bytes((place / one.id).read_bytes())
    with pytest.raises(Unavailable):
        await sealed.get("shop", two.id)
    assert await sealed.get("shop", one.id) == (one, CANARY)


async def test_without_a_secret_a_sealed_file_is_refused_and_not_shown_as_it_is(
    sealed: StoredBlobs, folder: Path, clock: Clock
) -> None:
    file = await put(sealed)
    clock.tick(seconds=timedelta(days=1).total_seconds())
    with pytest.raises(Unavailable):
        await open_blobs("file", folder, clock).get("shop", file.id)
