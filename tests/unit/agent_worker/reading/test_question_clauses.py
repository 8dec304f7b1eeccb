"""One message that asks several things is split; one that asks one thing is not."""

from __future__ import annotations

import pytest

from agent_worker.knowledge.text.query_splitting import MAX_WISHES, split_questions


def _words(*messages: str) -> list[str]:
    return [one.words for one in split_questions(messages) if one.is_question]


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        (
            "how heavy is the tent, can two people carry it and does it come with pegs",
            ["how heavy is the tent", "can two people carry it", "does it come with pegs"],
        ),
        (
            "For our club trip: how many canoes fit on a trailer and what would the hire cost us",
            ["For our club trip: how many canoes fit on a trailer", "what would the hire cost us"],
        ),
        (
            "need to know when the ferry leaves and whether dogs may come. also is there a cafe on board",
            ["need to know when the ferry leaves", "whether dogs may come.", "also is there a cafe on board"],
        ),
        (
            "whats the rent for a kayak also do you lend paddles",
            ["whats the rent for a kayak", "do you lend paddles"],
        ),
        (
            "Where do I park, how soon must I be there once I booked, and is there a fee for late arrival?",
            ["Where do I park", "how soon must I be there once I booked", "is there a fee for late arrival?"],
        ),
        (
            "my son is 5, what does a helmet cost, he has a big head, can he try it on?",
            ["my son is 5, what does a helmet cost, he has a big head", "can he try it on?"],
        ),
        (
            "what do you charge for a lesson, when the sea is rough which beach do you use",
            ["what do you charge for a lesson", "when the sea is rough which beach do you use"],
        ),
        (
            "Do you hire out wetsuits, and if I tear one, what does that cost?",
            ["Do you hire out wetsuits", "if I tear one, what does that cost?"],
        ),
        (
            "can I swap a board I don't like, who carries the cost, how long do I have?",
            ["can I swap a board I don't like", "who carries the cost", "how long do I have?"],
        ),
        ("Do you take cards and is parking free?", ["Do you take cards", "is parking free?"]),
        ("Is Dr. Okafor in today? What about Mrs. Lind?", ["Is Dr. Okafor in today?", "What about Mrs. Lind?"]),
        ("1) opening hours 2) parking 3) which bus stops there", ["opening hours", "parking", "which bus stops there"]),
        ("Please tell me:\n- your address\n- the price of a ticket", ["your address", "the price of a ticket"]),
        ("Where is the pier?\nHow deep is it?", ["Where is the pier?", "How deep is it?"]),
        ("Wie lange dauert der Kurs und was kostet er?", ["Wie lange dauert der Kurs", "was kostet er?"]),
        ("Louez-vous des vélos et combien ça coûte ?", ["Louez-vous des vélos", "combien ça coûte ?"]),
        ("¿Cuánto cuesta y cuándo empieza?", ["¿Cuánto cuesta", "cuándo empieza?"]),
        ("was kostet ein Kajak und brauche ich eine Kaution?", ["was kostet ein Kajak", "brauche ich eine Kaution?"]),
        (
            "is there a kitchen we can use and a washing machine?",
            ["is there a kitchen we can use", "is there a washing machine?"],
        ),
        (
            "Do you rent a sauna, a boat and an oven?",
            ["Do you rent a sauna", "Do you rent a boat", "Do you rent an oven?"],
        ),
        ("Gibt es einen Pool oder eine Sauna?", ["Gibt es einen Pool", "Gibt es eine Sauna?"]),
        ("Three questions: is there a lift, and how deep is the pool?", ["is there a lift", "how deep is the pool?"]),
        ("I have two quick questions. Is there a lift? What is the fee?", ["Is there a lift?", "What is the fee?"]),
        ("営業時間は？駐車場は？", ["営業時間は？", "駐車場は？"]),
    ],
)
def test_each_question_is_a_part_of_its_own(message: str, parts: list[str]) -> None:
    assert _words(message) == parts


@pytest.mark.parametrize(
    "message",
    [
        "Do you ship to Chile and Peru?",
        "how do I dry and fold my wetsuit",
        "Is it better to book online, or can I pay at the pier?",
        "Could I come on a Sunday, and until when?",
        "What size should the screws be and how many?",
        "Do you buy used boats and if so, what do you pay?",
        "What is the difference between a canoe and what you call a kayak?",
        "My boat, which is red, leaks and my friend, who owns it, is away, can you fix it?",
        "Can my sister, who lives in Wales, hire one, or only I?",
        "Which boards are light and are easy to carry?",
        "I paid for an L, and what came out of the box is an M, can I swap it?",
        "How much is plus a year, and when I cancel?",
    ],
)
def test_one_question_stays_whole(message: str) -> None:
    assert _words(message) == [message]


def test_what_is_said_before_and_after_a_question_goes_with_it() -> None:
    first, second = split_questions(["I live on an island. Do you deliver? It has no bridge. How much is it?"])
    assert (first.words, first.text) == ("Do you deliver?", "I live on an island. Do you deliver? It has no bridge.")
    assert second.text == "How much is it?"


def test_of_thousands_of_items_only_the_first_may_be_wishes() -> None:
    asked: list[str] = []

    def is_wish(sentence: str) -> bool:
        asked.append(sentence)
        return False

    parts = split_questions(["- a pot\n" * 2000, "I want it. " * 100], is_wish)
    assert len(asked) == MAX_WISHES
    assert len(parts) < 2 * MAX_WISHES


def test_a_statement_after_a_wish_is_kept_apart() -> None:
    wish, told = split_questions(["I want to talk to someone. My parcel came open."], lambda one: "talk to" in one)
    assert (wish.words, told.words, told.is_question) == ("I want to talk to someone.", "My parcel came open.", False)


@pytest.mark.parametrize("message", ["I have 2) of them and 5) of those", "about 1. July"])
def test_numbers_that_do_not_count_up_mark_no_items(message: str) -> None:
    assert [one.words for one in split_questions([message])] == [message]
