"""CORS: which sites may call the chat from a browser."""

from __future__ import annotations

import pytest

from connectors.web.settings import WebAccount
from gateway.config.settings import Config
from gateway.webchat.origins import OriginPolicy, normalize_origin
from tests.unit.webchat.conftest import CONFIG, Shop

GOOD, BAD = "https://shop.example", "https://evil.example"


async def test_a_preflight_is_answered_for_a_listed_site_only(shop: Shop) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    for path in ("sessions", "messages", "attachments"):
        good = await shop.call("OPTIONS", f"/v1/chat/fenced/{path}", headers={"Origin": GOOD, **asked})
        assert good.status == 204
        assert good.headers["Access-Control-Allow-Origin"] == GOOD
        assert good.headers["Access-Control-Allow-Methods"] == "GET, POST, DELETE"
        assert "authorization" in good.headers["Access-Control-Allow-Headers"].lower()
        assert good.headers["Vary"] == "Origin"
        bad = await shop.call("OPTIONS", f"/v1/chat/fenced/{path}", headers={"Origin": BAD, **asked})
        assert (bad.status, bad.code) == (403, "forbidden")
        assert "Access-Control-Allow-Origin" not in bad.headers


async def test_a_listed_site_can_read_answers_and_errors_and_another_gets_neither(shop: Shop) -> None:
    good = await shop.start("fenced", headers={"Origin": GOOD})
    assert (good.status, good.headers["Access-Control-Allow-Origin"]) == (201, GOOD)
    assert "Retry-After" in good.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in good.headers
    failed = await shop.call("GET", "/v1/chat/fenced/messages", headers={"Origin": GOOD})
    assert (failed.status, failed.headers["Access-Control-Allow-Origin"]) == (401, GOOD)
    bad = await shop.start("fenced", headers={"Origin": BAD})
    assert (bad.status, bad.code) == (403, "forbidden")
    assert "Access-Control-Allow-Origin" not in bad.headers


async def test_a_stolen_token_does_not_work_from_another_site(shop: Shop) -> None:
    visitor = await shop.visitor("fenced")
    for method, path in (("GET", "messages"), ("POST", "messages"), ("POST", "attachments")):
        answer = await visitor.call(method, path, headers={"Origin": BAD})
        assert (answer.status, answer.code) == (403, "forbidden")


async def test_the_accounts_own_list_decides_where_another_account_is_open(shop: Shop) -> None:
    assert (await shop.start(account="strict", headers={"Origin": BAD})).status == 403
    assert (await shop.start(account="main", headers={"Origin": BAD})).status == 201


async def test_a_star_admits_every_site(shop: Shop) -> None:
    for origin in (BAD, "null", "http://localhost:3000"):
        answer = await shop.start(headers={"Origin": origin})
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (201, origin)


async def test_a_client_without_an_origin_header_is_accepted(shop: Shop) -> None:
    assert (await shop.start("fenced")).status == 201


def test_the_page_of_the_installation_itself_is_always_allowed() -> None:
    origins = OriginPolicy(Config.model_validate(CONFIG | {"public_url": "https://Support.example/"}))
    account = WebAccount(origins=[GOOD])
    for own in ("https://support.example", "http://127.0.0.1:8080", "http://localhost:8080"):
        assert origins.allows(own, account)
    assert not origins.allows("http://127.0.0.1:9999", account)


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("https://Shop.Example", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("https://shop.example:8443", "https://shop.example:8443"),
        ("http://[::1]:80", "http://[::1]"),
        ("https://shop.example/path", ""),
        ("https://user@shop.example", ""),
        ("https://shop.example:x", ""),
        ("file://", ""),
        ("null", ""),
        ("https://", ""),
        ("javascript:alert(1)", ""),
        ("https://shop.example?x", ""),
    ],
)
def test_only_a_plain_web_origin_is_one(origin: str, expected: str) -> None:
    assert normalize_origin(origin) == expected
