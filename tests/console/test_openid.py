"""Signing in to the console at a real OpenID provider: the way there, what comes back, and what is refused."""

from __future__ import annotations

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urljoin, urlsplit

import pytest
from aiohttp import web
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import ECKey
from playwright.async_api import Browser

from gateway.config import loader
from gateway.console.openid import CALLBACK_PATH
from gateway.http.app import build_app, run_server
from infra.deploy.process import free_port
from schemas.errors import ConfigInvalid
from tests.console.conftest import TEXT
from tests.console.form_client import FormClient, ShownPage
from tests.console.test_accessibility import open_page
from tests.simulators.identity_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    PASSWORD,
    IdentityProvider,
    build_person_command,
    list_client_commands,
    serve_identity_provider,
)
from tests.unit.gateway.conftest import Instance, run_instance
from tests.widget.chat_page import Window, expect

LIST = "/console/shop/conversations"
COOKIE = "parley_console_openid"


def configure(issuer: str, port: int, *, client_id: str = CLIENT_ID, secret: str = CLIENT_SECRET) -> str:
    openid = f'{{issuer: "{issuer}", client_id: "{client_id}", client_secret: "{secret}", title: "Our company"}}'
    text = TEXT.replace("name: Anna Bloom", "name: Anna Bloom, identity: Anna@Example.com")
    text = text.replace("operators:\n", "operators:\n  nora: {identity: nora@example.com, tenants: [shop]}\n")
    return f'console: {{url: "http://127.0.0.1:{port}", openid: {openid}}}\n{text}'


@asynccontextmanager
async def run_console(folder: Path, issuer: str, port: int, **client: str) -> AsyncIterator[Instance]:
    """An instance at this port, with the time of day."""
    async with run_instance(folder, configure(issuer, port, **client)) as instance:
        instance.clock.now = datetime.now(UTC)
        async with run_server(build_app(instance.services), "127.0.0.1", port):
            yield Instance(instance.services, instance.http, f"http://127.0.0.1:{port}", instance.clock)


async def list_signed_in(instance: Instance) -> list[Any]:
    items = (await instance.admin("GET", "/audit?action=session.start")).body["items"]
    return [each["subject"] for each in items]


# ── a real provider ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Sites:
    """The provider, and the port at which it leads back to the console."""

    provider: IdentityProvider
    port: int


@pytest.fixture(scope="module")
async def sites(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sites]:
    port = free_port()
    back = f"http://127.0.0.1:{port}{CALLBACK_PATH}"
    clients = [*list_client_commands(back), *list_client_commands(back, client_id="public", secret="")]
    people = [build_person_command(name, f"{name}@example.com") for name in ("anna", "nora", "mallory")]
    async with serve_identity_provider(tmp_path_factory.mktemp("provider"), *clients, *people) as provider:
        yield Sites(provider, port)


@pytest.fixture
async def console(sites: Sites, tmp_path: Path) -> AsyncIterator[Instance]:
    async with run_console(tmp_path, sites.provider.issuer, sites.port) as instance:
        yield instance


class FormBrowser:
    """Keeps cookies, follows redirects, and fills in forms. ``trail``: the addresses that it was at."""

    def __init__(self, seat: FormClient) -> None:
        self.seat = seat
        self.trail: list[str] = []

    async def open(self, url: str, data: Mapping[str, str] | None = None) -> ShownPage:
        for _ in range(12):
            self.trail.append(url)
            method = "POST" if data is not None else "GET"
            async with self.seat.http.request(method, url, data=data, allow_redirects=False) as answer:
                if answer.status not in (301, 302, 303, 307):
                    return ShownPage(answer.status, await answer.text(), answer.headers, url)
                url, data = urljoin(url, answer.headers["Location"]), None
        raise AssertionError("too many redirects")

    async def submit(self, page: ShownPage, **fields: str) -> ShownPage:
        """Send the page's form with the fields that it has already."""
        elements = page.elements()
        action = next(attributes.get("action") for tag, attributes in elements if tag == "form")
        given = {
            str(attributes["name"]): attributes.get("value") or ""
            for tag, attributes in elements
            if tag == "input" and attributes.get("name")
        }
        return await self.open(urljoin(page.url, action or page.url), given | fields)

    async def sign_in(self, name: str, path: str = "/console/openid") -> ShownPage:
        """Begin at the console, and do what the provider asks for; the page after that."""
        page = await self.open(self.seat.instance.address + path)
        page = await self.submit(page, login=name)
        page = await self.submit(page, password=PASSWORD)
        return await self.submit(page, answer="accept") if 'value="accept"' in page.text else page


