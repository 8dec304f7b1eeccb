"""Documents at the console, and what the agent would have for a question."""

from __future__ import annotations

import re

import pytest

from tests.console.form_client import FormClient
from tests.unit.gateway.conftest import Instance

PATH = "/console/shop/knowledge"
BODY = "# Shipping\n\n## Winter\n\nIn winter we add a heat pack to every parcel for 4.50 euro.\n"


async def put(instance: Instance, name: str, **more: str) -> None:
    await instance.admin("PUT", f"/knowledge/{name}", {"title": name.title(), "body": BODY} | more)
    await instance.settled()


async def test_documents_are_listed_with_whom_they_are_for(instance: Instance, anna: FormClient) -> None:
    await put(instance, "shipping", url="https://shop.example/shipping")
    await put(instance, "notes", visibility="internal")
    seen = await anna.get(PATH)
    assert "Documents (2)" in seen.words
    assert "Notes notes internal" in seen.words
    assert 'href="https://shop.example/shipping"' in seen.text
    assert "No documents yet" in (await anna.get("/console/other/knowledge")).words


async def test_a_question_shows_the_passages_with_scores_and_who_would_answer_and_why(
    instance: Instance, anna: FormClient
) -> None:
    await put(instance, "shipping")
    seen = await anna.send(PATH, PATH, {"question": "Do you add a heat pack in winter?", "as": "anonymous"})
    assert seen.status == 200
    for there in ("In winter we add a heat pack to every parcel", " · shipping, version 1", "Route local"):
        assert there in seen.words, there
    assert re.search(r"Score [01]\.\d\d · shipping", seen.words)
    assert re.search(r"The documents contain an answer (yes|no) Confidence in the answer [01]\.\d\d", seen.words)
    assert ">\nDo you add a heat pack in winter?</textarea>" in seen.text
    assert "question=" not in seen.url, "what was asked stands in no address"
    assert await instance.logged("parley.inbound.web") == []


async def test_a_question_finds_what_such_a_contact_may_see(instance: Instance, anna: FormClient) -> None:
    await put(instance, "terms", visibility="verified")
    await put(instance, "notes", visibility="internal")
    question = "Do you add a heat pack in winter?"
    for whom, seen_by_them in (("anonymous", False), ("verified", True)):
        seen = await anna.send(PATH, PATH, {"question": question, "as": whom})
        assert ("terms, version 1" in seen.words) is seen_by_them
        assert "notes, version 1" not in seen.words


@pytest.mark.parametrize("question", ["", "  ", "x" * 8001])
async def test_no_question_is_no_answer(anna: FormClient, question: str) -> None:
    assert (await anna.send(PATH, PATH, {"question": question})).status == 400
