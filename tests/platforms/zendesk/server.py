"""A simulated help centre of Zendesk, as far as a reader of its articles needs it.

Enforced rules, each as documented:

- Basic authentication with ``{email}/token:{api_token}``; a wrong one is 401
  (https://developer.zendesk.com/api-reference/introduction/security-and-auth/#api-token).
- Answers are filtered by what the user may see: visitors get published articles for everybody, agents also drafts and
  those of user segments (https://developer.zendesk.com/api-reference/help_center/help-center-api/introduction/).
- Articles are listed by locale, section or category; end users and visitors have to name the locale
  (https://developer.zendesk.com/api-reference/help_center/help-center-api/articles/#list-articles).
- Cursor pagination: ``page[size]`` is at most 100, ``meta.has_more`` and ``meta.after_cursor`` lead on, and so does the
  address in ``links.next`` (https://developer.zendesk.com/api-reference/introduction/pagination/).
- 429 with ``Retry-After`` in seconds; 503 may carry it, too; an earlier request counts as a violation here
  (https://developer.zendesk.com/api-reference/introduction/rate-limits/).
- A restricted help centre refuses visitors, and one that is not activated is 404.
- User segments are shown to agents with the right to manage them, else 403
  (https://developer.zendesk.com/api-reference/help_center/help-center-api/user_segments/).
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from gateway.http.app import run_server
from tests.platforms.random_faults import RandomFaults
from tests.platforms.zendesk.library import Library, SimulatedArticle

EMAIL = "agent@plants.example"
TOKEN = "6wiIBWbGkBMo1mRDMuVwkw1EPsNkeUj95PIz2akv"
SUBDOMAIN = "plants"
_LOGIN = base64.b64encode(f"{EMAIL}/token:{TOKEN}".encode()).decode()
SECRETS = (TOKEN, _LOGIN)


class SimulatedZendesk:
    """``now`` is the time in seconds, which ``sleep`` moves: a test waits for nothing."""

    def __init__(self) -> None:
        self.library = Library()
        self.faults = RandomFaults()
        self.is_restricted = False
        self.is_activated = True
        self.shows_segments = True
        self.states_audience = True
        self.trap = "https://trap.example"
        """The host that ``links.next`` and redirects lead to."""
        self.now = 0.0
        self.slept: list[float] = []
        self.requests: list[str] = []
        self.violations: list[str] = []
        self.on_request: Callable[[str], None] = lambda _name: None
        """Called with the name of each request before it is answered."""
        self.address = ""
        self._closed_until = 0.0

    # ── what a test does ─────────────────────────────────────────────────────────────────────────────────────────────

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def counts(self) -> Counter[str]:
        return Counter(self.requests)

    def options(self, *, is_agent: bool = True, **more: Any) -> dict[str, Any]:
        """The options of a source that reads this simulator."""
        credentials = {"email": EMAIL, "token": TOKEN} if is_agent else {}
        return {
            **credentials,
            "api_url": self.address,
            "private_hosts": [self.address.removeprefix("http://")],
            **more,
        }

    # ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def app(self) -> web.Application:
        app = web.Application()
        base = "/api/v2/help_center"
        for path, handler in (
            ("/locales", self._list_locales),
            ("/user_segments", self._list_segments),
            ("/{locale}/articles", self._list_articles),
            ("/{locale}/{kind}/{id}/articles", self._list_articles),
        ):
            app.router.add_get(base + path, self._guarded(handler))
        return app

    def _guarded(self, handler: Callable[[web.Request], web.Response]) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            name = request.path.rpartition("/")[2]
            self.requests.append(name)
            self.on_request(name)
            if self.now < self._closed_until:
                self.violations.append(f"{name} {self._closed_until - self.now:.1f} s before Retry-After")
            if fault := self.faults.draw():
                return self._fail(request, fault)
            if "Authorization" in request.headers and not self._is_agent(request):
                return _error(401, "Couldn't authenticate you")
            if not self.is_activated:
                return _error(404, "InvalidEndpoint")
            if self.is_restricted and not self._is_agent(request):
                return _error(401, "Couldn't authenticate you")
            return handler(request)

        return handle

    def _is_agent(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Basic {_LOGIN}"

    def _fail(self, request: web.Request, fault: str) -> web.StreamResponse:
        if fault == "drop":
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=499)
        if fault == "redirect":
            return web.Response(status=302, headers={"Location": f"{self.trap}/"})
        if fault == "garbage":
            return web.Response(text='{"articles": [', content_type="application/json")
        if fault == "shapeless":
            return web.json_response({"articles": [{"id": "x"}], "meta": {}})
        response = _error(int(fault), "")
        if fault in ("429", "503"):
            self._closed_until = self.now + self.faults.retry_after
            response.headers["Retry-After"] = str(self.faults.retry_after)
        return response

    # ── the API ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _list_locales(self, _request: web.Request) -> web.Response:
        locales = self.library.locales
        return web.json_response({"locales": locales, "default_locale": locales[0]})

    def _list_segments(self, request: web.Request) -> web.Response:
        if not self._is_agent(request) or not self.shows_segments:
            return _error(403, "Forbidden")
        entries = [
            {"id": each.id, "name": "a segment", "user_type": each.user_type, "built_in": each.built_in}
            for each in self.library.segments
        ]
        return self._page(request, "user_segments", entries)

    def _list_articles(self, request: web.Request) -> web.Response:
        kind, id = request.match_info.get("kind", ""), int(request.match_info.get("id", 0))
        inside, locale = self.library.inside(kind, id), request.match_info["locale"]
        if inside is None or locale not in self.library.locales:
            return _error(404, "RecordNotFound")
        assert request.query["sort_by"] == "created_at", "so that edits do not move articles between pages"
        entries = [
            self._encode(each, locale)
            for each in inside
            if locale in each.translations and self._may_see(request, each)
        ]
        if not self._is_agent(request):
            entries = [each for each in entries if not each["draft"]]
        return self._page(request, "articles", entries)

    def _may_see(self, request: web.Request, article: SimulatedArticle) -> bool:
        return self._is_agent(request) or (article.segment is None and not article.segments)

    def _page(self, request: web.Request, name: str, entries: Sequence[dict[str, Any]]) -> web.Response:
        size = int(request.query["page[size]"])
        if not 0 < size <= 100:
            return _error(400, "InvalidPaginationParameter")
        after = request.query.get("page[after]", "")
        last = int(base64.b64decode(after)) if after else 0
        rest = [each for each in entries if each["id"] > last]
        shown = rest[:size]
        cursor = base64.b64encode(str(shown[-1]["id"]).encode()).decode() if shown else None
        meta = {"has_more": len(rest) > size, "after_cursor": cursor, "before_cursor": None}
        links = {"next": f"{self.trap}/api/v2/help_center/articles?page[after]={cursor}"}
        return web.json_response({name: shown, "meta": meta, "links": links})

    def _encode(self, article: SimulatedArticle, locale: str) -> dict[str, Any]:
        translation = article.translations[locale]
        audience = {"user_segment_id": article.segment, "user_segment_ids": article.segments or []}
        return {
            "id": article.id,
            "url": f"{self.address}/api/v2/help_center/{locale}/articles/{article.id}.json",
            "html_url": f"https://{SUBDOMAIN}.zendesk.com/hc/{locale}/articles/{article.id}",
            "author_id": 1,
            "section_id": article.section,
            "locale": locale,
            "source_locale": next(iter(article.translations)),
            "title": translation.title,
            "body": translation.body,
            "draft": translation.draft,
            "position": 0,
            "outdated": False,
            **(audience if self.states_audience else {}),
        }


def _error(status: int, code: str) -> web.Response:
    return web.json_response({"error": code, "description": "As documented."}, status=status)


@asynccontextmanager
async def serve(port: int = 0) -> AsyncIterator[SimulatedZendesk]:
    zendesk = SimulatedZendesk()
    async with run_server(zendesk.app(), "127.0.0.1", port) as chosen:
        zendesk.address = f"http://127.0.0.1:{chosen}"
        yield zendesk
