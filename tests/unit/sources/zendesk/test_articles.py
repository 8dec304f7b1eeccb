"""Articles as documents: languages, places, drafts, who may see them, and what changes there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_worker.sources.registry import source_of
from agent_worker.sources.zendesk.help_center import Article, visibility_of
from agent_worker.sources.zendesk.settings import Place, ZendeskOptions, parse_location
from agent_worker.sources.zendesk.source import Zendesk, document_id
from schemas.conversation import Visibility
from schemas.errors import Forbidden, InvalidRequest
from tests.platforms.zendesk.library import (
    CARE,
    EVERYBODY,
    ORDERS,
    PLANTS,
    SIGNED_IN,
    STAFF,
    WHOLESALE,
    SimulatedArticle,
    Translation,
    body_of,
    fact,
    make_article,
    name_of,
)
from tests.platforms.zendesk.server import SimulatedZendesk
from tests.unit.sources.zendesk.article_reader import LOCATION, ArticleReader, document


async def test_an_article_is_markdown_with_its_address(zendesk: SimulatedZendesk) -> None:
    zendesk.library.add(make_article(7))
    reader = ArticleReader(zendesk)
    reading = await reader.read()
    content = reading.documents[document(7)]
    assert content.title == f"Care of {name_of(7)}"
    assert content.url == f"https://plants.zendesk.com/hc/en-us/articles/{zendesk.library.article(7).id}"
    assert content.language == "en-us"
    assert content.body == (
        f"# Care of {name_of(7)}\n\n## How do I water it?\n\n{fact(7)}\n\n"
        "| size | price |\n| --- | --- |\n| 9 cm | 7 euro |\n\n"
        "See [returns](https://plants.zendesk.com/hc/en-us/articles/360000000001-Returns)."
    )


async def test_each_language_is_a_document(zendesk: SimulatedZendesk) -> None:
    library = zendesk.library
    library.locales = ["en-us", "de", "pt-br"]
    article = make_article(1)
    article.translations["de"] = Translation("Pflege", "<p>Gießen Sie mit Regenwasser.</p>")
    article.translations["pt-br"] = Translation("Cuidados", "<p>Rascunho</p>", draft=True)
    library.add(article, make_article(2))
    reader = ArticleReader(zendesk)
    assert (await reader.read()).documents.keys() == {document(1), document(1, "de"), document(2)}
    assert reader.stored[document(1, "de")].language == "de"
    only = ArticleReader(zendesk, locales=["DE"])
    assert (await only.read()).documents.keys() == {document(1, "de")}
    assert zendesk.counts()["locales"] == 1, "not asked where the locales are named"


@pytest.mark.parametrize(
    ("place", "numbers"),
    [("", {1, 2}), (f"/sections/{CARE}-Plant-care", {1}), (f"/categories/{PLANTS}", {1}), (f"/sections/{ORDERS}", {2})],
)
async def test_a_section_or_a_category_can_be_read_alone(
    zendesk: SimulatedZendesk, place: str, numbers: set[int]
) -> None:
    zendesk.library.add(make_article(1), make_article(2, section=ORDERS))
    reading = await ArticleReader(zendesk, LOCATION + place).read()
    assert reading.documents.keys() == set(map(document, numbers))


@pytest.mark.parametrize(
    ("segment", "segments", "visibility"),
    [
        (EVERYBODY, None, "public"),
        (SIGNED_IN, None, "verified"),
        (STAFF, None, "internal"),
        (WHOLESALE, None, "internal"),
        (STAFF, [STAFF, SIGNED_IN], "verified"),
        (WHOLESALE, [WHOLESALE, STAFF], "internal"),
        (9999, None, "internal"),
    ],
)
async def test_the_audience_decides_the_visibility(
    zendesk: SimulatedZendesk, segment: int | None, segments: list[int] | None, visibility: Visibility
) -> None:
    """Segments of some customers only are internal, because nobody here knows who belongs to them."""
    zendesk.library.add(make_article(1, segment=segment, segments=segments))
    assert (await ArticleReader(zendesk).read()).documents[document(1)].visibility == visibility
    strict = await ArticleReader(zendesk, visibility="internal").read()
    assert strict.documents[document(1)].visibility == "internal", "as the configuration says"


async def test_an_audience_that_cannot_be_known_is_internal(zendesk: SimulatedZendesk) -> None:
    zendesk.library.add(make_article(1, segment=SIGNED_IN), make_article(2))
    zendesk.shows_segments = False
    reading = await ArticleReader(zendesk).read()
    assert [each.visibility for each in reading.documents.values()] == ["internal", "public"]
    zendesk.states_audience = False
    reading = await ArticleReader(zendesk).read()
    assert [each.visibility for each in reading.documents.values()] == ["internal", "internal"]


async def test_without_credentials_only_what_everybody_may_see_is_read(zendesk: SimulatedZendesk) -> None:
    zendesk.library.add(make_article(1), make_article(2, segment=SIGNED_IN), make_article(3, segment=STAFF))
    reading = await ArticleReader(zendesk, is_agent=False).read()
    assert reading.documents.keys() == {document(1)}
    assert zendesk.counts()["user_segments"] == 0


async def test_changes_take_effect_in_the_next_reading(zendesk: SimulatedZendesk) -> None:
    """An edit, another title, another audience, a move, a draft, an archived article, a new one."""
    library = zendesk.library
    library.add(*(make_article(number) for number in range(10)))
    reader = ArticleReader(zendesk, f"{LOCATION}/sections/{CARE}")
    await reader.read()
    library.article(1).translations["en-us"].body = body_of(1, edition=1)
    library.article(2).translations["en-us"].title = "Another title"
    library.article(3).segment = STAFF
    library.article(4).section = ORDERS
    library.article(5).translations["en-us"].draft = True
    library.archive(6)
    library.article(7).translations["en-us"].body = " "
    library.add(make_article(10))
    reading = await reader.read()
    assert reading.documents.keys() == {document(number) for number in (1, 2, 3, 10)}
    assert reader.stored.keys() == {document(number) for number in (0, 1, 2, 3, 8, 9, 10)}
    assert reader.stored[document(3)].visibility == "internal"
    assert fact(1, 1) in reader.stored[document(1)].body
    for number in (4, 5, 6, 7):
        assert not any(fact(number) in each.body for each in reader.stored.values())


async def test_what_was_removed_here_is_read_again(zendesk: SimulatedZendesk) -> None:
    zendesk.library.add(make_article(1), make_article(2))
    reader = ArticleReader(zendesk)
    await reader.read()
    del reader.stored[document(1)]
    reading = await reader.read()
    assert (list(reading.documents), reading.unchanged) == ([document(1)], [document(2)])


async def test_a_section_that_is_gone_leaves_no_documents(zendesk: SimulatedZendesk) -> None:
    zendesk.library.add(make_article(1))
    reader = ArticleReader(zendesk, f"{LOCATION}/sections/{CARE}")
    await reader.read()
    del zendesk.library.sections[CARE]
    (skipped,) = (await reader.read()).skipped.values()
    assert (skipped.name, skipped.id, skipped.is_gone) == (reader.location, "", True)
    assert skipped.why == "is not there – check the id of the category or section"
    assert not reader.stored


# ── hostile content ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "body",
    [
        "<div>" * 3_000 + "deep" + "</div>" * 3_000,
        "<table>" * 400 + "<tr><td>x",
        "<p>" + "x" * 2_000_000 + "</p>",
        "](/" * 100_000,
        "<a href='/" * 20_000,
        "<script>alert(1)</script><p>plain</p>",
        "<p>\u202eright to left\x00</p>",
        "</main></body></html><p>outside</p>",
    ],
)
async def test_a_hostile_article_costs_only_itself(zendesk: SimulatedZendesk, body: str) -> None:
    bad = SimulatedArticle(1, {"en-us": Translation("Bad", body)})
    zendesk.library.add(bad, make_article(2))
    reading = await ArticleReader(zendesk).read()
    assert document(2) in reading.documents
    assert document(1) in reading.listed
    assert "alert(1)" not in "".join(each.body for each in reading.documents.values())


@given(html_url=st.text(), locale=st.text(min_size=1), id=st.integers(0, 10**18))
def test_any_answer_makes_an_id_and_an_address_that_is_one(html_url: str, locale: str, id: int) -> None:
    article = Article(id=id, locale=locale, title="", html_url=html_url, draft=False)
    assert document_id(article).replace("-", "").isalnum()
    assert visibility_of(article, {}) == "public"


# ── the location and the options ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("zendesk://plants", Place("plants")),
        ("ZENDESK://Plants.zendesk.com/", Place("plants")),
        ("zendesk://plants/sections/501-Plant-care", Place("plants", "sections/501")),
        ("zendesk://plants.zendesk.com/categories/401/", Place("plants", "categories/401")),
        ("zendesk://plants.zendesk.com/hc/en-us", Place("plants")),
        ("zendesk://plants.zendesk.com/hc/pt-br/sections/501-Plant-care", Place("plants", "sections/501")),
    ],
)
def test_a_location_is_a_help_centre_or_a_part_of_one(text: str, place: Place) -> None:
    assert parse_location(text) == place
    assert isinstance(source_of(text), Zendesk)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plants.example",
        "plants/articles/1",
        "plants/sections/",
        "plants/sections/x",
        "pla nts",
        "127.0.0.1:1",
        "a@b",
    ],
)
def test_another_location_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_location(f"zendesk://{text}")
    assert "subdomain" in caught.value.fix


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"email": "a@b"}, "belong together"),
        ({"token": "s3cret"}, "belong together"),
        ({"email": "a@b", "token": "s3cret\nX: y"}, "blanks"),
        ({"locales": ["en/../../x"]}, "locales.0"),
        ({"tokens": "s3cret"}, "no option 'tokens'"),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        ZendeskOptions.parse(options)
    assert "s3cret" not in str(caught.value)


def test_secrets_are_sent_to_zendesk_only_unless_the_configuration_names_a_host() -> None:
    assert Place("plants").api(ZendeskOptions()).host == "plants.zendesk.com"
    for address in ("http://plants.zendesk.com", "https://127.0.0.1:9", "http://192.168.0.1"):
        with pytest.raises(Forbidden):
            Place("plants").api(ZendeskOptions(api_url=address))
