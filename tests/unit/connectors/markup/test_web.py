"""Markdown for the web: what is kept, and what never gets through."""

from __future__ import annotations

import html as escaping
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.markup import SCHEMES, TAGS, render_html, render_plain_html
from tests.harness.time_growth import assert_in_proportion

HANDLERS = ("script", "img", "svg", "iframe", "object", "style", "base", "form", "input", "math", "video", "link")


class ElementCollector(HTMLParser):
    """Every element and attribute that a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def assert_safe(rendered: str) -> None:
    for tag, attributes in ElementCollector(rendered).elements:
        assert tag in TAGS, rendered
        assert set(attributes) <= {"href", "title", "rel", "target", "start"}, rendered
        if (href := attributes.get("href")) is not None:
            assert escaping.unescape(href).partition(":")[0].lower() in SCHEMES, rendered
        if tag == "a":
            assert attributes["rel"] == "noopener nofollow", rendered


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**bold** *it* `x` ~~no~~", "<p><strong>bold</strong> <em>it</em> <code>x</code> <s>no</s></p>"),
        ("Within 3 days [1][2].", "<p>Within 3 days [1][2].</p>"),
        ("one\ntwo", "<p>one<br>\ntwo</p>"),
        ("a < b & c", "<p>a &lt; b &amp; c</p>"),
        ("![a picture](https://x.example/p.png)", "<p>a picture</p>"),
        (
            "[site](https://x.example)",
            '<p><a href="https://x.example" target="_blank" rel="noopener nofollow">site</a></p>',
        ),
        ("", ""),
    ],
)
def test_canonical_markdown_is_rendered_as_html(text: str, expected: str) -> None:
    assert render_html(text) == expected


def test_a_link_that_reads_as_another_address_shows_where_it_leads() -> None:
    assert render_html("[https://a.example](https://b.example)").endswith(
        "https://a.example</a> (https://b.example)</p>"
    )
    assert "(https" not in render_html("[a.example](https://a.example/x) [here](https://b.example)")


def test_lists_keep_their_first_number_and_tables_their_cells() -> None:
    assert '<ol start="3">' in render_html("3. three\n4. four")
    assert "<td>1</td>" in render_html("|a|b|\n|-|-|\n|1|2|")


PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<math><mtext></p><style><img src=x onerror=alert(1)></style>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:x)",
    "[x](//evil.example)",
    "[x](/admin)",
    "[x](\\\\evil.example)",
    '[x](https://a.example "onmouseover=alert(1)")',
    '[x](https://a.example"onmouseover="alert(1))',
    "<https://a.example/onclick=alert(1)>",
    "<javascript:alert(1)>",
    "![x](javascript:alert(1))",
    '![x" onerror="alert(1)](https://a.example)',
    "[x]: javascript:alert(1)\n\n[x]",
    "`<img src=x onerror=alert(1)>`",
    "```\n<script>alert(1)</script>\n```",
    "```<script>\nx\n```",
    "``` html onload=alert(1)\nx\n```",
    "|<img src=x onerror=alert(1)>|b|\n|-|-|\n|<script>|x|",
    "# <a href='javascript:alert(1)'>x</a>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\u202e<script>",
    "<a href=x onclick=alert(1) style=position:fixed>x</a>",
    "<!--<img src=x onerror=alert(1)>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<template><script>alert(1)</script></template>",
]


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("around", ["{}", "> {}", "- {}", "**{}**", "[{}](https://a.example)", "x\n\n{}\n\ny"])
def test_nothing_that_runs_gets_through(payload: str, around: str) -> None:
    text = around.format(payload)
    assert_safe(render_html(text))
    assert_safe(render_plain_html(text))


@given(st.text(alphabet=st.sampled_from("<>\"'&[]()!`*_~#|-:/\\ \n\tabjsxonerr=1;"), max_size=200))
def test_no_mixture_of_markup_gets_through(text: str) -> None:
    assert_safe(render_html(text))
    assert not re.search(rf"<({'|'.join(HANDLERS)})\b", render_html(text))


@pytest.mark.parametrize(
    "piece", ["[", "> ", "*a ", "`", "<", "![](", "*_", "- ", "[a](", "|a", "~~", "&", "\\[", "***"]
)
def test_no_text_costs_much(piece: str) -> None:
    assert_in_proportion(lambda size: (piece * size)[:size], render_html, 12_000)


def test_text_longer_than_any_reply_is_shown_plain() -> None:
    assert render_html("*x* " * 10_000).startswith("<p>*x* *x*")


def test_a_contacts_text_is_not_markup() -> None:
    assert render_plain_html("**a** <b>\r\n[x](https://y)") == "<p>**a** &lt;b&gt;<br>[x](https://y)</p>"
