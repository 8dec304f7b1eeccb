"""An operator without a browser: what they see, and the forms that they send back."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Any, Self

import aiohttp

from tests.harness.installation import ADMIN_TOKEN
from tests.unit.gateway.conftest import Instance

PASSWORDS = {
    "anna": "correct-horse-battery",
    "ben": "staple-of-the-house",
    "mia": "talks-to-contacts",
    "vera": "only-looks-at-things",
    "olga": "gives-access-to-all",
}
TOKEN = ADMIN_TOKEN


@dataclass(frozen=True)
class ShownPage:
    status: int
    text: str
    headers: Any
    url: str

    @property
    def words(self) -> str:
        """Without markup."""
        return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", self.text)))

    @property
    def news(self) -> str:
        """What came of what was just done."""
        found = re.search(r'<p class="notice(?: error)?" role="(?:status|alert)">(.*?)</p>', self.text)
        return unescape(found[1]) if found else ""

    def field(self, name: str) -> str:
        """The value of the first hidden field of this name."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.text)
        assert found, f"no field {name}"
        return unescape(found[1])

    def elements(self) -> list[tuple[str, dict[str, str | None]]]:
        """Every element, in order, as a browser would read it."""
        return Elements.of(self.text)


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str | None]]] = []

    @classmethod
    def of(cls, text: str) -> list[tuple[str, dict[str, str | None]]]:
        reader = cls()
        reader.feed(text)
        reader.close()
        return reader.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@dataclass
class FormClient:
    """One browser's cookies."""

    instance: Instance
    http: aiohttp.ClientSession = field(
        default_factory=lambda: aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
    )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()

    @property
    def cookie(self) -> str:
        return next((each.value for each in self.http.cookie_jar if each.key == "parley_console"), "")

    async def get(self, path: str, **more: Any) -> ShownPage:
        return await self._ask("GET", path, **more)

    async def post(self, path: str, fields: Any, **more: Any) -> ShownPage:
        return await self._ask("POST", path, data=fields, **more)

    async def _ask(self, method: str, path: str, **more: Any) -> ShownPage:
        async with self.http.request(method, self.instance.address + path, **more) as answer:
            return ShownPage(answer.status, await answer.text(), answer.headers, str(answer.url.relative()))

    async def sign_in(self, name: str = "", secret: str = "", **more: Any) -> ShownPage:
        """By their own password, or by the admin token without a name."""
        secret = secret or PASSWORDS.get(name, TOKEN)
        return await self.post("/console/session", {"name": name, "secret": secret}, **more)

    async def send(self, page: str, action: str, fields: dict[str, Any], **more: Any) -> ShownPage:
        """Open a page, and send a form of it with these fields besides its token."""
        csrf = (await self.get(page)).field("csrf")
        return await self.post(action, {"csrf": csrf, **fields}, **more)


def talk(conversation: str, *more: str, tenant: str = "shop") -> str:
    return "/".join((f"/console/{tenant}/conversations/{conversation}", *more))
