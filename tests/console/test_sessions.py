"""Sign-in to the console: credentials, lifetime of sessions, and security headers."""

from __future__ import annotations

from pathlib import Path

import pytest
from yarl import URL

from gateway.config.operators import hash_password, verify_password
from gateway.console.guard import LIVE_HEADER
from gateway.console.sessions import LIFETIME
from tests.console.conftest import TEXT, Sit, hash_quickly
from tests.console.form_client import PASSWORDS, TOKEN, FormClient
from tests.unit.gateway.conftest import Instance, run_instance

LIST = "/console/shop/conversations"
IDLE = 3600
"""Seconds, the default of `console.idle_minutes`."""
PAGES = (LIST, "/console/shop/deadletters", "/console/shop/knowledge", "/console/shop/access", f"{LIST}/some-id")
FORMS = (
    "/console/session/end",
    f"{LIST}/some-id/owner",
    f"{LIST}/some-id/messages",
    f"{LIST}/some-id/approvals/one",
    "/console/shop/deadletters",
    "/console/shop/knowledge",
    "/console/shop/access",
    "/console/shop/access/some-id/revoke",
)


def test_a_password_fits_its_own_hash_alone() -> None:
    kept = hash_password("correct horse battery staple")
    assert verify_password("correct horse battery staple", kept)
    assert not verify_password("correct horse battery stapl", kept)
    assert not verify_password("", kept)
    assert kept != hash_password("correct horse battery staple"), "each has a salt of its own"


async def test_the_admin_token_opens_the_console_and_so_does_a_name_with_its_password(sit: Sit) -> None:
    for name in ("", "anna", "ben", " ANNA "):
        seat = await sit()
        seen = await seat.sign_in(name, PASSWORDS.get(name.strip().lower(), TOKEN))
        assert (seen.status, seen.url) == (200, LIST)
    assert "Anna Bloom" in (await (await sit("anna")).get(LIST)).words


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("", "the-admin-toke"),
        ("", "x"),
        ("anna", TOKEN),
        ("anna", PASSWORDS["ben"]),
        ("nobody", PASSWORDS["anna"]),
        ("admin", "x"),
        ("\x00", "x"),
        ("é" * 2000, "ü" * 2000),
    ],
)
async def test_anything_else_does_not(sit: Sit, name: str, secret: str) -> None:
    seat = await sit()
    seen = await seat.sign_in(name, secret)
    assert seen.status == 401
    assert seat.cookie == ""
    assert secret not in seen.text or secret == "x"


async def test_an_address_with_a_slash_at_its_end_leads_to_the_console(sit: Sit) -> None:
    seat = await sit()
    page = await seat.get("/console/")
    assert (page.status, page.url) == (200, "/console")


async def test_an_unknown_name_is_refused_in_the_same_words_as_a_wrong_password(sit: Sit) -> None:
    seat = await sit()
    answers = [await seat.sign_in(name, "wrong-password") for name in ("anna", "nobody")]
    assert answers[0].text.replace("anna", "nobody") == answers[1].text


async def test_an_anonymous_request_is_redirected_to_the_sign_in_and_back(sit: Sit) -> None:
    seat = await sit()
    for path in PAGES:
        seen = await seat.get(path)
        assert (seen.status, seen.url.partition("?")[0]) == (200, "/console"), path
        assert seen.field("next") == path
        assert "conversations, newest" not in seen.words
    wanted = f"{LIST}?state=queue"
    back = await seat.post("/console/session", {"name": "anna", "secret": PASSWORDS["anna"], "next": wanted})
    assert back.url == wanted


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example", "/console/\\evil", "javascript:x", "/v1/openapi.json", "/console"],
)
async def test_after_signing_in_nobody_is_led_elsewhere(sit: Sit, wanted: str) -> None:
    seat = await sit()
    fields = {"name": "anna", "secret": PASSWORDS["anna"], "next": wanted}
    seen = await seat.post("/console/session", fields, allow_redirects=False)
    assert (seen.status, seen.headers["Location"]) == (303, LIST)