Open = Callable[[], FormBrowser]


@pytest.fixture
async def open_browser(console: Instance) -> AsyncIterator[Open]:
    seats = list[FormClient]()

    def opened() -> FormBrowser:
        seats.append(FormClient(console))
        return FormBrowser(seats[-1])

    yield opened
    for seat in seats:
        await seat.http.close()


async def test_whoever_the_provider_knows_as_an_operator_is_signed_in(console: Instance, open_browser: Open) -> None:
    browser = open_browser()
    page = await browser.sign_in("nora", f"/console/openid?next={LIST}%3Fchannel%3Da.b")
    assert "Signed in" in page.words
    assert f'content="0;url={LIST}?channel=a.b"' in page.text
    assert "Nora" in (await browser.seat.get(LIST)).words
    assert (await browser.seat.get("/console/other/conversations")).status == 404
    assert await list_signed_in(console) == ["operator:nora"]
    assert [each.key for each in browser.seat.http.cookie_jar if each.key == COOKIE] == []


async def test_the_provider_is_asked_with_pkce_a_nonce_and_a_state(open_browser: Open) -> None:
    browser = open_browser()
    await browser.open(browser.seat.instance.address + "/console/openid")
    asked = parse_qs(urlsplit(browser.trail[1]).query)
    assert (asked["code_challenge_method"], asked["response_type"]) == (["S256"], ["code"])
    assert {"code_challenge", "nonce", "state"} <= asked.keys()
    assert len(asked["code_challenge"][0]) == 43


async def test_a_public_client_is_protected_by_pkce_alone(sites: Sites, tmp_path: Path) -> None:
    async with run_console(tmp_path, sites.provider.issuer, sites.port, client_id="public", secret="") as console:
        seat = FormClient(console)
        assert "Signed in" in (await FormBrowser(seat).sign_in("anna")).words
        assert await list_signed_in(console) == ["operator:anna"]
        await seat.http.close()


async def test_whoever_is_no_operator_is_not_signed_in(console: Instance, open_browser: Open) -> None:
    browser = open_browser()
    page = await browser.sign_in("mallory")
    assert (page.status, "Nobody with this identity may sign in here." in page.words) == (401, True)
    assert browser.seat.cookie == ""
    assert await list_signed_in(console) == []


async def test_the_way_back_works_once_and_in_the_same_browser_alone(console: Instance, open_browser: Open) -> None:
    browser, thief = open_browser(), open_browser()
    await browser.open(console.address + "/console/openid")
    cookie = next(each.value for each in browser.seat.http.cookie_jar if each.key == COOKIE)
    browser.trail.clear()
    await browser.sign_in("anna")
    back = next(url for url in browser.trail if url.startswith(console.address + CALLBACK_PATH))
    assert "was not begun in this browser" in (await thief.open(back)).words
    again = await thief.seat.get(back.removeprefix(console.address), headers={"Cookie": f"{COOKIE}={cookie}"})
    assert again.status == 401
    assert thief.seat.cookie == ""
    assert await list_signed_in(console) == ["operator:anna"]


async def test_a_sign_in_takes_ten_minutes_at_most(console: Instance, open_browser: Open) -> None:
    browser = open_browser()
    page = await browser.open(console.address + "/console/openid")
    console.clock.tick(601)
    page = await browser.submit(await browser.submit(page, login="anna"), password=PASSWORD)
    if 'value="accept"' in page.text:
        page = await browser.submit(page, answer="accept")
    assert "took longer than ten minutes" in page.words


async def test_a_secret_that_the_provider_does_not_know_signs_nobody_in(sites: Sites, tmp_path: Path) -> None:
    async with run_console(tmp_path, sites.provider.issuer, sites.port, secret="another") as console:
        seat = FormClient(console)
        page = await FormBrowser(seat).sign_in("anna")
        assert (page.status, "does not accept the code" in page.words) == (401, True)
        await seat.http.close()


@pytest.mark.slow
async def test_in_a_real_browser_the_session_is_there_although_another_site_led_to_it(
    browser: Browser, console: Instance
) -> None:
    window = await Window.open(browser, console.address)
    page = await open_page(window, "/console")
    await page.get_by_role("link", name="Our company").click()
    await page.locator("input[name=login]").fill("nora")
    await page.locator("button[type=submit]").last.click()
    await page.locator("input[name=password]").fill(PASSWORD)
    await page.locator("button[type=submit]").last.click()
    accept = page.locator("button[value=accept]")
    heading = page.get_by_role("heading", name="Conversations")
    await expect(accept.or_(heading)).to_be_visible()
    if await accept.count():
        await accept.click()
    await expect(heading).to_be_visible()
    await expect(page.get_by_text("Nora")).to_be_visible()


