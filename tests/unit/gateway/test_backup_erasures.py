"""A restore erases whom the keys file says were erased, also where they wrote in conversations of others."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from gateway.backup.contents import KeysManifest
from gateway.backup.erasures import ErasureReplay
from infra.backup.archive import create_archive
from infra.backup.encryption import BackupSecret
from schemas import ids, topics
from schemas.envelope import envelope
from schemas.messages import InboundMessage
from schemas.privacy.contact_keys import ContactKey
from tests.unit.gateway.conftest import Instance
from tests.unit.gateway.test_admin_contacts import meet
from tests.unit.gateway.test_contact_erasure import CANARY, write_in_room

SECRET = BackupSecret("key_file", b"k" * 32)


async def restore(instance: Instance, folder: Path, *keys: ContactKey) -> int:
    """Apply a keys file to data that was saved now. Returns how many contacts were erased."""
    path = folder / f"keys-{len(list(folder.iterdir()))}"
    with create_archive(path, SECRET, kind="keys", created_at=instance.clock(), engine="SQLite") as archive:
        archive.add("manifest.json", KeysManifest().model_dump_json().encode())
        archive.add("keys/0", b"\n".join(key.model_dump_json().encode() for key in keys))
    replay = ErasureReplay(instance.services, instance.clock())
    assert await replay.restore_keys(path, SECRET) == len(keys)
    return await replay.apply(KeysManifest())


async def test_what_the_erased_wrote_in_others_conversations_is_emptied(instance: Instance, tmp_path: Path) -> None:
    ada, adam = await meet(instance, "Ada", "v-1"), await meet(instance, "Adam", "v-2")
    state, room, now = instance.services.state, ids.conversation_id("shop", "web", "main", "v-2"), instance.clock()
    gone, kept = await write_in_room(instance, ada, room, CANARY), await write_in_room(instance, adam, room, "hello")
    for line, contact in ((gone, ada), (kept, adam)):
        said = InboundMessage(
            id=line.id, external_id="x", place="room", contact_id=contact.id, text=line.text, sent_at=now
        )
        about = {"id": line.id, "time": now, "source": "test", "tenant": "shop", "channel": "web"}
        event = envelope(topics.MESSAGE_RECEIVED, said, conversation=room, **about)  # type: ignore[arg-type]
        await instance.services.bus.append([event])
    stored = await state.contact_keys.get("shop", ada.id)
    assert stored is not None
    assert await restore(instance, tmp_path, stored.erase(now)) == 1
    lines = {line.id: line for line in await state.transcript.read(room)}
    assert (lines[gone.id].text, lines[f"r-{ada.id}"].text) == ("", "")
    assert (lines[kept.id].text, lines[f"r-{adam.id}"].text) == ("hello", "about hello")
    assert await state.contacts.get("shop", ada.id) is None
    assert await state.contacts.get("shop", adam.id) is not None


async def test_somebody_who_came_back_before_the_backup_stays(instance: Instance, tmp_path: Path) -> None:
    ada = await meet(instance, "Ada", "v-1")
    now, service = instance.clock(), instance.services.contact_keys
    assert service is not None
    following = service.make_key("shop", ada.id, 99_000_000).model_copy(update={"stage": "kept"})
    before = following.model_copy(update={"said_after": now - timedelta(days=1)})
    assert await restore(instance, tmp_path, before) == 0
    assert await instance.services.state.contacts.get("shop", ada.id) is not None
    since = before.model_copy(update={"said_after": now + timedelta(hours=1), "revision": 1})
    assert await restore(instance, tmp_path, since) == 1
    assert await instance.services.state.contacts.get("shop", ada.id) is None