async def test_no_form_works_without_a_session(sit: Sit) -> None:
    seat = await sit()
    for path in FORMS:
        assert (await seat.post(path, {"csrf": "x"})).status == 401, path


async def test_a_session_ends_by_itself(instance: Instance, anna: FormClient) -> None:
    """However much it is used."""
    for _ in range(23):
        instance.clock.tick(1800)
        assert (await anna.get(LIST)).url == LIST
    instance.clock.tick(1799)
    assert (await anna.get(LIST)).url == LIST
    instance.clock.tick(1)
    assert (await anna.get(LIST)).url.startswith("/console?")


async def test_a_session_that_nobody_uses_ends_earlier(instance: Instance, anna: FormClient) -> None:
    instance.clock.tick(IDLE - 1)
    assert (await anna.get(LIST)).url == LIST
    instance.clock.tick(IDLE)
    assert (await anna.get(LIST)).url.startswith("/console?")


async def test_forms_are_use_and_the_polls_of_an_open_page_are_not(instance: Instance, anna: FormClient) -> None:
    instance.clock.tick(IDLE - 60)
    await anna.send(LIST, "/console/shop/knowledge", {"question": "Water?", "as": "anonymous"})
    for _ in range(3):
        instance.clock.tick(IDLE / 3 - 1)
        assert (await anna.get(LIST, headers={LIVE_HEADER: "x"}, allow_redirects=False)).status in (200, 204)
    instance.clock.tick(3)
    assert (await anna.get(LIST, headers={LIVE_HEADER: "x"})).status == 401


async def test_an_older_copy_of_the_cookie_ends_although_the_session_is_used(
    instance: Instance, sit: Sit, anna: FormClient
) -> None:
    copy = {"Cookie": f"parley_console={anna.cookie}"}
    thief = await sit()
    instance.clock.tick(IDLE / 2)
    await anna.get(LIST)
    assert (await thief.get(LIST, headers=copy)).url == LIST
    instance.clock.tick(IDLE / 2)
    assert (await anna.get(LIST)).url == LIST
    assert (await (await sit()).get(LIST, headers=copy)).url.startswith("/console?")


async def test_signing_out_ends_the_session_for_every_copy_of_the_cookie(sit: Sit, anna: FormClient) -> None:
    thief = await sit()
    thief.http.cookie_jar.update_cookies({"parley_console": anna.cookie}, URL(anna.instance.address + "/console"))
    assert (await thief.get(LIST)).url == LIST
    assert (await anna.send(LIST, "/console/session/end", {})).url == "/console"
    assert anna.cookie == ""
    assert (await thief.get(LIST)).url.startswith("/console?")


@pytest.mark.parametrize("change", ["key", "session", "expiry", "use", "signature", "short", "empty", "odd"])
async def test_a_cookie_that_was_tampered_with_opens_nothing(sit: Sit, anna: FormClient, change: str) -> None:
    key, session, expires, active, signature = anna.cookie.split(".")
    forged = {
        "key": f"ben.{session}.{expires}.{active}.{signature}",
        "session": f"{key}.{session}x.{expires}.{active}.{signature}",
        "expiry": f"{key}.{session}.{int(expires) + 1}.{active}.{signature}",
        "use": f"{key}.{session}.{expires}.{int(active) + 1}.{signature}",
        "signature": f"{key}.{session}.{expires}.{active}.{signature[:-1]}",
        "short": f"{key}.{session}",
        "empty": "....",
        "odd": f"{key}.{session}.٣.{active}.{signature}",
    }[change]
    seat = await sit()
    headers = {"Cookie": f"parley_console={forged}"}
    assert (await seat.get(LIST, headers=headers)).url.startswith("/console?")


