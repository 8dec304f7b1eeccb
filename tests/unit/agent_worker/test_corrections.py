"""Corrections within the messages that wait together."""

from __future__ import annotations

import pytest

from agent_worker.nlu.corrections import apply_corrections
from tests.harness.time_growth import assert_in_proportion

CORRECTED = [
    (["How much is shipping to Austria?", "pots back?", "no wait, to Norway not Austria"],
     ["How much is shipping to Norway?", "pots back?"]),
    (["Do you ship to Austria?", "sorry, I meant Norway"], ["Do you ship to Norway?"]),
    (["do you ship to austria?", "sorry i meant norway"], ["do you ship to norway?"]),
    (["Do you ship to Austria?", "*Norway"], ["Do you ship to Norway?"]),
    (["do you ship orchds?", "*orchids"], ["do you ship orchids?"]),
    (["Do you ship to Austria?", "Norway instead of Austria"], ["Do you ship to Norway?"]),
    (["I live in Austria. Do you ship there?", "not Austria but Norway"], ["I live in Norway. Do you ship there?"]),
    (["Do you ship to the UK?", "actually, to Ireland"], ["Do you ship to Ireland?"]),
    (["When do you open on Monday?", "sorry, Tuesday"], ["When do you open on Tuesday?"]),
    (["Do you ship to Austria?", "no wait", "to Norway"], ["Do you ship to Norway?"]),
    (["Do you ship to Austria? No, to Norway."], ["Do you ship to Norway?"]),
    (["Do you ship to Austria, I mean Norway?"], ["Do you ship to Norway"]),
    (["I want two pots, I mean three pots"], ["I want three pots"]),
    (["refund 5 euro of A-1001", "no, 6 euro"], ["refund 6 euro of A-1001"]),
    (["cancel A-1001", "sorry, A-1002"], ["cancel A-1002"]),
    (["Do you ship to Austria?", "Sorry, I meant: do you ship to Norway?"], ["do you ship to Norway?"]),
    (["Versand nach Österreich?", "nein, nach Norwegen"], ["Versand nach Norwegen?"]),
    (["Was kostet der Versand nach Österreich?", "nicht Österreich sondern Norwegen"],
     ["Was kostet der Versand nach Norwegen?"]),
    (["Livrez-vous en Autriche ?", "pardon, je voulais dire en Norvège"], ["Livrez-vous en Norvège ?"]),
    (["¿Envían a Austria?", "no, a Noruega"], ["¿Envían a Noruega?"]),
]  # fmt: skip
LEFT = [
    ["Do you ship to Austria?", "can I return pots?", "no thanks"],
    ["Do you ship to Norway?", "no I did not get my parcel"],
    ["Do you ship in winter?", "no"],
    ["Is it not cold?", "do you ship to Norway but not Sweden?"],
    ["Can I pay with PayPal?", "wait, do you ship to Norway?"],
    ["Do you add a heat pack in winter?", "Sorry, I meant: can I use tap water?"],
    ["Hello", "no wait, to Norway not Austria"],
    ["Do you ship to Norway?", "Sorry for asking so much"],
    ["Do you ship to Norway?", "Actually my plant is not well"],
]


@pytest.mark.parametrize(("messages", "meant"), CORRECTED, ids=lambda each: each[-1])
def test_a_correction_takes_the_place_of_what_it_corrects(messages: list[str], meant: list[str]) -> None:
    assert apply_corrections(messages) == meant


@pytest.mark.parametrize("messages", LEFT, ids=lambda each: each[-1])
def test_a_message_without_a_correction_stays_as_written(messages: list[str]) -> None:
    assert apply_corrections(messages) == messages


@pytest.mark.parametrize(
    "piece", ["no wait, ", "not a but b ", "to Norway ", "*x ", "sorry, I mean 5 ", "a, rather than "]
)
def test_long_messages_cost_no_more_than_their_length(piece: str) -> None:
    assert_in_proportion(
        lambda size: ["Do you ship to Austria? " + piece * size, piece * size], apply_corrections, 1_000
    )
