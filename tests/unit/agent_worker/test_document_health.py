"""Duplicates and contradictory figures: found where they were planted, and nowhere else.

The planted sentences were written after the rules were fixed, about trades that the rules were not made on."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent_worker.knowledge.health.contradictions import Contradiction, ContradictionFinder
from agent_worker.knowledge.health.duplicates import Duplicate, DuplicateFinder
from agent_worker.knowledge.text.documents import from_bytes
from schemas.conversation import Document
from tests.harness.processes import ROOT

TRADES = {
    path.parent.name: path
    for path in (*ROOT.glob("tests/answers/*/knowledge"), *ROOT.glob("tests/answers/training/*/knowledge"))
} | {"plantstore": ROOT / "examples/plantstore/knowledge"}
PLANTED = [
    ("same", "vet", "Saying goodbye", "Clay prints", "A print in clay costs £30 and is ready after a week."),
    (
        "reworded",
        "airline",
        "Status questions",
        "Breaks",
        "Members on parental leave can freeze their level for 6 months.",
    ),
    (
        "same",
        "carrental",
        "Excess in short",
        "Theft",
        "With Standard you pay the excess of $2,000, and with Full nothing.",
    ),
    ("same", "energy", "Smart meter appointments", "When to book", "Bookings open eight weeks ahead."),
    ("reworded", "hosting", "Domains in short", "Length", "Most names can be registered for 1 to 5 years at a time."),
    (
        "reworded",
        "hotel",
        "Rooms for everyone",
        "Holding rooms",
        "Accessible rooms: we hold them back until 7 days before arrival for guests who need them.",
    ),
    (
        "same",
        "insurance",
        "What to declare",
        "Conditions",
        "Cancer, heart and lung conditions must be declared if they occurred in the past five years.",
    ),
    ("same", "meals", "Ending your plan", "Confirmation", "You get a confirmation by e-mail within 60 minutes."),
    ("reworded", "mobile", "A new phone", "Delivery", "Order before 6 pm, and the phone comes the next working day."),
    ("same", "vet", "Switching insurance", "Who decides", "The practice manager decides within five working days."),
    (
        "same",
        "airline",
        "How the club works",
        "Levels",
        "With 200 level points in a calendar year you reach Wing, and with 400 you reach Crest.",
    ),
    ("paraphrased", "courses", "Your company's lessons", "Expiry", "Unused lessons lapse after 6 months."),
    (
        "reworded",
        "energy",
        "A home visit",
        "The adviser",
        "An adviser spends about 45 minutes at your home and leaves a report.",
    ),
    (
        "same",
        "hosting",
        "Codes and vouchers",
        "Forgotten codes",
        "A code that you forgot to enter can be added by support within 14 days of the order.",
    ),
    ("reworded", "hotel", "Arriving by rail", "Fares", "A single train ticket costs £3.10."),
    ("paraphrased", "meals", "Our crates", "Lifetime", "A crate lasts for about 50 journeys."),
    (
        "same",
        "mobile",
        "Numbers",
        "After you leave",
        "After that the number is kept for another 90 days and then given to someone else.",
    ),
    (
        "reworded",
        "museum",
        "Bags and instruments",
        "Limits",
        "Sports bags and musical instruments are stored in the office if you ask, at most four per day.",
    ),
    ("reworded", "vet", "Needles", "Sharps boxes", "Sharps boxes hold about 100 needles and cost £8."),
    ("reworded", "carrental", "Travelling with small children", "Seats", "A toddler seat costs $15 a day."),
]
"""Kind, trade, title and heading of the document that contradicts another one, and its sentence."""


def build(name: str, body: str, title: str = "") -> Document:
    return Document(id=name, title=title or name, body=body, version=1, updated_at=datetime(2026, 5, 4, tzinfo=UTC))


def load(folder: Path) -> list[Document]:
    drafts = [from_bytes(path.name, path.read_bytes()) for path in sorted(folder.rglob("*.md"))]
    return [build(f"{folder.parent.name}-{draft.id}", draft.body, draft.title) for draft in drafts]


def contradictions(documents: Iterable[Document]) -> list[Contradiction]:
    finder = ContradictionFinder()
    for document in documents:
        finder.add(document)
    return finder.find()


def duplicates(documents: Iterable[Document]) -> list[Duplicate]:
    finder = DuplicateFinder()
    for document in documents:
        finder.add(document)
    return finder.find()


def test_ordinary_documents_of_a_trade_contradict_each_other_in_one_place_of_250_documents() -> None:
    """The one: a dentist's price for "any size" beside one for "small"."""
    found = [each for folder in TRADES.values() for each in contradictions(load(folder))]
    assert [{each.first.document, each.second.document} for each in found] == [
        {"dental-childrens-dentistry", "dental-prices"}
    ]


