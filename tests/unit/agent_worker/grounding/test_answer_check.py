"""A sentence can be true and still be no answer: a refusal, an echo, another thing, the other way round."""

from __future__ import annotations

import pytest

from agent_worker.grounding.answer_check import check_answer, is_refusal
from agent_worker.grounding.failures import Ungrounded
from agent_worker.grounding.gate import Gate
from schemas.ports import Passage


def passage(text: str, heading: str = "", document: str = "faq") -> Passage:
    return Passage("shop", document, 1, "Questions", heading, "", text, 0.9)


REFUSALS = [
    "I cannot do that.",
    "I can't do that",
    "I'm sorry, but I can't help with that.",
    "Sorry, I am unable to assist you with this request.",
    "Unfortunately we are not able to do that at this time.",
    "I\u2019m afraid I can\u2019t do that.",
    "We won't be able to help you with that.",
    "That is not possible.",
    "I am not allowed to answer that.",
    "Das kann ich leider nicht tun.",
    "Dabei kann ich Ihnen leider nicht helfen.",
    "Tut mir leid, das ist nicht möglich.",
]


@pytest.mark.parametrize("sentence", REFUSALS)
def test_a_set_phrase_of_refusal_is_no_answer(sentence: str) -> None:
    """Though it stands in what it cites word for word, as the result of an action or in a hostile document. With a
    reason beside it, it is one."""
    told = passage(f"{sentence.rstrip('.')}. The parcel has left our house.", document="action:refund")
    gate = Gate([told])
    gate.admit(f"{sentence.rstrip('.')} [1].")
    assert gate.only_refuses
    gate.admit(" The parcel has left our house [1].")
    assert not gate.only_refuses


@pytest.mark.parametrize(
    "sentence",
    [
        "I cannot cancel order A-17, because it has left.",
        "We do not ship to islands.",
        "You cannot do that yourself.",
        "Plants cannot be returned.",
        "No, that needs a signature.",
        "We are sorry that the parcel was late.",
    ],
)
def test_a_refusal_with_its_reason_is_an_answer(sentence: str) -> None:
    """So is a rule of the house, and whatever names what it is about."""
    assert not is_refusal(sentence)


def test_the_tenants_own_words_for_a_refusal_count_too() -> None:
    """In whatever language they are."""
    assert is_refusal("Das machen wir nicht mit.", ["Das machen wir nicht mit."])
    assert not is_refusal("Das machen wir nicht mit.")


WINTER = passage("Yes. We ship all year round and add a heat pack in frost.", "Do you ship in winter?")
EUROPE = passage("No. We ship to the EU, the UK and Norway.", "Do you ship outside Europe?")
POISON = passage("Nepenthes are not poisonous to cats.", "Are they poisonous?")
PACKS = passage("Orchids need a heat pack. Cacti travel without one.", "Heat packs")
PAYMENT = passage("We take bank transfers and credit cards.", "Payment")
STAINS = passage("No, wine and ink stay visible.", "Can you remove every stain?")
RETURNS = passage("Yes, within 14 days, without giving a reason.", "Can I return a plant?")

