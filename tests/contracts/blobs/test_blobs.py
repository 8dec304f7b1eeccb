"""Attachments: found under their id by their tenant, bound to a conversation, and gone when nothing references them."""

from __future__ import annotations

from typing import Any

import obstore
import pytest

from infra.blobs import LIMIT, UNCLAIMED_FOR, UNCONFIRMED_FOR, StoredBlobs
from schemas.errors import NotFound, TooLarge
from schemas.messages import Attachment
from schemas.ports import Upload
from tests.contracts.blobs.conftest import Clock

PNG = b"\x89PNG\r\n\x1a\n" + bytes(32)
UNKNOWN = ["", "nope", "0" * 64, "a" + "0" * 42, "../shop/" + "0" * 64, "A" * 43]


async def upload(blobs: StoredBlobs, name: str = "leaf.png", data: bytes = PNG, **more: object) -> Attachment:
    about = {"conversation": "c1", "uploader": "ada", "claimed": False} | more
    return await blobs.put("shop", name, "image/png", data, **about)  # type: ignore[arg-type]


async def list_unclaimed(blobs: StoredBlobs, clock: Clock) -> list[Upload]:
    return [upload async for upload in blobs.uploads(before=clock() - UNCLAIMED_FOR)]


class Killed(BaseException):
    """The process dies here."""


