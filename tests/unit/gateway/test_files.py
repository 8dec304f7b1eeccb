"""From the vendor's message to a stored attachment, over the account's own connection and the real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway import files
from gateway.files import VendorFiles
from infra.blobs import StoredBlobs, open_blobs
from schemas.conversation import Origin
from schemas.errors import NotFound, TooLarge, UnsupportedMediaType
from schemas.messages import RemoteFile
from tests.channels.meta import Bench, bench_of
from tests.platforms.meta import WhatsApp
from tests.platforms.vendor import Fault, File

PHOTO = File("pot.jpg", "image/jpeg", b"\xff\xd8\xff a pot")
ORIGIN = Origin(tenant="shop", channel="whatsapp", account="main", place="p", contact_id="c")
Made = Callable[[int], VendorFiles]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with bench_of(WhatsApp()) as bench:
        yield bench


@pytest.fixture
def blobs(tmp_path: Path) -> StoredBlobs:
    return open_blobs("file", tmp_path)


@pytest.fixture
async def vendor_files(bench: Bench, blobs: StoredBlobs) -> AsyncIterator[Made]:
    made: list[VendorFiles] = []

    def make(most: int = 1000) -> VendorFiles:
        made.append(
            VendorFiles(
                {"whatsapp": bench.channel},
                accounts=lambda tenant, channel, name: bench.account if name == "main" else None,
                blobs=blobs,
                most=lambda tenant: most,
                clock=lambda: datetime.now(UTC),
            )
        )
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def sent(bench: Bench, file: File = PHOTO) -> RemoteFile:
    await bench.vendor.say("anna", "", files=[file])
    (event,) = await bench.events()
    (found,) = event.payload["files"]
    assert isinstance(found, RemoteFile)
    return found


async def test_what_a_contact_sent_is_stored_under_its_content_and_typed_by_it(
    bench: Bench, blobs: StoredBlobs, vendor_files: Made
) -> None:
    bench.vendor.faults.next(Fault("refuse", "media.get", status=500))  # once: it is asked again
    stored = await vendor_files(1000).fetch(ORIGIN, await sent(bench))
    assert (stored.name, stored.type, stored.size, stored.missing) == ("image.jpg", "image/jpeg", len(PHOTO.data), "")
    assert await blobs.get("shop", stored.id) == (stored, PHOTO.data)


async def test_a_file_that_is_too_large_or_of_a_kind_that_is_not_kept_is_refused(
    bench: Bench, vendor_files: Made
) -> None:
    with pytest.raises(TooLarge):
        await vendor_files(3).fetch(ORIGIN, await sent(bench))
    bench.receiver.requests.clear()
    program = await sent(bench, File("pot.jpg", "image/jpeg", b"MZ\x00\x01 not a picture"))
    with pytest.raises(UnsupportedMediaType):
        await vendor_files(1000).fetch(ORIGIN, program)


async def test_a_vendor_that_never_gives_the_file_is_left_after_a_while(
    bench: Bench, vendor_files: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.4)
    monkeypatch.setattr(files, "AGAIN", 0.01)
    found = await sent(bench)
    bench.vendor.faults.next(*[Fault("refuse", "media.get", status=500)] * 50)
    with pytest.raises(TimeoutError):
        await vendor_files(1000).fetch(ORIGIN, found)
    assert len([each for each in bench.vendor.ledger.requests if each.operation == "media.get"]) > 1


async def test_without_the_account_there_is_no_file(bench: Bench, vendor_files: Made) -> None:
    gone = ORIGIN.model_copy(update={"account": "gone"})
    with pytest.raises(NotFound):
        await vendor_files(1000).fetch(gone, await sent(bench))