# ── a hostile provider ─────────────────────────────────────────────────────────────────────────────────────────────


def sign_by_hand(claims: dict[str, Any], secret: bytes) -> str:
    """With HS256, or not at all."""
    header = {"alg": "HS256" if secret else "none", "kid": "first"}
    text = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{text}.{encode(hmac.digest(secret, text.encode(), 'sha256')) if secret else ''}"


def encode(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


@dataclass
class HostileProvider:
    """Answers with a token that is genuine but for what ``alter`` changes."""

    port: int = field(default_factory=free_port)
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "first"}))
    alter: Callable[[dict[str, Any], dict[str, Any]], Any] = lambda header, claims: None
    signer: ECKey | bytes | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    exchanged: dict[str, str] = field(default_factory=dict)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[HostileProvider]:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._describe)
        app.router.add_get("/keys", self._list_keys)
        app.router.add_post("/token", self._exchange)
        async with run_server(app, "127.0.0.1", self.port):
            yield self

    async def _describe(self, _request: web.Request) -> web.Response:
        base = {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys", "token_endpoint": f"{self.issuer}/token"}
        return web.json_response(base | {"authorization_endpoint": f"{self.issuer}/authorize"} | self.metadata)

    async def _list_keys(self, _request: web.Request) -> web.Response:
        return web.json_response({"keys": [self.key.as_dict(private=False)]})

    async def _exchange(self, request: web.Request) -> web.Response:
        self.exchanged = dict(await request.post())  # type: ignore[arg-type]
        now = int(time.time())
        header = {"alg": "ES256", "kid": "first"}
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "sub": "1", "iat": now, "exp": now + 300}
        claims |= {"nonce": self.asked["nonce"], "email": "anna@example.com", "email_verified": True}
        self.alter(header, claims)
        signer = self.key if self.signer is None else self.signer
        token = sign_by_hand(claims, signer) if isinstance(signer, bytes) else jwt.encode(header, claims, signer)
        return web.json_response({"id_token": token, "access_token": "x", "token_type": "Bearer"})


@pytest.fixture
async def hostile() -> AsyncIterator[HostileProvider]:
    async with HostileProvider().serving() as provider:
        yield provider


async def come_back(folder: Path, hostile: HostileProvider, **query: str) -> tuple[ShownPage, Instance]:
    async with run_console(folder, hostile.issuer, free_port()) as console, FormClient(console) as seat:
        begun = await seat.get("/console/openid", allow_redirects=False)
        assert begun.status == 303, begun.words
        hostile.asked = dict(parse_qsl(urlsplit(begun.headers["Location"]).query))
        given = {"code": "code-1", "state": hostile.asked["state"]} | query
        page = await seat.get(f"{CALLBACK_PATH}?{urlencode(given)}")
        assert bool(seat.cookie) == (page.status == 200)
        assert await list_signed_in(console) == (["operator:anna"] if page.status == 200 else [])
        return page, console


async def test_a_token_that_nobody_altered_is_accepted(tmp_path: Path, hostile: HostileProvider) -> None:
    page, _ = await come_back(tmp_path, hostile)
    assert (page.status, "Signed in" in page.words) == (200, True)
    challenge = create_s256_code_challenge(hostile.exchanged["code_verifier"])
    assert challenge == hostile.asked["code_challenge"]
    assert len(hostile.exchanged["code_verifier"]) >= 43


