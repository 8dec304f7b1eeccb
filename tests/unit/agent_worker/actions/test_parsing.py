"""Customers' own words become typed values; what could mean two things is both."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from agent_worker.actions.parsing import Field, ParseContext, fields_of
from agent_worker.actions.parsing.amounts import amounts
from agent_worker.actions.parsing.amounts import format_amount as shown_amount
from agent_worker.actions.parsing.date_languages import parse_date
from agent_worker.actions.parsing.dates import dates
from agent_worker.actions.parsing.dates import format_date as shown_date
from agent_worker.actions.parsing.fields import free_text, options
from agent_worker.actions.parsing.identifiers import emails, identifiers
from agent_worker.actions.parsing.numerals import quantities
from agent_worker.settings import ActionRules

MONDAY = date(2026, 11, 23)
ORDER = r"^NP-\d{5}$"


def context(locale: str = "en", *, asked: bool = True, today: date = MONDAY) -> ParseContext:
    return ParseContext(today, locale, asked)


@pytest.mark.parametrize(
    ("text", "locale", "expected"),
    [
        ("tomorrow please", "en", ["2026-11-24"]),
        ("the day after tomorrow", "en", ["2026-11-25"]),
        ("today", "en", ["2026-11-23"]),
        ("can it be Friday?", "en", ["2026-11-27"]),
        ("this Friday", "en", ["2026-11-27"]),
        ("on Monday", "en", ["2026-11-30"]),
        ("next Friday", "en", ["2026-11-27", "2026-12-04"]),
        ("Friday in a week", "en", ["2026-12-04"]),
        ("in 3 days", "en", ["2026-11-26"]),
        ("in two weeks", "en", ["2026-12-07"]),
        ("in a week", "en", ["2026-11-30"]),
        ("Dec 3", "en", ["2026-12-03"]),
        ("December 3rd, 2027", "en", ["2027-12-03"]),
        ("the 3rd of December", "en", ["2026-12-03"]),
        ("on 1 January", "en", ["2027-01-01"]),
        ("Monday, December 7", "en", ["2026-12-07"]),
        ("Tuesday, December 7", "en", ["2026-11-24", "2026-12-07"]),
        ("2026-12-24", "en", ["2026-12-24"]),
        ("24.12.", "en", ["2026-12-24"]),
        ("24.12.27", "de", ["2027-12-24"]),
        ("12/24", "en", ["2026-12-24"]),
        ("24/12/2026", "en", ["2026-12-24"]),
        ("3/12", "en-US", ["2027-03-12"]),
        ("3/12", "en-GB", ["2026-12-03"]),
        ("3/12", "en", ["2026-12-03", "2027-03-12"]),
        ("am 3.12. bitte", "de", ["2026-12-03"]),
        ("3. Dezember", "de", ["2026-12-03"]),
        ("morgen", "de", ["2026-11-24"]),
        ("übermorgen", "de", ["2026-11-25"]),
        ("heute noch", "de", ["2026-11-23"]),
        ("kommenden Freitag", "de", ["2026-11-27"]),
        ("nächsten Freitag", "de", ["2026-11-27", "2026-12-04"]),
        ("in einer Woche", "de", ["2026-11-30"]),
        ("Freitag in einer Woche", "de", ["2026-12-04"]),
        ("guten Morgen", "de", []),
        ("whenever you like", "en", []),
        ("it costs 12.50", "en", []),
    ],
)
def test_days_are_read(text: str, locale: str, expected: list[str]) -> None:
    """Days relative, by weekday, by name and by number."""
    usable = [reading.value for reading in dates(text, context(locale)) if not reading.problem]
    assert usable == expected


@pytest.mark.parametrize(
    ("text", "locale", "expected"),
    [
        ("demain", "fr", "2026-11-24"),
        ("le 3 décembre", "fr-FR", "2026-12-03"),
        ("dans 3 jours", "fr", "2026-11-26"),
        ("mañana", "es", "2026-11-24"),
        ("en 3 días", "es", "2026-11-26"),
        ("domani", "it", "2026-11-24"),
        ("3 dicembre", "it", "2026-12-03"),
        ("morgen", "nl", "2026-11-24"),
        ("over 3 dagen", "nl", "2026-11-26"),
        ("amanhã", "pt-BR", "2026-11-24"),
        ("3 de dezembro", "pt", "2026-12-03"),
        ("3 grudnia", "pl", "2026-12-03"),
        ("завтра", "ru", "2026-11-24"),
        ("3 Aralık", "tr", "2026-12-03"),
        ("明天", "zh", "2026-11-24"),
        ("12월 3일", "ko", "2026-12-03"),
        ("i morgon", "sv", "2026-11-24"),
    ],
)
def test_days_are_read_in_other_languages_when_one_was_asked_for(text: str, locale: str, expected: str) -> None:
    assert [reading.value for reading in dates(text, context(locale))] == [expected]
    assert parse_date(text, context("en")) is None


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("je ne sais pas", "fr"),
        ("deux", "fr"),
        ("mai", "fr"),
        ("2", "es"),
        ("10:30", "fr"),
        ("quiero cancelar", "es"),
        ("zo snel mogelijk", "nl"),
        ("два", "ru"),
        ("x" * 5000, "fr"),
        ("no language", "xx"),
    ],
)
def test_what_is_no_day_in_another_language_is_not_read_as_one(text: str, locale: str) -> None:
    assert dates(text, context(locale)) == []


def test_next_friday_on_a_friday_is_the_one_in_a_week() -> None:
    """When the coming one is in next week, nobody means another."""
    assert [r.value for r in dates("next Friday", context(today=date(2026, 11, 27)))] == ["2026-12-04"]


@pytest.mark.parametrize("text", ["30.2.", "February 30", "2026-13-01", "31/11/2026"])
def test_a_day_that_no_calendar_has_is_told_apart_from_no_day(text: str) -> None:
    assert [reading.problem for reading in dates(text, context())] == ["no_such_day"]


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.sampled_from(["en", "de", "en-US", "en-GB"]))
def test_a_day_that_is_shown_is_read_back(day: date, locale: str) -> None:
    """Whatever the locale, the written form names exactly that day; so does ISO 8601."""
    for text in (shown_date(day, locale).partition(", ")[2], day.isoformat()):
        assert [reading.value for reading in dates(text, context(locale))] == [day.isoformat()]


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(1, 12), st.integers(1, 28))
def test_a_day_without_a_year_is_the_next_one(today: date, month: int, day: int) -> None:
    (reading,) = dates(f"{day}.{month}.", context("de", today=today))
    assert today <= date.fromisoformat(reading.value) < today + timedelta(days=366)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12,50 €", "12.50"),
        ("€12.50", "12.50"),
        ("EUR 12", "12.00"),
        ("12 euros", "12.00"),
        ("1.250,00 €", "1250.00"),
        ("€1,250", "1250.00"),
        ("1.250 Euro", "1250.00"),
        ("€ 1 250.5", "1250.50"),
        ("five euros", "5.00"),
        ("fünf Euro", "5.00"),
        ("twenty five euros", "25.00"),
        ("twelve fifty", "12.50"),
        ("zwölf Euro fünfzig", "12.50"),
        ("5 euros and 20 cents", "5.20"),
        ("5€50", "5.50"),
        ("5 € for NP-10234", "5.00"),
        ("12,- €", "12.00"),
        ("12.5", "12.50"),
        ("0.5 eur please", "0.50"),
    ],
)
def test_amounts_are_read(text: str, expected: str) -> None:
    assert [(r.value, r.problem) for r in amounts(text, context(), "EUR")] == [(expected, "")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("$12.50", "currency"),
        ("12 pounds", "currency"),
        ("-5 €", "negative"),
        ("€-5", "negative"),
        ("minus 5 euro", "negative"),
        ("half of it", "share"),
        ("50 %", "share"),
    ],
)
def test_an_amount_that_cannot_be_used_says_why(text: str, problem: str) -> None:
    assert [reading.problem for reading in amounts(text, context(), "EUR")] == [problem]


def test_a_number_is_an_amount_only_where_one_was_asked_for() -> None:
    assert [r.value for r in amounts("about 15 I guess", context(), "EUR")] == ["15.00"]
    assert amounts("about 15 I guess, for NP-10234", context(asked=False), "EUR") == []


@given(st.decimals(Decimal("0.01"), Decimal("999999.99"), places=2), st.sampled_from(["en", "de"]))
def test_an_amount_that_is_shown_is_read_back(value: Decimal, locale: str) -> None:
    for currency in ("EUR", "USD", "CHF"):
        said = shown_amount(value, currency, locale)
        assert [(r.value, r.problem) for r in amounts(said, context(locale), currency)] == [(f"{value:.2f}", "")]


@pytest.mark.parametrize(
    ("text", "asked", "expected"),
    [
        ("it is NP-10234", False, ["NP-10234"]),
        ("np-10234", False, ["NP-10234"]),
        ("NP 10234", False, ["NP-10234"]),
        ("order #np10234.", False, ["NP-10234"]),
        ("10234", True, ["NP-10234"]),
        ("10234", False, []),
        ("NP-10234 and NP-10235", False, ["NP-10234", "NP-10235"]),
        ("NP-10234, I repeat NP-10234", False, ["NP-10234"]),
        ("NP-1023", True, []),
        ("NP-102345", True, []),
        ("XNP-10234", False, []),
        ("€10234.50", True, []),
    ],
)
def test_order_numbers_are_found_however_they_are_written(text: str, asked: bool, expected: list[str]) -> None:
    assert [reading.value for reading in identifiers(text, context(asked=asked), ORDER)] == expected


def test_a_pattern_with_a_number_sign_or_alternatives_works_too() -> None:
    assert [r.value for r in identifiers("order w1234567", context(), r"^#W\d{7}$")] == ["#W1234567"]
    assert [r.value for r in identifiers("A-12 or B-34", context(), r"^(A|B)-\d\d$")] == ["A-12", "B-34"]


@given(st.integers(0, 99999), st.sampled_from(["NP-{}", "np {}", "np{}", "#NP-{}", "my order NP_{}, thanks", "NP–{}"]))
def test_each_order_number_is_restored_exactly(number: int, form: str) -> None:
    said = form.format(f"{number:05}")
    assert [r.value for r in identifiers(said, context(asked=False), ORDER)] == [f"NP-{number:05}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mail: Ida.Lund@Example.com.", ["ida.lund@example.com"]),
        ("<a+b@mail.example.com>", ["a+b@mail.example.com"]),
        ("a@b", []),
        ("a..b@example.com", []),
        ("@handle", []),
        ("one@example.com or two@example.com", ["one@example.com", "two@example.com"]),
    ],
)
def test_addresses_are_read(text: str, expected: list[str]) -> None:
    assert [reading.value for reading in emails(text, context())] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", [3]),
        ("three please", [3]),
        ("zwei Stück", [2]),
        ("eine", [1]),
        ("a dozen", [12]),
        ("some", []),
        ("3.5", []),
    ],
)
def test_quantities_are_read(text: str, expected: list[int]) -> None:
    assert [reading.value for reading in quantities(text, context())] == expected


@pytest.mark.parametrize(
    ("text", "locale", "expected"),
    [
        ("fünfundzwanzig", "de", [25]),
        ("einundzwanzig bitte", "de", [21]),
        ("twenty five", "en", [25]),
        ("one hundred and five please", "en", [105]),
        ("vingt-cinq", "fr-FR", [25]),
        ("dos", "es", [2]),
        ("vijf", "nl", [5]),
        ("cinque", "it", [5]),
        ("two or three", "en", [2, 3]),
        ("the second one", "en", [1]),
        ("три", "ru", []),
    ],
)
def test_numbers_in_words_are_read_when_one_was_asked_for(text: str, locale: str, expected: list[int]) -> None:
    assert [reading.value for reading in quantities(text, context(locale))] == expected
    assert [reading.value for reading in quantities("je ne sais pas, comme toujours", context("fr"))] == []


@pytest.mark.parametrize(
    ("text", "locale", "expected"),
    [("fünfundzwanzig Euro", "de", "25.00"), ("vingt-cinq euros", "fr", "25.00"), ("cento euro", "it", "100.00")],
)
def test_amounts_in_words_are_read_when_one_was_asked_for(text: str, locale: str, expected: str) -> None:
    assert [reading.value for reading in amounts(text, context(locale), "EUR")] == [expected]
    assert amounts(text, context(locale, asked=False), "EUR") == []


def test_one_of_a_few_answers() -> None:
    """By value, label, number, or a word that only one has; a word that two have means both."""
    labels = {"terrarium": "Repotting at the terrarium bench", "orchid": "Orchid repotting"}
    for text, expected in (
        ("2", ["orchid"]),
        ("terrarium", ["terrarium"]),
        ("the bench one", ["terrarium"]),
        ("repotting", ["terrarium", "orchid"]),
        ("7", []),
        ("neither", []),
    ):
        assert [reading.value for reading in options(text, context(), labels)] == expected, text


def test_free_text_is_whatever_was_asked_for() -> None:
    assert [r.value for r in free_text("  it arrived\n broken ", context())] == ["it arrived broken"]
    assert free_text("it arrived broken", context(asked=False)) == []
    assert len(free_text("x" * 5000, context())[0].value) == 500


@given(st.text(max_size=300), st.sampled_from(["en", "de", "en-US", ""]), st.booleans())
def test_no_text_is_too_strange(text: str, locale: str, asked: bool) -> None:
    """Whatever is written, each parser answers with values of its type."""
    schema = {
        "properties": {
            "order": {"type": "string", "pattern": ORDER},
            "day": {"type": "string", "format": "date"},
            "amount": {"anyOf": [{"type": "number"}, {"type": "string"}], "currency": "EUR"},
            "mail": {"type": "string", "format": "email"},
            "count": {"type": "integer"},
            "kind": {"enum": ["a", "b"]},
        },
        "required": ["order"],
    }
    fields = fields_of(schema, locale)
    assert [field.kind for field in fields] == ["identifier", "date", "amount", "email", "quantity", "choice"]
    for field in fields:
        for reading in field.read(text, context(locale, asked=asked)):
            assert reading.problem or _fits(field, reading.value)


def _fits(field: Field, value: object) -> bool:
    match field.kind:
        case "identifier":
            return isinstance(value, str) and len(value) == 8
        case "date":
            return date.fromisoformat(str(value)).isoformat() == value
        case "amount":
            return Decimal(str(value)) >= 0
        case "email":
            return "@" in str(value)
        case "quantity":
            return isinstance(value, int) and value >= 0
        case _:
            return value in ("a", "b")


def test_numbers_without_a_currency_and_yes_or_no() -> None:
    """Decimals are numbers of any currency, and of none; a truth is one of two choices."""

    class WeightArguments(BaseModel):
        weight: Decimal
        gift: bool

    weight, gift = fields_of(WeightArguments.model_json_schema(), "de")
    assert [one.value for one in weight.read("2,5", context())] == ["2.50"]
    assert [one.value for one in weight.read("2.5 €", context())] == ["2.50"]
    assert [one.value for one in gift.read("nein", context("de"))] == ["false"]
    assert WeightArguments.model_validate({"weight": "2.50", "gift": "false"}) == WeightArguments(
        weight=Decimal("2.5"), gift=False
    )


def test_tomorrow_is_reckoned_where_the_tenant_is() -> None:
    """Shortly before midnight in Greenwich the next day has begun in Berlin, and not in New York."""
    late = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)
    days = {zone: ActionRules(timezone=zone).today(late) for zone in ("UTC", "Europe/Berlin", "America/New_York")}
    assert [day.day for day in days.values()] == [23, 24, 23]
