"""Nothing is changed by a form that is not of the session that sends it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.console.form_client import FormClient, talk
from tests.unit.gateway.conftest import Instance

LIST = "/console/shop/conversations"


@pytest.fixture
async def conversation(instance: Instance) -> str:
    return (await instance.conversation()).id


def forms_by_address(conversation: str) -> dict[str, dict[str, Any]]:
    """Every form that changes something, by its address."""
    return {
        talk(conversation, "owner"): {"to": "person", "epoch": "0"},
        talk(conversation, "messages"): {"text": "Hello", "client_msg_id": "m1"},
        talk(conversation, "approvals", "one"): {"decision": "approve"},
        "/console/shop/deadletters": {"letter": "dead-1", "act": "replay"},
        "/console/shop/knowledge": {"question": "Hello?"},
        "/console/session/end": {},
    }


async def assert_nothing_changed(instance: Instance, seat: FormClient) -> None:
    assert await instance.logged("parley.inbound.web") == []
    assert (await seat.get(LIST)).url == LIST, "still signed in"


@pytest.mark.parametrize("token", [None, "", "x", "🌱"])
async def test_a_form_without_the_sessions_token_changes_nothing(
    instance: Instance, anna: FormClient, conversation: str, token: str | None
) -> None:
    for path, fields in forms_by_address(conversation).items():
        given = (
            fields if token is None else {"csrf": token.encode("utf-16", "surrogatepass").decode("utf-16"), **fields}
        )
        assert (await anna.post(path, given)).status == 403, path
    await assert_nothing_changed(instance, anna)


async def test_a_form_with_somebody_elses_token_changes_nothing(
    instance: Instance, anna: FormClient, ben: FormClient, conversation: str
) -> None:
    theirs = (await ben.get(LIST)).field("csrf")
    assert theirs != (await anna.get(LIST)).field("csrf")
    for path, fields in forms_by_address(conversation).items():
        assert (await anna.post(path, {"csrf": theirs, **fields})).status == 403, path
    await assert_nothing_changed(instance, anna)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://[::1"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
async def test_a_form_that_another_site_sends_changes_nothing_whatever_it_knows(
    instance: Instance, anna: FormClient, conversation: str, headers: dict[str, str]
) -> None:
    csrf = (await anna.get(LIST)).field("csrf")
    for path, fields in forms_by_address(conversation).items():
        assert (await anna.post(path, {"csrf": csrf, **fields}, headers=headers)).status == 403, path
    await assert_nothing_changed(instance, anna)
    # It cannot sign anybody in either, so that nobody works in a session that is somebody else's.
    assert (await anna.sign_in("ben", headers=headers)).status == 403


async def test_a_form_of_our_own_page_is_taken(instance: Instance, anna: FormClient, conversation: str) -> None:
    for number, headers in enumerate(({"Sec-Fetch-Site": "same-origin"}, {"Origin": instance.address}, {})):
        fields = {"to": "person", "epoch": str(number)}
        assert (await anna.send(talk(conversation), talk(conversation, "owner"), fields, headers=headers)).status == 200
        now = await instance.services.state.conversations.get(conversation)
        assert now is not None
        assert now.epoch == number + 1


@pytest.mark.parametrize(
    ("data", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"csrf", "text/plain", 415),
        (b"\xff\xfe=1", "application/x-www-form-urlencoded", 400),
        (b"a&b", "application/x-www-form-urlencoded", 400),
        (b"a=1&" * 400, "application/x-www-form-urlencoded", 400),
        (b"a=" + b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"", "application/x-www-form-urlencoded", 403),
        (b"nothing", "multipart/form-data; boundary=x", 400),
        (b"nothing", "multipart/form-data", 400),
    ],
)
async def test_a_broken_form_is_refused(anna: FormClient, data: bytes, kind: str, status: int) -> None:
    seen = await anna.post("/console/shop/knowledge", data, headers={"Content-Type": kind})
    assert seen.status == status