Claims = dict[str, Any]
ALTERATIONS: dict[str, Callable[[Claims, Claims], Any]] = {
    "another issuer": lambda header, claims: claims.update(iss="https://evil.example"),
    "another client": lambda header, claims: claims.update(aud="another"),
    "several clients": lambda header, claims: claims.update(aud=[CLIENT_ID, "another"], azp="another"),
    "another nonce": lambda header, claims: claims.update(nonce="another"),
    "no nonce": lambda header, claims: claims.pop("nonce"),
    "expired": lambda header, claims: claims.update(exp=int(time.time()) - 120),
    "no expiry": lambda header, claims: claims.pop("exp"),
    "of the future": lambda header, claims: claims.update(iat=int(time.time()) + 3600, nbf=int(time.time()) + 3600),
    "no person": lambda header, claims: claims.pop("email"),
    "not verified": lambda header, claims: claims.update(email_verified=False),
    "verified as a word": lambda header, claims: claims.update(email_verified="true"),
    "many persons": lambda header, claims: claims.update(email=["anna@example.com"]),
    "another access token": lambda header, claims: claims.update(at_hash="x" * 22),
    "somebody else": lambda header, claims: claims.update(email="eve@example.com"),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
async def test_an_altered_token_is_refused(tmp_path: Path, hostile: HostileProvider, alteration: str) -> None:
    hostile.alter = ALTERATIONS[alteration]
    page, _ = await come_back(tmp_path, hostile)
    assert page.status == 401


@pytest.mark.parametrize("how", ["another key", "another key of the same name", "the public key as a secret", "none"])
async def test_a_token_that_the_provider_has_not_signed_is_refused(
    tmp_path: Path, hostile: HostileProvider, how: str
) -> None:
    signers: dict[str, ECKey | bytes] = {
        "another key": ECKey.generate_key("P-256", {"kid": "second"}),
        "another key of the same name": ECKey.generate_key("P-256", {"kid": "first"}),
        # Libraries refuse to make these.
        "the public key as a secret": hostile.key.as_pem(private=False),
        "none": b"",
    }
    hostile.signer = signers[how]
    page, _ = await come_back(tmp_path, hostile)
    assert page.status == 401


async def test_a_new_key_of_the_provider_is_found(tmp_path: Path, hostile: HostileProvider) -> None:
    async with run_console(tmp_path, hostile.issuer, free_port()) as console, FormClient(console) as seat:
        for _ in range(2):
            begun = await seat.get("/console/openid", allow_redirects=False)
            hostile.asked = dict(parse_qsl(urlsplit(begun.headers["Location"]).query))
            page = await seat.get(f"{CALLBACK_PATH}?{urlencode({'code': 'c', 'state': hostile.asked['state']})}")
            assert page.status == 200
            hostile.key = ECKey.generate_key("P-256", {"kid": "first"})


@pytest.mark.parametrize(
    "query", [{"state": "another"}, {"state": ""}, {"error": "access_denied"}, {"iss": "https://evil.example"}]
)
async def test_an_answer_that_does_not_fit_is_refused_before_a_code_is_exchanged(
    tmp_path: Path, hostile: HostileProvider, query: dict[str, str]
) -> None:
    page, _ = await come_back(tmp_path, hostile, **query)
    assert (page.status, hostile.exchanged) == (401, {})


@pytest.mark.parametrize(
    "metadata",
    [{"issuer": "https://evil.example"}, {"jwks_uri": None}, {"token_endpoint": "file:///etc/passwd"}, {"issuer": 1}],
)
async def test_a_description_that_cannot_be_used_is_reported(
    tmp_path: Path, hostile: HostileProvider, metadata: dict[str, Any]
) -> None:
    hostile.metadata = metadata
    async with run_console(tmp_path, hostile.issuer, free_port()) as console, FormClient(console) as seat:
        seen = await seat.get("/console/openid")
        assert (seen.status, "OpenID provider" in seen.words) == (503, True)


async def test_without_the_provider_passwords_go_on_working(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    async with run_console(tmp_path, nowhere, free_port()) as console, FormClient(console) as seat:
        assert (await seat.get("/console/openid")).status == 503
        assert "Our company" in (await seat.get("/console")).words
        assert (await seat.sign_in("anna")).status == 200


async def test_one_address_cannot_begin_without_end(tmp_path: Path, hostile: HostileProvider) -> None:
    async with run_console(tmp_path, hostile.issuer, free_port()) as console, FormClient(console) as seat:
        statuses = [(await seat.get("/console/openid", allow_redirects=False)).status for _ in range(25)]
        assert statuses == [303] * 20 + [429] * 5


async def test_where_no_provider_is_configured_there_is_no_such_page(tmp_path: Path) -> None:
    async with run_instance(tmp_path, TEXT) as instance, FormClient(instance) as seat:
        for path in ("/console/openid", CALLBACK_PATH):
            assert (await seat.get(path)).status == 404


@pytest.mark.parametrize("issuer", ["http://login.example.com", "login.example.com", "https://x.example?tenant=1"])
def test_a_provider_that_anybody_could_answer_for_is_refused(tmp_path: Path, issuer: str) -> None:
    file = tmp_path / "parley.yaml"
    file.write_text(configure(issuer, 1))
    with pytest.raises(ConfigInvalid, match=r"console\.openid\.issuer"):
        loader.load(file, environ={})


def test_two_operators_cannot_be_the_same_person(tmp_path: Path) -> None:
    file = tmp_path / "parley.yaml"
    file.write_text(configure("https://login.example.com", 1).replace("identity: nora@", "identity: anna@"))
    with pytest.raises(ConfigInvalid, match=r"operators\.\w+\.identity"):
        loader.load(file, environ={})
