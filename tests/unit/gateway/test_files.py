"""From the vendor's message to a stored attachment, over the account's own connection and the real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.config.settings import LimitSettings
from gateway.storage.quotas import QuotaBlobs, StorageQuota
from gateway.wiring import vendor_files as files
from gateway.wiring.vendor_files import VendorFiles
from infra.blobs import StoredBlobs, open_blobs
from schemas.conversation import Origin
from schemas.errors import NotFound, RateLimited, StorageFull, TooLarge, UnsupportedMediaType
from schemas.messages import RemoteFile
from schemas.ports import Blobs, StoredFile
from tests.channels.meta import MetaAccount, bench_of
from tests.contracts.state.engines import embedded_state
from tests.simulators.meta import WhatsApp
from tests.simulators.vendor import Fault, File

PHOTO = File("pot.jpg", "image/jpeg", b"\xff\xd8\xff a pot")
ORIGIN = Origin(tenant="shop", channel="whatsapp", account="main", place="p", contact_id="c")
Made = Callable[[int], VendorFiles]


@pytest.fixture
async def bench() -> AsyncIterator[MetaAccount]:
    async with bench_of(WhatsApp()) as bench:
        yield bench


@pytest.fixture
def blobs(tmp_path: Path) -> StoredBlobs:
    return open_blobs("file", tmp_path)


@pytest.fixture
async def vendor_files(bench: MetaAccount, blobs: StoredBlobs) -> AsyncIterator[Made]:
    opened: list[VendorFiles] = []

    def make(most: int = 1000) -> VendorFiles:
        opened.append(build_vendor_files(bench, blobs, most))
        return opened[-1]

    yield make
    for each in opened:
        await each.close()


def build_vendor_files(bench: MetaAccount, blobs: Blobs, most: int = 1000) -> VendorFiles:
    return VendorFiles(
        {"whatsapp": bench.channel},
        accounts=lambda tenant, channel, name: bench.account if name == "main" else None,
        blobs=blobs,
        max_bytes=lambda tenant: most,
        clock=lambda: datetime.now(UTC),
    )


async def send_file(bench: MetaAccount, file: File = PHOTO) -> RemoteFile:
    await bench.vendor.say("anna", "", files=[file])
    (event,) = await bench.events()
    (found,) = event.payload["files"]
    assert isinstance(found, RemoteFile)
    return found


async def test_a_contacts_file_is_stored_for_its_conversation_and_typed_by_content(
    bench: MetaAccount, blobs: StoredBlobs, vendor_files: Made
) -> None:
    bench.vendor.faults.next(Fault("refuse", "media.get", status=500))  # once: it is asked again
    stored = await vendor_files(1000).fetch("conversation", ORIGIN, await send_file(bench))
    assert (stored.name, stored.type, stored.size, stored.missing) == ("image.jpg", "image/jpeg", len(PHOTO.data), "")
    assert await blobs.get("shop", stored.id) == (stored, PHOTO.data)
    assert await blobs.describe("shop", stored.id) == StoredFile(stored, "conversation", ORIGIN.contact_id)
    clock = datetime.now(UTC) + timedelta(days=2)
    assert [each.claimed async for each in blobs.uploads(before=clock)] == [True], "its message is on the log"


async def test_files_of_vendors_count_against_the_contact_who_sent_them_and_the_tenant(
    bench: MetaAccount, blobs: StoredBlobs, tmp_path: Path
) -> None:
    """What a colleague sends from the desk counts against no contact."""
    size = len(PHOTO.data)
    limits = LimitSettings(contact_bytes_per_day=size, stored_file_bytes=3 * size, address_share=1)
    async with embedded_state(tmp_path / "parley.db") as state:
        quota = StorageQuota(state.limiter, lambda _tenant: limits, lambda: datetime.now(UTC))
        files = build_vendor_files(bench, QuotaBlobs(blobs, quota))
        photo, other = await send_file(bench), ORIGIN.model_copy(update={"contact_id": "other"})
        await files.fetch("conversation", ORIGIN, photo)
        with pytest.raises(RateLimited):
            await files.fetch("conversation", ORIGIN, photo)
        await files.fetch_of_colleague("conversation", ORIGIN, photo)
        await files.fetch("conversation", other, photo)
        with pytest.raises(StorageFull):
            await files.fetch_of_colleague("conversation", ORIGIN, photo)
        assert await blobs.total("shop") == 3 * size
        await files.close()


async def test_a_file_that_is_too_large_or_of_a_kind_that_is_not_kept_is_refused(
    bench: MetaAccount, vendor_files: Made
) -> None:
    with pytest.raises(TooLarge):
        await vendor_files(3).fetch("conversation", ORIGIN, await send_file(bench))
    bench.receiver.requests.clear()
    program = await send_file(bench, File("pot.jpg", "image/jpeg", b"MZ\x00\x01 not a picture"))
    with pytest.raises(UnsupportedMediaType):
        await vendor_files(1000).fetch("conversation", ORIGIN, program)


async def test_a_vendor_that_never_gives_the_file_is_left_after_a_while(
    bench: MetaAccount, vendor_files: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "FETCH_TIMEOUT", 0.4)
    monkeypatch.setattr(files, "RETRY_DELAY", 0.01)
    found = await send_file(bench)
    bench.vendor.faults.next(*[Fault("refuse", "media.get", status=500)] * 50)
    with pytest.raises(TimeoutError):
        await vendor_files(1000).fetch("conversation", ORIGIN, found)
    assert len([each for each in bench.vendor.ledger.requests if each.operation == "media.get"]) > 1


async def test_without_the_account_there_is_no_file(bench: MetaAccount, vendor_files: Made) -> None:
    gone = ORIGIN.model_copy(update={"account": "gone"})
    with pytest.raises(NotFound):
        await vendor_files(1000).fetch("conversation", gone, await send_file(bench))
