"""Documents that people write, edit, upload, restore and delete in the console."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp
import pytest

from schemas.messages import Author, Citation, TranscriptMessage
from tests.console.conftest import TEXT
from tests.console.form_client import FormClient, ShownPage
from tests.console.test_hostile_text import find_injected_elements
from tests.unit.gateway.conftest import Instance, run_instance
from tests.unit.sources.document_files import docx, paragraph
from tests.widget.test_injection import PAYLOADS

LIST = "/console/shop/knowledge"
NEW = f"{LIST}/new"
BODY = "# Shipping\n\n## Winter\n\nIn winter we add a heat pack to every parcel for 4.50 euro.\n"
FIELDS = {
    "title": "Shipping",
    "body": BODY,
    "url": "",
    "language": "",
    "visibility": "public",
    "expires_on": "",
    "replaces": "0",
    "act": "publish",
}


def place(document: str, *more: str) -> str:
    return "/".join((f"{LIST}/documents/{document}", *more))


async def edit(seat: FormClient, document: str, **fields: str) -> ShownPage:
    """Open the form, and send it with some fields changed."""
    form = await seat.get(place(document, "edit"))
    given = FIELDS | {"csrf": form.field("csrf"), "replaces": form.field("replaces")} | fields
    return await seat.post(place(document, "edit"), given)


async def test_a_document_is_written_found_and_read(instance: Instance, anna: FormClient) -> None:
    saved = await anna.send(NEW, NEW, FIELDS)
    assert (saved.status, saved.news) == (200, "Published. The next answer uses it.")
    assert saved.url.startswith(place("shipping"))
    assert "<h2>Winter</h2>" in saved.text
    assert "by Anna Bloom" in saved.words
    found = await instance.admin("POST", "/knowledge/search", {"query": "heat pack in winter"})
    assert found.body["passages"][0]["document"] == "shipping"
    listed = await anna.get(LIST)
    assert f'href="{place("shipping")}"' in listed.text
    read = await instance.admin("GET", "/knowledge/shipping")
    assert (read.body["changed_by"], read.body["source"]) == ("Anna Bloom", "")


async def test_a_preview_changes_nothing_and_keeps_what_was_typed(instance: Instance, anna: FormClient) -> None:
    seen = await anna.send(NEW, NEW, FIELDS | {"act": "preview", "title": "Ship & <b>shop</b>"})
    assert "<h4>Shipping</h4>" in seen.text
    assert 'value="Ship &amp; &lt;b&gt;shop&lt;/b&gt;"' in seen.text
    assert "heat pack" in seen.words
    assert (await instance.admin("GET", "/knowledge")).body["items"] == []


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("title", "", "title: must have 1 to 300 letters"),
        ("body", " \n", "the document is empty"),
        ("body", "-- !", "no text in it"),
        ("body", "a\x07b", "control characters"),
        ("body", "x" * 950_000, "at most 900 kb"),
        ("url", "javascript:alert(1)", "address: must begin with https://"),
        ("language", "no language", "language: must be a code such as de"),
        ("expires_on", "31.1.2027", "last day: must be a date"),
        ("visibility", "everyone", "visibility: must be one of those"),
    ],
)
async def test_a_wrong_field_saves_nothing_and_says_what_is_wrong(
    instance: Instance, anna: FormClient, field: str, value: str, problem: str
) -> None:
    seen = await anna.send(NEW, NEW, FIELDS | {field: value})
    assert seen.status == 422
    assert seen.news.startswith("Nothing was saved.")
    assert problem in seen.news.replace("Nothing was saved. ", "").lower()
    assert (await instance.admin("GET", "/knowledge")).body["items"] == []


async def test_a_title_that_is_taken_does_not_replace_the_document(instance: Instance, anna: FormClient) -> None:
    await anna.send(NEW, NEW, FIELDS)
    again = await anna.send(NEW, NEW, FIELDS | {"body": "# Shipping\n\nSomething else.\n"})
    assert (again.status, "a document with this id exists already" in again.news.lower()) == (422, True)
    assert "heat pack" in (await instance.admin("GET", "/knowledge/shipping")).body["body"]


async def test_visibility_and_expiry_decide_who_finds_it(instance: Instance, anna: FormClient) -> None:
    await anna.send(NEW, NEW, FIELDS | {"visibility": "verified", "expires_on": "2026-05-10"})
    asked = {"query": "heat pack in winter", "assurance": "verified"}
    assert (await instance.admin("POST", "/knowledge/search", asked)).body["passages"] != []
    assert (await instance.admin("POST", "/knowledge/search", {"query": "heat pack"})).body["passages"] == []
    instance.clock.tick(6 * 24 * 3600)
    assert (await instance.admin("POST", "/knowledge/search", asked)).body["passages"] != [], "until the day's end"
    instance.clock.tick(24 * 3600)
    assert (await instance.admin("POST", "/knowledge/search", asked)).body["passages"] == []
    await anna.sign_in("anna")
    assert "expired" in (await anna.get(f"{LIST}?state=expired")).words
    assert "No document matches" in (await anna.get(f"{LIST}?state=expiring")).words
    assert "nothing finds it" in (await anna.get(place("shipping"))).words


async def test_the_list_is_searched_and_filtered(instance: Instance, anna: FormClient) -> None:
    await anna.send(NEW, NEW, FIELDS)
    for name, more in (
        ("returns", {"source": "https://shop.example/help"}),
        ("salaries", {"visibility": "internal"}),
    ):
        await instance.admin("PUT", f"/knowledge/{name}", {"title": name.title(), "body": "Text.", **more})
    for query, found in (
        ("q=SHIP", ["Shipping"]),
        ("q=turn", ["Returns"]),
        ("source=own", ["Salaries", "Shipping"]),
        ("source=https://shop.example/help", ["Returns"]),
        ("visibility=internal", ["Salaries"]),
        ("state=expired", []),
        ("", ["Returns", "Salaries", "Shipping"]),
    ):
        seen = await anna.get(f"{LIST}?{query}")
        assert [name for name in ("Returns", "Salaries", "Shipping") if f">{name}</a>" in seen.text] == found, query


async def test_two_people_who_edit_at_once_do_not_undo_each_other(
    instance: Instance, anna: FormClient, ben: FormClient
) -> None:
    await anna.send(NEW, NEW, FIELDS)
    opened = await anna.get(place("shipping", "edit"))
    assert (await edit(ben, "shipping", body=BODY.replace("4.50", "5"))).news.startswith("Published")
    late = await anna.post(
        place("shipping", "edit"),
        FIELDS | {"csrf": opened.field("csrf"), "replaces": opened.field("replaces"), "body": "Mine.\n"},
    )
    assert late.status == 422
    assert "changed meanwhile by Ben" in late.news
    assert ">\nMine.\n</textarea>" in late.text, "what she typed is still there"
    assert "for 5 euro" in (await instance.admin("GET", "/knowledge/shipping")).body["body"]


async def test_an_earlier_version_is_shown_compared_and_restored(
    instance: Instance, anna: FormClient, ben: FormClient
) -> None:
    await anna.send(NEW, NEW, FIELDS)
    first = (await instance.admin("GET", "/knowledge/shipping")).body["version"]
    await edit(ben, "shipping", body=BODY.replace("4.50", "5"), title="Delivery", visibility="verified")
    seen = await anna.get(place("shipping"))
    assert "Ben title, from “Shipping”; text; visibility, public → verified" in seen.words
    earlier = await anna.get(place("shipping", "versions", str(first)))
    assert "Then: In winter we add a heat pack to every parcel for 4.50 euro." in earlier.words
    assert "Now: In winter we add a heat pack to every parcel for 5 euro." in earlier.words
    restored = await anna.send(
        place("shipping", "versions", str(first)), place("shipping", "restore"), {"version": str(first)}
    )
    assert restored.news == "The earlier version is published again."
    now = (await instance.admin("GET", "/knowledge/shipping")).body
    assert (now["title"], now["visibility"], now["changed_by"]) == ("Shipping", "public", "Anna Bloom")
    assert now["body"] == BODY
    assert "Delivery" in (await anna.get(place("shipping"))).words, "the version in between is still listed"
    assert (await anna.get(place("shipping", "versions", "999"))).status == 404


async def test_versions_survive_a_restart_and_a_lost_index(tmp_path: Path) -> None:
    """They are on the log, in the document's own record."""
    async with run_instance(tmp_path, TEXT) as instance, FormClient(instance) as seat:
        await seat.sign_in("anna")
        await seat.send(NEW, NEW, FIELDS)
        first = (await instance.admin("GET", "/knowledge/shipping")).body["version"]
        await edit(seat, "shipping", body=BODY.replace("4.50", "5"))
    for path in sorted((tmp_path / "index").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    async with run_instance(tmp_path, TEXT) as instance, FormClient(instance) as seat:
        await seat.sign_in("anna")
        assert "4.50 euro" in (await seat.get(place("shipping", "versions", str(first)))).words


async def test_a_document_of_a_source_is_read_only_here(tmp_path: Path) -> None:
    text = TEXT.replace("  other:", "    knowledge: {websites: ['https://shop.example/help']}\n  other:")
    async with run_instance(tmp_path, text) as instance, FormClient(instance) as seat:
        await seat.sign_in("anna")
        page = {"title": "Help", "body": BODY, "url": "https://shop.example/help/1"}
        await instance.admin("PUT", "/knowledge/help", page | {"source": "https://shop.example/help"})
        await instance.admin("PUT", "/knowledge/orphan", page | {"source": "https://other.example"})
        await instance.settled()
        seen = await seat.get(place("help"))
        assert "This document comes from https://shop.example/help, and is edited there." in seen.words
        assert ">Open it there</a>" in seen.text
        assert "/edit" not in seen.text
        assert "/delete" not in seen.text
        csrf = (await seat.get(LIST)).field("csrf")
        for form in ("edit", "restore", "delete"):
            assert (await seat.post(place("help", form), FIELDS | {"csrf": csrf, "sure": "yes"})).status == 409
        assert (await seat.get(place("help", "edit"))).status == 409
        assert (await instance.admin("GET", "/knowledge/help")).body["body"] == BODY
        freed = await edit(seat, "orphan", title="Ours")
        assert freed.news.startswith("Published")
        assert (await instance.admin("GET", "/knowledge/orphan")).body["source"] == ""


async def test_a_document_is_deleted_only_with_the_box_ticked(instance: Instance, anna: FormClient) -> None:
    await anna.send(NEW, NEW, FIELDS)
    refused = await anna.send(place("shipping"), place("shipping", "delete"), {})
    assert refused.status == 409
    done = await anna.send(place("shipping"), place("shipping", "delete"), {"sure": "yes"})
    assert done.news == "Deleted."
    assert (await anna.get(place("shipping"))).status == 404
    assert (await instance.admin("POST", "/knowledge/search", {"query": "heat pack"})).body["passages"] == []


async def test_a_draft_is_found_by_nobody_until_it_is_published(instance: Instance, anna: FormClient) -> None:
    saved = await anna.send(NEW, NEW, FIELDS | {"act": "draft"})
    assert saved.news == "Saved as a draft. No customer sees it before you publish it."
    asked = {"query": "heat pack in winter", "assurance": "verified"}
    assert (await instance.admin("POST", "/knowledge/search", asked)).body["passages"] == []
    assert ">Shipping</a>" in (await anna.get(f"{LIST}?state=drafts")).text
    published = await edit(anna, "shipping.draft")
    assert published.url.startswith(place("shipping?"))
    assert [item["document"] for item in (await instance.admin("GET", "/knowledge")).body["items"]] == ["shipping"]
    assert (await instance.admin("POST", "/knowledge/search", asked)).body["passages"] != []


async def test_a_draft_of_a_published_document_leaves_it_as_it_is(instance: Instance, anna: FormClient) -> None:
    await anna.send(NEW, NEW, FIELDS)
    await edit(anna, "shipping", act="draft", body=BODY.replace("4.50", "9"))
    assert "4.50" in (await instance.admin("GET", "/knowledge/shipping")).body["body"]
    seen = await anna.get(place("shipping"))
    assert "There is a draft of this document." in seen.words
    assert "for 9 euro" in (await anna.get(place("shipping", "edit"))).text, "editing goes on where it was left"
    discarded = await anna.send(place("shipping.draft"), place("shipping.draft", "delete"), {})
    assert discarded.news == "The draft is discarded."
    assert "4.50" in (await anna.get(place("shipping", "edit"))).text


async def test_a_suggested_draft_says_why(instance: Instance, anna: FormClient) -> None:
    proposal = {"document": "pots", "visibility": "public", "origin": "insights", "reason": "Asked 12 times this week."}
    body = {"title": "Pots", "body": BODY, "proposal": proposal}
    assert (await instance.admin("PUT", "/knowledge/pots.draft", body)).status == 200
    await instance.settled()
    assert "Suggested by insights. Asked 12 times this week." in (await anna.get(place("pots.draft"))).words
    assert (await instance.admin("GET", "/knowledge/pots.draft")).body["visibility"] == "internal"
    await edit(anna, "pots.draft", title="Pots", act="draft")
    kept = (await instance.admin("GET", "/knowledge/pots.draft")).body["proposal"]
    assert kept == proposal, "an edit keeps where it came from"
    assert (await instance.admin("PUT", "/knowledge/pots", body)).status == 422, "it would hide the document itself"


QUESTION = "How much does a heat pack cost in winter?"
HEAT = "# Shipping\n\n## How much does a heat pack cost in winter?\n\nA heat pack costs 4.50 euro in winter.\n"


async def test_a_question_is_answered_with_and_without_the_draft(
    instance: Instance, anna: FormClient, tmp_path: Path
) -> None:
    """Side by side; nothing is stored, and what customers get stays as it is."""
    await anna.send(NEW, NEW, FIELDS | {"body": HEAT})
    tried = await edit(
        anna, "shipping", act="try", body=HEAT.replace("4.50", "6"), question=QUESTION, asker="anonymous"
    )
    assert "The answer changes" in tried.words
    assert re.search(r"Now A heat pack costs 4.50 euro in winter.*With your text A heat pack costs 6 euro", tried.words)
    assert "for 6 euro" not in (await instance.admin("GET", "/knowledge/shipping")).body["body"]
    same = await edit(anna, "shipping", act="try", body=HEAT, question=QUESTION)
    assert "The answer stays the same" in same.words
    assert (await edit(anna, "shipping", act="try", body=HEAT, question=" ")).status == 422
    found = (await instance.admin("POST", "/knowledge/search", {"query": QUESTION})).body
    assert "4.50" in found["passages"][0]["text"]
    assert list((tmp_path / "index").glob("trial-*")) == []


async def test_a_trial_respects_visibility_and_language_and_starts_from_nothing(
    instance: Instance, anna: FormClient
) -> None:
    for visibility, asker, answered in (
        ("public", "anonymous", True),
        ("verified", "anonymous", False),
        ("verified", "verified", True),
        ("internal", "verified", False),
    ):
        fields = {"act": "try", "body": HEAT, "question": QUESTION, "visibility": visibility, "asker": asker}
        seen = await anna.send(NEW, NEW, FIELDS | fields)
        after = seen.words.partition("With your text")[2]
        assert ("A heat pack costs 4.50 euro" in after.partition("confidence")[0]) is answered, (visibility, asker)
    body = {"title": "Shipping", "body": HEAT, "query": QUESTION}
    tried = (await instance.admin("POST", "/knowledge/shipping/try", body)).body
    assert (tried["before"]["answered"], tried["after"]["answered"]) == (False, True)
    assert tried["after"]["citations"][0]["document"] == "shipping"
    assert (await instance.admin("GET", "/knowledge")).body["items"] == []


async def test_no_answer_of_a_trial_becomes_markup(anna: FormClient) -> None:
    for payload in PAYLOADS[:20]:
        body = f"# Pots\n\n## How much is a pot?\n\nA pot is 5 euro {payload} and comes with a saucer.\n"
        fields = {"act": "try", "body": body, "question": f"How much is a pot? {payload}"}
        seen = await anna.send(NEW, NEW, FIELDS | fields)
        assert seen.status == 200
        assert [each for each in find_injected_elements(seen) if each not in DOCUMENT_ELEMENTS] == [], payload


def files_form(csrf: str, visibility: str, *files: tuple[str, bytes]) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("csrf", csrf)
    form.add_field("visibility", visibility)
    for name, data in files:
        form.add_field("files", data, filename=name)
    return form


async def upload(seat: FormClient, *files: tuple[str, bytes], visibility: str = "public") -> ShownPage:
    csrf = (await seat.get(f"{LIST}/upload")).field("csrf")
    return await seat.post(f"{LIST}/upload", files_form(csrf, visibility, *files))


async def test_uploaded_files_become_documents(instance: Instance, anna: FormClient) -> None:
    rows = b"question,answer\nDo you ship to Malta?,Yes.\nCan I pay by card?,Of course.\n"
    seen = await upload(
        anna,
        ("Winter care.md", b"---\nvisibility: verified\n---\n# Winter\n\nWe add a heat pack.\n"),
        ("faq.csv", rows),
        ("terms.docx", docx(paragraph("Terms", "Heading1") + paragraph("You can return plants within 30 days."))),
        visibility="internal",
    )
    assert (seen.status, seen.news) == (200, "Published. The next answer uses it.")
    items = {item["document"]: item for item in (await instance.admin("GET", "/knowledge")).body["items"]}
    assert len(items) == 4
    assert (items["winter-care"]["visibility"], items["terms"]["visibility"]) == ("verified", "internal")
    assert {item["changed_by"] for item in items.values()} == {"Anna Bloom"}


async def test_a_file_that_cannot_be_read_leaves_the_others_alone(instance: Instance, anna: FormClient) -> None:
    seen = await upload(anna, ("a.exe", b"MZ"), ("broken.pdf", b"%PDF-1.7 broken"), ("fine.txt", b"Fine text."))
    assert seen.news == "2 of 3 files could not be read."
    assert "files ending in .exe are not read" in seen.words
    assert [item["document"] for item in (await instance.admin("GET", "/knowledge")).body["items"]] == ["fine"]


async def test_an_upload_replaces_the_document_of_its_name_and_keeps_the_earlier_version(
    instance: Instance, anna: FormClient
) -> None:
    await upload(anna, ("fine.txt", b"Fine text."))
    first = (await instance.admin("GET", "/knowledge/fine")).body["version"]
    await upload(anna, ("fine.txt", b"Finer text."))
    assert "Fine text." in (await anna.get(place("fine", "versions", str(first)))).words


async def test_an_upload_needs_the_sessions_token_before_any_file_is_read(instance: Instance, anna: FormClient) -> None:
    refused = await anna.post(f"{LIST}/upload", files_form("wrong", "public", ("fine.txt", b"Fine text.")))
    assert refused.status == 403
    assert (await instance.admin("GET", "/knowledge")).body["items"] == []


async def test_no_form_works_without_the_sessions_token_or_for_another_tenant(
    instance: Instance, anna: FormClient, ben: FormClient
) -> None:
    await anna.send(NEW, NEW, FIELDS)
    for path in (NEW, place("shipping", "edit"), place("shipping", "delete"), place("shipping", "restore")):
        assert (await anna.post(path, FIELDS | {"csrf": "x", "sure": "yes"})).status == 403, path
        assert (await anna.post(path, FIELDS, headers={"Origin": "https://evil.example"})).status == 403, path
    csrf = (await ben.get(LIST)).field("csrf")
    for path in (NEW, place("shipping"), place("shipping", "edit"), place("shipping", "versions", "1")):
        assert (await ben.get(path.replace("/shop/", "/other/"))).status == 404, path
    for path in (NEW, place("shipping", "edit"), place("shipping", "delete"), place("shipping", "restore")):
        assert (await ben.post(path.replace("/shop/", "/other/"), FIELDS | {"csrf": csrf})).status == 404, path
    async with FormClient(instance) as stranger:
        seen = await stranger.get(place("shipping"))
        assert "Password" in seen.words


async def test_a_page_says_where_a_document_was_cited(instance: Instance, anna: FormClient) -> None:
    await anna.send(NEW, NEW, FIELDS)
    version = (await instance.admin("GET", "/knowledge/shipping")).body["version"]
    assert "No answer has cited it" in (await anna.get(place("shipping"))).words
    talk = await instance.conversation("visitor-1")
    cited = Citation(n=1, document="shipping", title="Shipping", version=version, quote="a heat pack")
    line = TranscriptMessage(
        seq=0,
        id="answer-1",
        author=Author(kind="agent"),
        text="Yes [1]",
        citations=[cited, cited],
        created_at=instance.clock(),
    )
    await instance.services.state.transcript.add(talk.id, line)
    instance.clock.tick(61)
    seen = await anna.get(place("shipping"))
    assert "Cited in 1 answer," in seen.words
    assert f'href="/console/shop/conversations/{talk.id}"' in seen.text
    assert "Counted in all conversations (1)." in seen.words


HOSTILE = [
    "[x](javascript:pwned())",
    "[x](data:text/html,<script>pwned()</script>)",
    "![x](https://evil.example/a.png)",
    "<javascript:pwned()>",
    "| a |\n|---|\n| <img src=x onerror=pwned()> |",
    "```\n</code></pre><script>pwned()</script>\n```",
    "# <svg onload=pwned()>\n\ntext",
    "[a]: javascript:pwned()\n\n[a]",
]


async def test_no_text_of_a_document_becomes_markup(instance: Instance, anna: FormClient) -> None:
    for number, payload in enumerate([*PAYLOADS, *HOSTILE]):
        name = f"hostile-{number}"
        document = {"title": f"T {payload}"[:300].replace("\n", " "), "body": f"{payload}\n\nA text.\n"}
        assert (await instance.admin("PUT", f"/knowledge/{name}", document)).status == 200
        await instance.settled()
        await instance.admin("PUT", f"/knowledge/{name}", document | {"body": f"{payload}\n\nAnother text.\n"})
        await instance.settled()
        versions = (await instance.admin("GET", f"/knowledge/{name}/versions")).body["items"]
        earlier = place(name, "versions", str(versions[1]["version"]))
        for path in (place(name), place(name, "edit"), earlier):
            seen = await anna.get(path)
            assert seen.status == 200
            assert [each for each in find_injected_elements(seen) if each not in DOCUMENT_ELEMENTS] == [], payload
            assert "<img" not in seen.text
        previewed = await anna.send(NEW, NEW, FIELDS | {"act": "preview", "body": payload + "\n\nA text."})
        assert [each for each in find_injected_elements(previewed) if each not in DOCUMENT_ELEMENTS] == [], payload


DOCUMENT_ELEMENTS = {"h3", "h4", "h5", "h6", "article", "fieldset", "legend"}
"""Elements that only these pages have."""