@pytest.mark.parametrize("after", [TEXT.replace(hash_quickly(PASSWORDS["anna"]), hash_quickly("another-password")), ""])
async def test_a_changed_password_or_a_removed_operator_ends_their_sessions(tmp_path: Path, after: str) -> None:
    """The cookie is of the same key; only who it speaks for is not the same any more."""
    without = TEXT.replace("  anna:", "  anne:")
    (tmp_path / "before").mkdir()
    (tmp_path / "after").mkdir()
    async with run_instance(tmp_path / "before", TEXT) as before, FormClient(before) as seat:
        await seat.sign_in("anna")
        cookie = seat.cookie
        assert cookie
    async with run_instance(tmp_path / "after", after or without) as later, FormClient(later) as seat:
        seen = await seat.get(LIST, headers={"Cookie": f"parley_console={cookie}"})
        assert seen.url.startswith("/console?")


async def test_the_cookie_is_for_the_console_alone_and_out_of_the_reach_of_scripts(sit: Sit) -> None:
    seat = await sit()
    seen = await seat.post("/console/session", {"name": "anna", "secret": PASSWORDS["anna"]}, allow_redirects=False)
    cookie, browser = seen.headers.getall("Set-Cookie")
    flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/console", f"max-age={int(LIFETIME.total_seconds())}"} <= flags
    assert "secure" not in flags, "this installation is reached without TLS"
    assert {"HttpOnly", "SameSite=Strict", "Path=/console/session"} <= {part.strip() for part in browser.split(";")}


async def test_behind_https_the_cookie_travels_by_https_alone(tmp_path: Path) -> None:
    async with (
        run_instance(tmp_path, TEXT + "public_url: https://support.example.com\n") as secured,
        FormClient(secured) as seat,
    ):
        seen = await seat.sign_in("anna", allow_redirects=False)
        assert "; secure" in seen.headers["Set-Cookie"].lower()


async def test_every_page_has_a_strict_policy_and_is_kept_by_nobody(anna: FormClient, sit: Sit) -> None:
    stranger = await sit()
    answers = [await anna.get(path) for path in PAGES] + [
        await stranger.get("/console"),
        await stranger.post(FORMS[0], {}),
    ]
    for seen in answers:
        policy = seen.headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy
        assert seen.headers["Cache-Control"] == "no-store"
        assert seen.headers["X-Content-Type-Options"] == "nosniff"
        assert seen.headers["X-Frame-Options"] == "DENY"
        for name, attributes in seen.elements():
            assert name not in ("style", "base", "iframe", "object")
            assert "style" not in attributes
            assert not any(attribute.startswith("on") for attribute in attributes)
            for attribute in ("src", "href", "action"):
                if name != "a" and attributes.get(attribute):
                    assert str(attributes[attribute]).startswith("/console"), "nothing is asked of anybody else"


async def test_operators_see_their_own_tenants_alone(instance: Instance, ben: FormClient, anna: FormClient) -> None:
    theirs = (await instance.conversation(tenant="other")).id
    assert (await anna.get("/console/other/conversations")).status == 200
    assert "/console/other/conversations" in (await anna.get(LIST)).text
    assert "/console/other/conversations" not in (await ben.get(LIST)).text
    for path in ("conversations", f"conversations/{theirs}", "deadletters", "knowledge"):
        other, unknown = await ben.get(f"/console/other/{path}"), await ben.get(f"/console/nobody/{path}")
        assert (other.status, other.text) == (404, unknown.text)
    refused = await ben.send(LIST, f"/console/other/conversations/{theirs}/owner", {"to": "person", "epoch": "0"})
    assert refused.status == 404
    assert await instance.logged("parley.inbound.web") == []
    # Nor under the address of a tenant that is theirs.
    assert (await ben.get(f"{LIST}/{theirs}")).status == 404


async def test_the_files_of_the_console_are_kept_by_browsers_until_they_change(anna: FormClient) -> None:
    page = await anna.get(LIST)
    addresses = [str(a.get("href") or a.get("src")) for n, a in page.elements() if n in ("link", "script")]
    assert len(addresses) == 3
    for address in addresses:
        seen = await anna.get(address)
        assert (seen.status, "immutable" in seen.headers["Cache-Control"]) == (200, True)
    assert (await anna.get("/console/assets/nothing.js")).status == 404