WRONG = {
    "yes for no": ("Do you ship outside Europe?", "Yes, we ship to the EU, the UK and Norway.", EUROPE, "exchanged"),
    "no for yes": ("Do you ship in winter?", "No, we ship all year round.", WINTER, "exchanged"),
    "in another language": ("Versendet ihr im Winter?", "Nein, we ship all year round.", WINTER, "exchanged"),
    "the No of another question": (
        "Do you ship to Norway?",
        "No, we ship to the EU, the UK and Norway.",
        EUROPE,
        "answers another question",
    ),
    "the No to a part of it": (
        "Is stain removal included in the price?",
        "No, wine and ink stay visible.",
        STAINS,
        "answers another question",
    ),
    "the Yes to its opposite": (
        "Do you not ship in winter?",
        "Yes, we ship all year round.",
        WINTER,
        "answers another question",
    ),
    "the Yes within a shorter time": (
        "Can I return a plant after 3 weeks?",
        "Yes, within 14 days.",
        RETURNS,
        "answers another question",
    ),
    "what is so for what is not": ("Which do not need a heat pack?", "Orchids need a heat pack.", PACKS, "is not so"),
    "another species": ("Is Aloe poisonous to cats?", "They are not poisonous to cats.", POISON, "'Aloe'"),
    "another way to pay": ("can I pay with PayPal?", "We take bank transfers and credit cards.", PAYMENT, "'PayPal'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_sentence_that_answers_something_else_is_objected_to(case: str) -> None:
    """With a reason that tells the model what to change."""
    question, sentence, cited, reason = WRONG[case]
    assert reason in str(check_answer(question, sentence, cited))


RIGHT = [
    ("Do you ship in winter?", "Yes, we ship all year round.", WINTER),
    ("Is winter shipping done? Do you ship when it is winter?", "Yes, we ship all year round.", WINTER),
    ("Do you ship outside Europe?", "No, we ship to the EU, the UK and Norway.", EUROPE),
    ("Do you ship to Norway?", "We ship to the EU, the UK and Norway.", EUROPE),
    ("Do you ship to Japan?", "We ship only to the EU, the UK and Norway.", EUROPE),
    ("Can I return a plant after two weeks?", "Yes, within 14 days.", RETURNS),
    ("Can I return a plant after 3 weeks?", "No, only within 14 days.", RETURNS),
    ("Can I return a plant for €30?", "Yes, within 14 days.", RETURNS),
    ("Which do not need a heat pack?", "Cacti travel without a heat pack.", PACKS),
    ("Why does my orchid not arrive?", "Orchids need a heat pack.", PACKS),
    ("Are Nepenthes poisonous to cats?", "Nepenthes are not poisonous to cats.", POISON),
    ("I live in Leeds, how can I pay?", "We take bank transfers and credit cards.", PAYMENT),
    ("Is a credit card OK?", "We take bank transfers and credit cards.", PAYMENT),
    ("I am Anna. What can I pay with?", "We take bank transfers and credit cards.", PAYMENT),
    ("Can I pay on Saturday?", "We take bank transfers and credit cards.", PAYMENT),
    ("Can I pay order A-17 by card?", "We take bank transfers and credit cards.", PAYMENT),
    ("CAN I PAY BY CARD?", "We take bank transfers and credit cards.", PAYMENT),
    ("Welche Karten nehmt ihr im Laden?", "We take bank transfers and credit cards.", PAYMENT),
    ("Where is the Aloe that I ordered?", "It is on its way.", passage("It is on its way.", "", "action:status")),
]


@pytest.mark.parametrize(("question", "sentence", "cited"), RIGHT)
def test_an_answer_to_the_question_passes(question: str, sentence: str, cited: Passage) -> None:
    """Names in another sentence, days, order numbers and capitals of other kinds are no things asked about."""
    assert check_answer(question, sentence, cited) is None


def test_an_echo_of_the_question_is_no_answer() -> None:
    """Unless it is a yes-or-no question, which it may answer."""
    told = passage("We ship orders on Mondays by express.")
    with pytest.raises(Ungrounded) as stopped:
        Gate([told], questions=["When do you ship my order?"]).admit("We ship your order [1].")
    assert "repeats the question" in stopped.value.reason
    assert Gate([told], questions=["When do you ship my order?"]).admit("We ship it on Mondays [1].")
    assert Gate([told], questions=["Do you ship orders by express?"]).admit("We ship orders by express [1].")


def test_a_sentence_answers_one_of_several_questions() -> None:
    """Which one, the gate does not know; it objects when none of them can be meant."""
    gate = Gate([PAYMENT, WINTER], questions=["Can I pay with PayPal?", "Do you ship in winter?"])
    assert gate.admit("Yes, we ship all year round [2].")
    with pytest.raises(Ungrounded):
        Gate([PAYMENT], questions=["Can I pay with PayPal?", "Is PayPal OK?"]).admit("We take credit cards [1].")


def test_the_yes_or_no_to_another_question_is_left_out() -> None:
    """What follows it may answer. It stays if one of the questions is the passage's own; alone it answers nothing."""
    opened = "No, we ship to the EU, the UK and Norway [1]."
    admitted = Gate([EUROPE], questions=["Is Aloe poisonous?", "Do you ship to Norway?"]).admit(f" {opened}")
    assert admitted == " We ship to the EU, the UK and Norway [1]."
    assert Gate([EUROPE], questions=["Is Aloe poisonous?", "Do you ship outside Europe?"]).admit(opened) == opened
    for refused in ("Yes, we ship to the EU, the UK and Norway [1].", "No [1]."):
        with pytest.raises(Ungrounded):
            Gate([EUROPE], questions=["Do you ship to Norway?"]).admit(refused)


def test_a_passage_that_supports_the_answer_suffices() -> None:
    """A second one may be cited for the rest."""
    both = [POISON, passage("Aloe and Nepenthes are not poisonous to cats.")]
    gate = Gate(both, questions=["Is Aloe poisonous to cats?"])
    assert gate.admit("They are not poisonous to cats [1][2].")
    with pytest.raises(Ungrounded):
        Gate(both, questions=["Is Aloe poisonous to cats?"]).admit("They are not poisonous to cats [1].")


TENDRILS = passage("When tendrils dry without inflating, the humidity has changed suddenly.", "Tendrils and pitchers")
RAIN = passage("It is rainwater or nothing.", "How do I water?", "care")


def test_what_has_few_words_of_a_doubted_question_is_about_something_else() -> None:
    """A quotation proves what it says, but not that anybody asked for it."""
    sentence = f"{TENDRILS.text.rstrip('.')} [1]."
    for question in ("Who won the world cup in 2014?", "How does my tyre dry after the puncture?"):
        with pytest.raises(Ungrounded) as stopped:
            Gate([TENDRILS], questions=[question], doubted={question: question}).admit(sentence)
        assert "something else" in stopped.value.reason
        assert Gate([TENDRILS], questions=[question]).admit(sentence) == sentence


DOUBTED = [
    ("Why do my tendrils dry?", "Why do my tendrils dry?", TENDRILS),
    ("And when it is hot?", "And when it is hot? How do I water?", RAIN),
    ("Und wie gieße ich bei großer Hitze im Sommer?", "Und wie gieße ich bei großer Hitze im Sommer?", RAIN),
    ("Where is it?", "Where is the parcel?", passage("On its way.", "", "action:status")),
]


@pytest.mark.parametrize(("question", "searched", "cited"), DOUBTED)
def test_a_doubted_question_may_be_answered(question: str, searched: str, cited: Passage) -> None:
    """By what has half of its words, or of those that it was searched for, in the passage's heading, too; in another
    language, or by an action."""
    sentence = f"{cited.text.rstrip('.')} [1]."
    assert Gate([cited], questions=[question], doubted={question: searched}).admit(sentence) == sentence


def test_another_check_can_take_its_place() -> None:
    """Called with the question, the sentence without its marks, and each cited passage."""
    seen: list[tuple[str, str, Passage]] = []

    def check(question: str, sentence: str, cited: Passage) -> str | None:
        seen.append((question, sentence, cited))
        return "it is about something else"

    with pytest.raises(Ungrounded) as stopped:
        Gate([PAYMENT], questions=["Q?"], check=check).admit("We take bank transfers [1].")
    assert stopped.value.reason == "it is about something else"
    assert [(question, sentence) for question, sentence, _ in seen] == [("Q?", "We take bank transfers.")]
    assert seen[0][2] is PAYMENT
