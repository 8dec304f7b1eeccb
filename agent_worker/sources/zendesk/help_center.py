"""Articles of a help centre, page by page, and who may see them.

https://developer.zendesk.com/api-reference/help_center/help-center-api/articles/"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from agent_worker.sources.vendor_http import VendorHttp
from schemas.conversation import Visibility
from schemas.errors import Forbidden, NotFound, Unavailable

_PAGE_SIZE = "100"
"""The most that a list gives: https://developer.zendesk.com/api-reference/introduction/pagination/"""
_STRICTNESS: tuple[Visibility, ...] = ("public", "verified", "internal")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Article(_Answer):
    """An article in one language. ``user_segment_id``: who may see it; null: everybody. If ``user_segment_ids`` has
    several, members of any of them may."""

    id: int
    locale: str
    title: str
    body: str | None = None
    html_url: str = ""
    draft: bool
    user_segment_id: int | None = None
    user_segment_ids: tuple[int, ...] | None = None

    @property
    def states_audience(self) -> bool:
        return bool({"user_segment_id", "user_segment_ids"} & self.model_fields_set)

    @property
    def segments(self) -> tuple[int, ...]:
        if self.user_segment_ids:
            return self.user_segment_ids
        return () if self.user_segment_id is None else (self.user_segment_id,)


class _Meta(_Answer):
    has_more: bool
    after_cursor: str | None = None


class _ArticlePage(_Answer):
    articles: tuple[Article, ...]
    meta: _Meta


class _Segment(_Answer):
    id: int
    user_type: str
    built_in: bool = False


class _SegmentPage(_Answer):
    user_segments: tuple[_Segment, ...]
    meta: _Meta


class _Locales(_Answer):
    locales: tuple[str, ...]


Page = TypeVar("Page", bound=_Answer)


class HelpCenter:
    def __init__(self, http: VendorHttp) -> None:
        self._http = http

    async def locales(self) -> tuple[str, ...]:
        """Raises NotFound if there is no help centre, and what ``VendorHttp`` raises."""
        try:
            return _parse(_Locales, await self._http.get_json("locales")).locales
        except NotFound:
            raise NotFound(
                "Zendesk has no help centre there",
                fix="check the subdomain, and that the help centre is activated; each brand has a subdomain of its own",
            ) from None

    async def articles(self, path: str, locale: str) -> AsyncIterator[Article]:
        """In the order of their creation, which no edit changes. Raises NotFound if the section or category has none in
        this language, or does not exist."""
        params = {"page[size]": _PAGE_SIZE, "sort_by": "created_at", "sort_order": "asc"}
        place = "/".join(filter(None, (locale.lower(), path, "articles")))
        while True:
            page = _parse(_ArticlePage, await self._http.get_json(place, params))
            for article in page.articles:
                yield article
            if not (following := _cursor(page.meta)):
                return
            params["page[after]"] = following

    async def visibilities(self) -> dict[int, Visibility]:
        """By user segment. Segments of some customers only are internal, because nobody here knows who belongs to them.

        https://developer.zendesk.com/api-reference/help_center/help-center-api/user_segments/"""
        params, found = {"page[size]": _PAGE_SIZE}, dict[int, Visibility]()
        while True:
            try:
                page = _parse(_SegmentPage, await self._http.get_json("user_segments", params))
            except Forbidden:  # the agent may not see them, so that each counts as internal
                return found
            for segment in page.user_segments:
                is_for_all = segment.built_in and segment.user_type == "signed_in_users"
                found[segment.id] = "verified" if is_for_all else "internal"
            if not (following := _cursor(page.meta)):
                return found
            params["page[after]"] = following


def visibility_of(article: Article, visibilities: Mapping[int, Visibility]) -> Visibility:
    """The least strict one of the article's segments, because it is open to the members of any of them."""
    found = [visibilities.get(segment, "internal") for segment in article.segments]
    return min(found, key=_STRICTNESS.index, default="public")


def _cursor(meta: _Meta) -> str:
    """The next page is asked for by its cursor, not by the address that the answer names."""
    if meta.has_more and not meta.after_cursor:
        raise Unavailable("Zendesk's list does not say how it goes on", fix="sync again later")
    return meta.after_cursor or "" if meta.has_more else ""


def _parse(model: type[Page], answer: Any) -> Page:
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        wrong = ".".join(map(str, error.errors(include_input=False)[0]["loc"]))
        raise Unavailable(f"Zendesk's answer is not as documented ({wrong})", fix="sync again later") from None