def test_planted_contradictions_are_found_the_more_surely_the_closer_their_words() -> None:
    found = {"same": 0, "reworded": 0, "paraphrased": 0}
    for kind, trade, title, heading, sentence in PLANTED:
        documents = [*load(TRADES[trade]), build("planted", f"# {title}\n\n## {heading}\n\n{sentence}\n", title)]
        pairs = contradictions(documents)
        assert all("planted" in (each.first.document, each.second.document) for each in pairs), sentence
        assert len(pairs) <= 1, sentence
        found[kind] += len(pairs)
    assert found["same"] >= 8
    assert found["reworded"] >= 4


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("You can return plants within 14 days.", "You can return plants within two weeks."),
        ("Returns of plants are free within 14 days.", "Returns of pots are free within 30 days."),
        ("A parcel to Spain costs 9 euros.", "A parcel to Norway costs 19 euros."),
        ("Express delivery of a parcel costs 9 euros.", "Delivery of a parcel costs 5 euros."),
        ("You need at least 3 days for a parcel.", "You need up to 7 days for a parcel."),
        ("A deposit of 20 euros is not refunded.", "A deposit of 30 euros is refunded."),
        ("The shop opens at 9 am on weekdays.", "The shop opens at 9:00 on weekdays."),
        ("A return label used to cost 4 euros.", "A return label costs 5 euros."),
        ("The model 12 charger fits a phone of 2 kg.", "The model 13 charger fits a phone of 3 kg."),
    ],
)
def test_sentences_that_both_may_be_true_are_no_contradiction(one: str, other: str) -> None:
    assert contradictions([build("a", one, "Help"), build("b", other, "More help")]) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("You can return unopened plants within 14 days.", "You can return unopened plants within 30 days."),
        ("The nursery opens at 9 am on Saturday.", "On Saturday, the nursery opens at 10:00."),
        ("Wholesale customers get a discount of 10%.", "A discount of 15% is for wholesale customers."),
        ("A heat pack costs 4.50 euro in winter.", "In winter a heat pack costs €5."),
        ("Each parcel holds 12 plants at most.", "A parcel holds at most 15 plants."),
    ],
)
def test_the_same_statement_with_another_figure_is_one(one: str, other: str) -> None:
    (found,) = contradictions([build("a", one, "Help"), build("b", other, "More help")])
    assert {found.first.quote, found.second.quote} == {one, other}


def test_a_template_with_a_figure_for_each_country_is_no_contradiction() -> None:
    texts = {"Spain": 5, "Norway": 9, "Malta": 11}
    documents = [build(name, f"Standard parcels to this country cost {price} euros.") for name, price in texts.items()]
    assert contradictions(documents) == []


def test_copies_of_documents_and_of_passages_are_found_among_250_others() -> None:
    chooser, documents = random.Random(3), [each for folder in TRADES.values() for each in load(folder)]
    assert duplicates(documents) == []
    planted = []
    for number, original in enumerate(chooser.sample(documents, 20)):
        paragraphs = [part for part in original.body.split("\n\n") if len(part.split()) >= 25]
        body = original.body
        if number >= 14:
            body = f"# Other\n\nWords that nobody wrote before.\n\n{chooser.choice(paragraphs)}\n"
        elif number >= 7:
            words = body.split(" ")
            body = " ".join("changed" if at % 70 == 0 else word for at, word in enumerate(words))
        planted.append((build(f"copy-{number}", body), original.id))
    found = duplicates([*documents, *(copy for copy, _ in planted)])
    assert {frozenset((each.first.document, each.second.document)) for each in found} == {
        frozenset((copy.id, original)) for copy, original in planted
    }
    whole = {name for each in found if each.is_whole for name in (each.first.document, each.second.document)}
    assert {f"copy-{number}" for number in range(14)} <= whole
