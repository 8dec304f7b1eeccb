"""Articles, sections and user segments of a simulated help centre, and texts for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

EVERYBODY = None
SIGNED_IN, STAFF, WHOLESALE = 7001, 7002, 7003
CARE, ORDERS = 501, 502
PLANTS = 401
"""The category that the section CARE belongs to."""


@dataclass
class Translation:
    title: str
    body: str
    draft: bool = False


@dataclass
class SimulatedArticle:
    """``number`` orders the articles by creation. ``translations``: by locale."""

    number: int
    translations: dict[str, Translation]
    section: int = CARE
    segment: int | None = EVERYBODY
    segments: list[int] | None = None

    @property
    def id(self) -> int:
        return 360_000_000_000 + self.number


def fact(number: int, edition: int = 0) -> str:
    """A sentence that only this article says, in words that no other has."""
    return f"Specimen {name_of(number)} drinks {number + 2} glasses of rainwater{' again' * edition} every fortnight."


def name_of(number: int) -> str:
    """An invented plant name."""
    syllables = ("ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu")
    return "zor" + "".join(syllables[int(digit)] for digit in f"{number:04d}") + "ia"


def body_of(number: int, edition: int = 0) -> str:
    return (
        f"<h2>How do I water it?</h2><p>{fact(number, edition)}</p>"
        "<table><thead><tr><th>size</th><th>price</th></tr></thead>"
        f"<tbody><tr><td>9 cm</td><td>{number} euro</td></tr></tbody></table>"
        '<p>See <a href="/hc/en-us/articles/360000000001-Returns">returns</a>.</p>'
    )


def make_article(number: int, **fields: object) -> SimulatedArticle:
    translation = Translation(f"Care of {name_of(number)}", body_of(number))
    return SimulatedArticle(number, {"en-us": translation}, **fields)  # type: ignore[arg-type]


@dataclass
class Segment:
    id: int
    user_type: str
    built_in: bool = True


@dataclass
class Library:
    articles: dict[int, SimulatedArticle] = field(default_factory=dict)
    sections: dict[int, int] = field(default_factory=lambda: {CARE: PLANTS, ORDERS: 402})
    segments: list[Segment] = field(
        default_factory=lambda: [
            Segment(SIGNED_IN, "signed_in_users"),
            Segment(STAFF, "staff"),
            Segment(WHOLESALE, "signed_in_users", built_in=False),
        ]
    )
    locales: list[str] = field(default_factory=lambda: ["en-us"])

    def add(self, *articles: SimulatedArticle) -> None:
        for article in articles:
            self.articles[article.id] = article

    def archive(self, number: int) -> None:
        """As the help centre calls deleting."""
        del self.articles[360_000_000_000 + number]

    def article(self, number: int) -> SimulatedArticle:
        return self.articles[360_000_000_000 + number]

    def inside(self, kind: str, id: int) -> Iterator[SimulatedArticle] | None:
        """None: there is no such place."""
        if kind == "sections":
            known, wanted = id in self.sections, {id}
        elif kind == "categories":
            wanted = {section for section, category in self.sections.items() if category == id}
            known = bool(wanted)
        else:
            known, wanted = True, set(self.sections)
        if not known:
            return None
        return (each for each in sorted(self.articles.values(), key=lambda each: each.number) if each.section in wanted)
