"""What the shop's actions take and give, and how the assistant asks for it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field


class OrderNumber(BaseModel):
    order: str = Field(
        pattern=r"^NP-\d{5}$",
        title="Order number",
        examples=["NP-10231"],
        json_schema_extra={
            "titles": {"en": "Order number", "de": "Bestellnummer"},
            "ask": {
                "en": "Which order is it? The number is in the confirmation e-mail and looks like NP-10231.",
                "de": "Um welche Bestellung geht es? Die Nummer steht in der Bestätigung und sieht aus wie NP-10231.",
            },
        },
    )


class Refund(OrderNumber):
    amount: Decimal | None = Field(
        default=None,
        gt=0,
        max_digits=8,
        decimal_places=2,
        title="Amount",
        json_schema_extra={
            "titles": {"en": "Amount", "de": "Betrag"},
            "currency": "EUR",
            "ask": {
                "en": "How much shall I refund, in euros? All of it is an answer, too.",
                "de": "Wie viel soll ich erstatten, in Euro? Auch der ganze Betrag geht.",
            },
        },
    )


class NewDay(OrderNumber):
    day: date = Field(
        title="Day of delivery",
        json_schema_extra={
            "titles": {"en": "Day of delivery", "de": "Liefertag"},
            "ask": {
                "en": "On which day should it arrive? Plants arrive from Tuesday to Friday.",
                "de": "An welchem Tag soll sie ankommen? Pflanzen kommen von Dienstag bis Freitag an.",
            },
        },
    )


class Plant(StrEnum):
    orchid = "orchid"
    carnivorous = "carnivorous"
    succulent = "succulent"


class Repotting(BaseModel):
    plant: Plant = Field(
        title="Kind of plant",
        json_schema_extra={
            "titles": {"en": "Kind of plant", "de": "Art der Pflanze"},
            "ask": {"en": "What kind of plant will you bring?", "de": "Was für eine Pflanze bringst du mit?"},
            "labels": {
                "orchid": {"en": "An orchid", "de": "Eine Orchidee"},
                "carnivorous": {"en": "A carnivorous plant", "de": "Eine fleischfressende Pflanze"},
                "succulent": {"en": "A succulent", "de": "Eine Sukkulente"},
            },
        },
    )
    day: date = Field(
        title="Day",
        json_schema_extra={
            "titles": {"en": "Day", "de": "Tag"},
            "ask": {
                "en": "On which day would you like to come? In winter the bench is open on Saturdays, from March to "
                "October on Fridays, too.",
                "de": "An welchem Tag möchtest du kommen? Im Winter ist samstags geöffnet, von März bis Oktober auch "
                "freitags.",
            },
        },
    )


class Voucher(OrderNumber):
    code: str = Field(
        pattern=r"^[A-Z]{4,12}\d{0,3}$",
        title="Voucher code",
        examples=["WELCOME5"],
        json_schema_extra={
            "titles": {"en": "Voucher code", "de": "Gutscheincode"},
            "ask": {"en": "What is the code of the voucher?", "de": "Wie lautet der Gutscheincode?"},
        },
    )


class Order(BaseModel):
    order: str
    status: str
    delivery_day: date
    total: str
    refunded: str
    items: list[dict[str, Any]]
    refusals: dict[str, str] = Field(default_factory=dict, exclude=True)
    """Why the order allows this no more, by the shop's name for it."""


class Done(BaseModel):
    """What the shop answered."""

    facts: dict[str, Any]
