"""Feeds as shops publish them."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from tests.platforms.zendesk.library import fact, name_of
from tests.simulators.website import Page

TYPE = "application/rss+xml; charset=utf-8"


def rss(items: str, language: str = "en-gb") -> Page:
    return Page(
        f'<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"'
        f' xmlns:atom="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/"><channel>'
        f"<title>Shop news</title><link>https://shop.example/</link><language>{language}</language>"
        f'<atom:link href="https://shop.example/feed" rel="self"/>{items}</channel></rss>'.encode(),
        TYPE,
    )


def item(number: int, edition: int = 0, title: str = "") -> str:
    body = f"<h2>How do I water it?</h2><p>{fact(number, edition)}</p>"
    return (
        f"<item><title>{escape(title or f'Care of {name_of(number)}')}</title>"
        f'<link>https://shop.example/news/{number}</link><guid isPermaLink="false">news-{number}</guid>'
        f"<pubDate>Mon, 02 Mar 2026 09:00:00 GMT</pubDate><description>A summary.</description>"
        f'<media:content url="https://shop.example/x.jpg"><media:title>A picture</media:title></media:content>'
        f"<content:encoded><![CDATA[{body}]]></content:encoded></item>"
    )


def feed_of(numbers: Iterable[int], editions: dict[int, int] | None = None) -> Page:
    return rss("".join(item(number, (editions or {}).get(number, 0)) for number in numbers))


ATOM = Page(
    b"""<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="de">
  <title>Neues</title><id>tag:shop.example,2026:feed</id><link href="https://shop.example/" />
  <entry>
    <title type="html">Gie&amp;szlig;en &amp;amp; &lt;b&gt;D\xc3\xbcngen&lt;/b&gt;</title>
    <link rel="self" href="https://shop.example/api/1"/><link href="/neues/1"/>
    <id>tag:shop.example,2026:1</id><updated>2026-03-02T09:00:00Z</updated>
    <content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><h2>Wie oft?</h2>
      <p>Jeden <em>Tag</em> &lt; ein Glas.</p></div></content>
  </entry>
  <entry>
    <title>Plain &lt;text&gt;</title><link href="https://shop.example/neues/2"/><id>tag:shop.example,2026:2</id>
    <summary>1 &lt; 2, as everybody knows.</summary><source><title>Elsewhere</title><id>x</id></source>
  </entry>
</feed>""",
    "application/atom+xml",
)
RDF = Page(
    b"""<?xml version="1.0"?>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
  <channel rdf:about="https://shop.example/"><title>News</title><link>https://shop.example/</link></channel>
  <item rdf:about="https://shop.example/1"><title>One</title><link>https://shop.example/1</link>
    <description>The first &lt;b&gt;entry&lt;/b&gt;.</description></item>
</rdf:RDF>""",
    "application/rdf+xml",
)
