"""Pages as shops build them, with a frame that only its classes and ids give away: their main sentences, and what
belongs to the frame."""

from __future__ import annotations

from dataclasses import dataclass

_MENU = (
    '<div class="site-header"><div class="logo"><a href="/">Greenleaf</a></div><div class="navbar"><ul>'
    '<li><a href="/shop">Shop all plants</a></li><li><a href="/sale">Summer sale</a></li></ul></div></div>'
)
_CONSENT = (
    '<div id="cookie-consent" class="cookie-banner"><p>We use cookies to improve our website.</p>'
    "<button>Accept all cookies</button></div>"
)
_FOOTER = (
    '<div class="site-footer"><p>Subscribe to our newsletter.</p><ul><li><a href="/imprint">Imprint</a></li></ul>'
    "<p>© 2026 Greenleaf. All rights reserved.</p></div>"
)
FRAME = (
    "Shop all plants",
    "Summer sale",
    "We use cookies",
    "Accept all cookies",
    "newsletter",
    "Imprint",
    "All rights",
)


@dataclass(frozen=True)
class WebsitePage:
    name: str
    html: str
    main: tuple[str, ...]
    frame: tuple[str, ...] = FRAME


def page(name: str, body: str, *main: str, frame: tuple[str, ...] = ()) -> WebsitePage:
    head = f"<head><meta charset='utf-8'><title>{name} | Greenleaf</title><script>var a = 1;</script></head>"
    html = f"<!doctype html><html lang='en'>{head}<body>{_CONSENT}{_MENU}{body}{_FOOTER}</body></html>"
    return WebsitePage(name, html, main, FRAME + frame)


PAGES = [
    page(
        "product",
        '<div class="breadcrumbs"><a href="/p">Houseplants</a></div><div class="product"><h1>Monstera, 60 cm</h1>'
        '<p class="price">€ 34.95</p><p>It forgives a missed watering.</p><h2>Care</h2><ul><li>Indirect light</li>'
        "<li>Water once a week</li></ul><h2>Details</h2><table><tr><th>Pot size</th><td>19 cm</td></tr>"
        '<tr><th>Toxic to cats</th><td>Yes</td></tr></table></div><div class="related-products">'
        '<h3>You may also like</h3><a href="/2">Pilea € 9.95</a></div>',
        "# Monstera, 60 cm",
        "€ 34.95",
        "forgives a missed watering",
        "## Care",
        "- Indirect light",
        "| Pot size | 19 cm |",
        "| Toxic to cats | Yes |",
        frame=("Houseplants", "You may also like", "Pilea"),
    ),
    page(
        "questions in details",
        '<div class="content"><h1>Questions</h1><details><summary>When do you ship?</summary><p>On Mondays only.</p>'
        "</details><details><summary>Can I return a plant?</summary><p>Within 14 days, in its pot.</p></details></div>",
        "When do you ship?",
        "On Mondays only.",
        "Can I return a plant?",
        "Within 14 days, in its pot.",
    ),
    page(
        "questions in an accordion",
        '<div class="faq-accordion"><div class="item"><h3><button aria-expanded="false">Do you deliver on Saturdays?'
        '</button></h3><div class="panel"><p>Only in Berlin.</p></div></div><div class="item"><h3><button>Is the pot '
        'included?</button></h3><div class="panel"><p>Yes, a plastic pot.</p></div></div></div>',
        "### Do you deliver on Saturdays?",
        "Only in Berlin.",
        "### Is the pot included?",
        "Yes, a plastic pot.",
    ),
    page(
        "questions in a definition list",
        '<div id="main"><h1>Help</h1><dl><dt>Where is my parcel?</dt><dd>The link is in our e-mail.</dd>'
        "<dt>Gift cards</dt><dd>They are valid for three years.</dd></dl></div>",
        "Where is my parcel?",
        "The link is in our e-mail.",
        "They are valid for three years.",
    ),
    page(
        "manual",
        '<div class="wrapper"><div class="sidebar toc"><ul><li><a href="#3">Chapter 3 of the manual</a></li></ul></div>'
        '<div class="content"><h1>Install the pump</h1><p>Shut off the mains first.</p><h2>Voltages</h2><table><thead>'
        "<tr><th>Model</th><th>Voltage</th></tr></thead><tbody><tr><td>P1</td><td>12 V</td></tr></tbody></table>"
        "<ol><li>Open the valve</li></ol><pre><code>pump --set 2</code></pre></div></div>",
        "# Install the pump",
        "Shut off the mains first.",
        "| Model | Voltage |",
        "| P1 | 12 V |",
        "1. Open the valve",
        "pump --set 2",
        frame=("Chapter 3 of the manual",),
    ),
    page(
        "only a table",
        '<div class="page"><h1>Shipping costs</h1><table><tr><th>Country</th><th>Price</th></tr><tr><td>Germany</td>'
        "<td>€ 4.90</td></tr><tr><td>Norway</td><td>€ 19.90</td></tr></table></div>",
        "# Shipping costs",
        "| Country | Price |",
        "| Germany | € 4.90 |",
        "| Norway | € 19.90 |",
    ),
    page(
        "short",
        '<div class="page"><h1>Contact</h1><p>Call 030 1234567.</p><address>Gartenweg 3, Berlin</address></div>',
        "Call 030 1234567.",
        "Gartenweg 3, Berlin",
    ),
    page(
        "article",
        '<div class="post"><h1>Why leaves turn yellow</h1><p>Roots that stand in water cannot breathe.</p>'
        "<h2>What helps</h2><p>Empty the saucer after ten minutes.</p>"
        "<blockquote>Less is more with ferns.</blockquote></div>"
        '<div class="share-buttons"><a href="#">Share on Facebook</a></div>',
        "# Why leaves turn yellow",
        "Roots that stand in water cannot breathe.",
        "## What helps",
        "Empty the saucer after ten minutes.",
        "Less is more with ferns.",
        frame=("Share on Facebook",),
    ),
    page(
        "policy",
        '<section class="policy"><h1>Returns</h1><h2>1. Deadline</h2><p>Return goods within 14 days.</p>'
        "<h2>2. Exceptions</h2><p>Opened seeds cannot be returned.</p></section>",
        "## 1. Deadline",
        "Return goods within 14 days.",
        "## 2. Exceptions",
        "Opened seeds cannot be returned.",
    ),
    page(
        "cards",
        '<div class="grid"><h1>Workshops</h1><div class="card"><h2>Terrarium evening</h2><p>Fridays, 25 euros.</p>'
        '</div><div class="card"><h2>Bonsai</h2><p>Saturdays at ten.</p></div></div>',
        "## Terrarium evening",
        "Fridays, 25 euros.",
        "## Bonsai",
        "Saturdays at ten.",
    ),
    page(
        "a restaurant's menu",
        '<div class="menu"><h1>Menu</h1>'
        + "".join(f"<h2>Dish {n}</h2><p>Served with rice and a salad, {n + 8} euros.</p>" for n in range(20))
        + "</div>",
        "## Dish 0",
        "Served with rice and a salad, 27 euros.",
        frame=(),
    ),
]
