"""What a page's tags say to a crawler: where it leads, and whether it wants to be read at all."""

from __future__ import annotations

import hashlib
import html
import re
from dataclasses import dataclass

from yarl import URL

_TAG = re.compile(r"<(a|area|base|meta)\b([^<>]{1,4000})>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"(?<![a-zA-Z-])([a-zA-Z-]++)\s*+=\s*+(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_MOST_LINKS = 2_000
_NOT_READ = re.compile(
    r"\.(?:jpe?g|png|gif|svg|webp|avif|ico|css|js|mjs|json|xml|rss|atom|zip|gz|tar|rar|7z|exe|dmg|apk|mp[34]|mov|avi|webm|"
    r"wav|ogg|woff2?|ttf|eot|xlsx?|pptx?|ics)$",
    re.IGNORECASE,
)
_BETWEEN_WISHES = re.compile(r"[\s,:]+")
_UNREADABLE = re.compile(r"[^\w.-]+")
_PLAIN_PATH = re.compile(r"[a-z0-9_/-]*")
_TRACKING = re.compile(r"utm_|fbclid$|gclid$|mc_[ce]id$|ref$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Directions:
    """``is_indexed`` False: the page asks to be left out; ``links`` are empty when it asks not to be followed."""

    links: tuple[str, ...]
    is_indexed: bool = True


def directions(page: str, url: URL, header: str = "") -> Directions:
    """``header`` is the response's X-Robots-Tag."""
    base, said = url, header.lower()
    links: dict[str, None] = {}
    for match in _TAG.finditer(page):
        tag, given = match[1].lower(), _attributes(match[2])
        if tag == "meta":
            if given.get("name", "").lower() in ("robots", "parley"):
                said += f",{given.get('content', '').lower()}"
        elif tag == "base":
            base = joined(base, given.get("href", "")) or base
        elif "nofollow" not in given.get("rel", "").lower() and len(links) < _MOST_LINKS:
            found = joined(base, given.get("href", ""))
            if found is not None and found.host == url.host and is_page(found):
                links[str(found)] = None
    wishes = set(_BETWEEN_WISHES.split(said))
    follows = not wishes & {"nofollow", "none"}
    return Directions(tuple(links) if follows else (), not wishes & {"noindex", "none"})


def _attributes(text: str) -> dict[str, str]:
    found = _ATTRIBUTE.finditer(text)
    return {each[1].lower(): html.unescape(each[2] or each[3] or each[4] or "").strip() for each in found}


def joined(base: URL, href: str) -> URL | None:
    """Absolute and plain: without fragment, and without what only says where a visitor came from."""
    try:
        url = base.join(URL(href)).with_fragment(None)
        if url.scheme not in ("http", "https") or not url.host:
            return None
        kept = [(name, value) for name, value in url.query.items() if not _TRACKING.match(name)]
        url = url if len(kept) == len(url.query) else url.with_query(kept)
        return url if url.path else url.with_path("/")
    except (ValueError, TypeError):
        return None


def is_page(url: URL) -> bool:
    return not _NOT_READ.search(url.path)


def place_of(url: URL) -> str:
    """The same for http and https: a site that moves from one to the other has each page once."""
    port = "" if url.is_default_port() else f":{url.port}"
    return f"{url.host}{port}{url.raw_path_qs}"


def page_id(url: URL) -> str:
    """Host and path, readable; what these leave out of the address is added in short."""
    port = "" if url.is_default_port() else f"-{url.port}"
    place = f"{url.host}{port}{url.path.rstrip('/')}"
    plain = _UNREADABLE.sub("-", place.replace("/", ".")).strip("-.")[:120]
    if _PLAIN_PATH.fullmatch(url.raw_path) and not url.query_string and len(place) <= 120:
        return plain
    return f"{plain}-{hashlib.sha256(str(url).encode()).hexdigest()[:8]}"
