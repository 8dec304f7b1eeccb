"""Links and crawling instructions in a page's tags."""

from __future__ import annotations

import hashlib
import html
import re
from dataclasses import dataclass

from yarl import URL

_TAG = re.compile(r"<(a|area|base|meta)\b([^<>]{1,4000})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"(?<![a-zA-Z-])([a-zA-Z-]++)\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_MAX_LINKS = 2_000
_SKIPPED_EXTENSIONS = re.compile(
    r"\.(?:jpe?g|png|gif|svg|webp|avif|ico|css|js|mjs|json|xml|rss|atom|zip|gz|tar|rar|7z|exe|dmg|apk|mp[34]|mov|avi|webm|"
    r"wav|ogg|woff2?|ttf|eot|xlsx?|pptx?|ics)$",
    re.IGNORECASE,
)
_DIRECTIVE_SEPARATOR = re.compile(r"[\s,:]+")
_UNSAFE_CHARACTERS = re.compile(r"[^\w.-]+")
_PLAIN_PATH = re.compile(r"[a-z0-9_/-]*")
_TRACKING = re.compile(r"utm_|fbclid$|gclid$|mc_[ce]id$|ref$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CrawlInstructions:
    """``is_indexed`` False: the page asks not to be indexed; ``links`` is empty when it asks not to be followed."""

    links: tuple[str, ...]
    is_indexed: bool = True


def read_instructions(page: str, url: URL, header: str = "") -> CrawlInstructions:
    """``header`` is the response's X-Robots-Tag."""
    base, directives_text = url, header.lower()
    links: dict[str, None] = {}
    for match in _TAG.finditer(page):
        tag, attributes = match[1].lower(), _attributes(match[2])
        if tag == "meta":
            if attributes.get("name", "").lower() in ("robots", "parley"):
                directives_text += f",{attributes.get('content', '').lower()}"
        elif tag == "base":
            base = resolve_link(base, attributes.get("href", "")) or base
        elif "nofollow" not in attributes.get("rel", "").lower() and len(links) < _MAX_LINKS:
            target = resolve_link(base, attributes.get("href", ""))
            if target is not None and target.host == url.host and is_page(target):
                links[str(target)] = None
    directives = set(_DIRECTIVE_SEPARATOR.split(directives_text))
    follows = not directives & {"nofollow", "none"}
    return CrawlInstructions(tuple(links) if follows else (), not directives & {"noindex", "none"})


def _attributes(text: str) -> dict[str, str]:
    found = _ATTRIBUTE.finditer(text)
    return {each[1].lower(): html.unescape(each[2] or each[3] or each[4] or "").strip() for each in found}


def resolve_link(base: URL, href: str) -> URL | None:
    """The absolute URL without fragment and tracking parameters; None for an invalid one."""
    try:
        url = base.join(URL(href)).with_fragment(None)
        if url.scheme not in ("http", "https") or not url.host:
            return None
        parameters = [(name, value) for name, value in url.query.items() if not _TRACKING.match(name)]
        url = url if len(parameters) == len(url.query) else url.with_query(parameters)
        return url if url.path else url.with_path("/")
    except (ValueError, TypeError):
        return None


def is_page(url: URL) -> bool:
    return not _SKIPPED_EXTENSIONS.search(url.path)


def page_key(url: URL) -> str:
    """The same for http and https, so that a site that moves to https has each page once."""
    port = "" if url.is_default_port() else f":{url.port}"
    return f"{url.host}{port}{url.raw_path_qs}"


def page_id(url: URL) -> str:
    """A readable id of host and path, with a hash if it lost part of the address."""
    port = "" if url.is_default_port() else f"-{url.port}"
    place = f"{url.host}{port}{url.path.rstrip('/')}"
    plain = _UNSAFE_CHARACTERS.sub("-", place.replace("/", ".")).strip("-.")[:120]
    if _PLAIN_PATH.fullmatch(url.raw_path) and not url.query_string and len(place) <= 120:
        return plain
    return f"{plain}-{hashlib.sha256(str(url).encode()).hexdigest()[:8]}"