async def store_of(blobs: StoredBlobs, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The object store below, learned from what another tenant's upload writes."""
    write, stores = obstore.put_async, list[Any]()

    async def record_store(store: Any, *given: Any, **more: Any) -> Any:
        stores.append(store)
        return await write(store, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(obstore, "put_async", record_store)
        await blobs.put("other", "a.txt", "", b"text")
    return stores[0]


async def is_gone(blobs: StoredBlobs, attachment: Attachment) -> bool:
    for look in (blobs.get, blobs.describe, blobs.claim):
        with pytest.raises(NotFound):
            await look("shop", attachment.id)
    return await blobs.total("shop") == 0


@pytest.mark.parametrize("claimed", [True, False])
async def test_a_stored_file_is_read_back_unchanged_and_bound_to_its_conversation(
    blobs: StoredBlobs, claimed: bool
) -> None:
    put = await upload(blobs, claimed=claimed)
    assert (put.name, put.type, put.size) == ("leaf.png", "image/png", len(PNG))
    assert await blobs.get("shop", put.id) == (put, PNG)
    about = await blobs.describe("shop", put.id)
    assert (about.attachment, about.conversation, about.uploader) == (put, "c1", "ada")


async def test_equal_bytes_are_two_files_that_know_nothing_of_each_other(blobs: StoredBlobs) -> None:
    one, two = await upload(blobs, "secret.txt", b"the same"), await upload(blobs, "known.csv", b"the same")
    assert one.id != two.id
    assert (await blobs.describe("shop", one.id)).attachment == one
    await blobs.delete("shop", two.id)
    assert await blobs.get("shop", one.id) == (one, b"the same")


async def test_an_attachment_is_found_only_under_its_own_tenant(blobs: StoredBlobs) -> None:
    put = await upload(blobs)
    for look in (blobs.get, blobs.describe, blobs.claim):
        with pytest.raises(NotFound):
            await look("other", put.id)
    assert await blobs.delete("other", put.id) == 0
    assert await blobs.get("shop", put.id) == (put, PNG)


@pytest.mark.parametrize("wrong", UNKNOWN)
async def test_an_unknown_or_malformed_id_is_not_found(blobs: StoredBlobs, wrong: str) -> None:
    for look in (blobs.get, blobs.describe, blobs.claim):
        with pytest.raises(NotFound):
            await look("shop", wrong)


async def test_the_limit_is_ten_mebibytes(blobs: StoredBlobs) -> None:
    largest = PNG + bytes(LIMIT - len(PNG))
    assert (await upload(blobs, data=largest)).size == LIMIT
    with pytest.raises(TooLarge, match="at most 10 MiB"):
        await upload(blobs, data=largest + b"x")
    assert await blobs.total("shop") == LIMIT


async def test_an_upload_that_nobody_claims_is_listed_after_a_day_and_can_be_deleted(
    blobs: StoredBlobs, clock: Clock
) -> None:
    put = await upload(blobs)
    clock.tick(hours=23, minutes=59)
    assert await list_unclaimed(blobs, clock) == []
    clock.tick(minutes=2)
    (found,) = await list_unclaimed(blobs, clock)
    assert (found.tenant, found.id, found.conversation, found.claimed) == ("shop", put.id, "c1", False)
    assert await blobs.delete("shop", put.id) == len(PNG)
    assert await is_gone(blobs, put)
    assert await list_unclaimed(blobs, clock) == []
    assert await blobs.delete("shop", put.id) == 0


async def test_a_claimed_upload_is_told_as_such_until_it_is_settled_and_stays(blobs: StoredBlobs, clock: Clock) -> None:
    put = await upload(blobs)
    clock.tick(hours=22)
    for _ in range(2):
        await blobs.claim("shop", put.id)
    clock.tick(hours=3)
    assert [(found.id, found.claimed) for found in await list_unclaimed(blobs, clock)] == [(put.id, True)]
    for _ in range(2):
        await blobs.confirm("shop", put.id)
    assert await list_unclaimed(blobs, clock) == []
    clock.tick(days=400)
    await blobs.claim("shop", put.id)
    assert await blobs.get("shop", put.id) == (put, PNG)


@pytest.mark.parametrize("claimed", [False, True])
async def test_nothing_is_claimed_in_the_hour_before_it_may_be_deleted(
    blobs: StoredBlobs, clock: Clock, claimed: bool
) -> None:
    put = await upload(blobs, claimed=claimed)
    clock.tick(seconds=((UNCONFIRMED_FOR if claimed else UNCLAIMED_FOR).total_seconds() - 3600))
    with pytest.raises(NotFound):
        await blobs.claim("shop", put.id)
    assert await blobs.get("shop", put.id) == (put, PNG)


async def test_a_claim_that_was_held_up_until_the_deletion_may_come_is_refused(
    blobs: StoredBlobs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, write = await upload(blobs), obstore.put_async
    clock.tick(hours=22, minutes=59)

    async def slowly(*given: Any, **more: Any) -> Any:
        clock.tick(hours=2)
        return await write(*given, **more)

    monkeypatch.setattr(obstore, "put_async", slowly)
    with pytest.raises(NotFound):
        await blobs.claim("shop", put.id)


async def test_a_deletion_that_broke_off_is_found_again(
    blobs: StoredBlobs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each of its steps."""
    delete = obstore.delete_async
    for steps in range(3):
        put, left = await upload(blobs), steps
        clock.tick(hours=25)

        async def some(store: Any, key: str) -> None:
            nonlocal left
            if not left:
                raise Killed
            left -= 1
            await delete(store, key)

        monkeypatch.setattr(obstore, "delete_async", some)
        with pytest.raises(Killed):
            await blobs.delete("shop", put.id)
        monkeypatch.setattr(obstore, "delete_async", delete)
        assert [found.id for found in await list_unclaimed(blobs, clock)] == [put.id]
        await blobs.delete("shop", put.id)
        assert await is_gone(blobs, put)


async def test_an_upload_that_broke_off_is_found_and_leaves_nothing_behind(
    blobs: StoredBlobs, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, keys = obstore.put_async, list[str]()

    async def once(store: Any, key: str, data: bytes, **more: Any) -> Any:
        keys.append(key)
        if len(keys) > 1:
            raise Killed
        return await write(store, key, data, **more)

    monkeypatch.setattr(obstore, "put_async", once)
    with pytest.raises(Killed):
        await upload(blobs)
    clock.tick(hours=25)
    (found,) = await list_unclaimed(blobs, clock)
    await blobs.delete(found.tenant, found.id)
    assert await list_unclaimed(blobs, clock) == []
    assert await blobs.total("shop") == 0


async def test_without_a_conversation_a_file_is_kept(blobs: StoredBlobs, clock: Clock) -> None:
    put = await blobs.put("shop", "leaf.png", "image/png", PNG)
    clock.tick(days=400)
    assert await list_unclaimed(blobs, clock) == []
    assert await blobs.get("shop", put.id) == (put, PNG)


async def test_uploads_of_all_tenants_are_listed_and_each_tenants_bytes_are_added_up(
    blobs: StoredBlobs, clock: Clock
) -> None:
    made = {(await upload(blobs, data=bytes([65] * n))).id for n in range(1, 6)}
    other = await blobs.put("other", "a.txt", "", b"123", conversation="c", claimed=False)
    clock.tick(days=2)
    assert {found.id for found in await list_unclaimed(blobs, clock)} == made | {other.id}
    assert [await blobs.total(tenant) for tenant in ("shop", "other", "nobody")] == [15, 3, 0]


async def test_a_file_of_an_earlier_release_is_read_under_the_hash_of_its_content(
    blobs: StoredBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As commit ad158ba wrote it; it is bound to no conversation."""
    old = "8810ad581e59f2bc3928b261707a71308f7e139eb04820366dc4d5c18d980225"
    about = f'{{"id":"{old}","name":"wilt.txt","type":"text/plain","size":5,"missing":""}}'
    store = await store_of(blobs, monkeypatch)
    await obstore.put_async(store, f"shop/{old}", b"wilt\n")
    await obstore.put_async(store, f"shop/{old}.json", about.encode())
    attachment = Attachment(id=old, name="wilt.txt", type="text/plain", size=5)
    assert await blobs.get("shop", old) == (attachment, b"wilt\n")
    assert (await blobs.describe("shop", old)).conversation == ""
    assert await blobs.total("shop") == 5
    assert await blobs.delete("shop", old) == 5


async def test_what_a_backup_reads_restores_every_file_in_an_empty_store(blobs: StoredBlobs) -> None:
    kept, waiting = await upload(blobs, claimed=True), await upload(blobs, "note.csv", b"a,b\n1,2\n")
    saved = [each async for each in blobs.read_objects()]
    assert {f"shop/{kept.id}", f"shop/{waiting.id}"} < {path for path, _ in saved}
    for attachment in (kept, waiting):
        await blobs.delete("shop", attachment.id)
    assert [each async for each in blobs.read_objects()] == []
    for path, content in saved:
        await blobs.write_object(path, content)
    assert await blobs.get("shop", kept.id) == (kept, PNG)
    assert (await blobs.describe("shop", waiting.id)).conversation == "c1"
    assert blobs.find_upload_time(kept.id) is not None
    assert blobs.find_upload_time("0" * 64) is None
