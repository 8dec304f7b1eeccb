"""Contacts in the console: the search, the page of one contact, the export, and erasing one."""

from __future__ import annotations

import json
import re
from html import unescape

from gateway.contacts.erasure import ContactErasureService
from schemas.privacy.key_service import CACHE_LIFETIME
from tests.console.conftest import Sit
from tests.console.form_client import FormClient
from tests.console.sample_conversations import begin_conversation, fill_conversation
from tests.unit.gateway.conftest import Instance

PATH = "/console/shop/contacts"


async def test_contacts_are_listed_by_name_and_found_by_name_and_address(instance: Instance, ben: FormClient) -> None:
    zoe = await begin_conversation(instance, "v-zoe", name="Zoë")
    await begin_conversation(instance, "v-ada", name="Ada")
    listed = await ben.get(PATH)
    assert listed.words.index("Ada") < listed.words.index("Zoë")
    for query in ("zoe", "v-zoe", zoe.origin.contact_id):
        found = await ben.get(f"{PATH}?q={query}")
        assert "Zoë web: v-zoe" in found.words, query
        assert "Ada" not in found.words
        assert f'href="{PATH}/{zoe.origin.contact_id}"' in found.text
    assert "No contact was found." in (await ben.get(f"{PATH}?q=nobody")).words
    assert "No contact was found." in (await ben.get(f"{PATH}?channel=slack")).words
    assert (await ben.get(f"{PATH}?channel=fax")).status == 400


async def test_a_contact_without_a_name_is_called_the_same_everywhere(instance: Instance, ben: FormClient) -> None:
    found = await begin_conversation(instance, "v-1")
    signed_in = await begin_conversation(instance, "id:customer-7")
    name = f"Web visitor {found.origin.contact_id[:4]}"
    for page in (PATH, f"{PATH}/{found.origin.contact_id}", f"/console/shop/conversations/{found.id}"):
        assert f">{name}</" in (await ben.get(page)).text, page
    assert name in (await ben.get("/console/shop/conversations")).words
    for page in (PATH, f"/console/shop/conversations/{signed_in.id}"):
        assert ">Visitor customer-7</" in (await ben.get(page)).text, page


async def test_a_long_list_goes_on_on_the_next_page(instance: Instance, ben: FormClient) -> None:
    for number in range(51):
        await begin_conversation(instance, f"v-{number:02}", name=f"Ada {number:02}")
    first = await ben.get(PATH)
    shown = re.findall(r"Ada \d\d", first.words)
    assert len(shown) == 50
    assert shown == sorted(shown)
    following = re.search(r'href="([^"]+)">More contacts', first.text)
    assert following
    following_page = await ben.get(unescape(following[1]))
    (last,) = re.findall(r"Ada \d\d", following_page.words)
    assert last not in shown


async def test_a_contact_is_shown_with_its_conversations_and_exported(instance: Instance, ben: FormClient) -> None:
    found = await fill_conversation(instance, name="<b>Ada</b>")
    page = await ben.get(f"{PATH}/{found.origin.contact_id}")
    assert "<b>Ada</b>" not in page.text
    assert f'href="/console/shop/conversations/{found.id}"' in page.text
    assert found.origin.place in page.words
    exported = await ben.get(f"{PATH}/{found.origin.contact_id}/export")
    assert exported.status == 200
    lines = [json.loads(line) for line in exported.text.splitlines()]
    assert (lines[0]["data"]["name"], lines[-1]["kind"]) == ("<b>Ada</b>", "end")
    assert (await ben.get(f"{PATH}/nobody")).status == 404


async def test_reading_and_exporting_are_recorded_with_who_did_it(instance: Instance, ben: FormClient) -> None:
    found = await begin_conversation(instance, "v-1", name="Ada")
    await ben.get(f"{PATH}/{found.origin.contact_id}")
    await ben.get(f"{PATH}/{found.origin.contact_id}/export")
    records = (await instance.admin("GET", "/audit?action=contact")).body["items"]
    subject = f"contact:{found.origin.contact_id}"
    assert [(each["action"], each["actor"], each["subject"]) for each in records] == [
        ("contact.export", "console:ben", subject),
        ("contact.read", "console:ben", subject),
    ]


async def test_the_export_is_offered_to_whoever_may_have_it(instance: Instance, sit: Sit) -> None:
    found = await begin_conversation(instance, "v-1", name="Ada")
    page = f"{PATH}/{found.origin.contact_id}"
    for name, may in (("vera", False), ("mia", False), ("ben", True), ("olga", True)):
        seat = await sit(name)
        assert ("Export everything" in (await seat.get(page)).words) is may, name
        assert (await seat.get(f"{page}/export")).status == (200 if may else 403), name


async def test_a_contact_is_erased_once_the_box_is_ticked(instance: Instance, sit: Sit, ben: FormClient) -> None:
    found = await begin_conversation(instance, "v-1", name="Ada")
    page = f"{PATH}/{found.origin.contact_id}"
    mia = await sit("mia")
    assert "Erase this person" not in (await mia.get(page)).words
    assert (await ben.send(page, f"{page}/erase", {})).status == 409
    erasures = ContactErasureService(instance.services)
    assert await erasures.records.list_all("shop") == []
    done = await ben.send(page, f"{page}/erase", {"sure": "yes"})
    assert "The contact is being erased." in done.words
    assert f"{found.origin.contact_id} console:ben" in done.words
    assert "Under way" in done.words
    (erasure,) = await erasures.records.list_all("shop")
    assert (erasure.contact_id, erasure.requested_by) == (found.origin.contact_id, "console:ben")
    await erasures.sweep()
    instance.clock.tick(CACHE_LIFETIME.total_seconds())
    await erasures.sweep()
    assert (await ben.get(page)).status == 404
    (proven,) = await erasures.records.list_all("shop")
    assert proven.proof in (await ben.get(PATH)).text
    assert "Erasures" not in (await mia.get(PATH)).words
    records = (await instance.admin("GET", "/audit?action=contact.erase")).body["items"]
    assert {(each["actor"], each["subject"]) for each in records} == {("console:ben", f"contact:{erasure.contact_id}")}
