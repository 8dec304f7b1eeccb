"""Numbers for tests: of cards as the networks issue them, and of things that are none."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from schemas.privacy.cards import passes_luhn

ISSUED: tuple[tuple[str, int], ...] = (
    *(("4", 16), ("4", 19), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15)),
    *(("300", 14), ("3095", 14), ("36", 14), ("38", 14), ("6011", 16), ("65", 16), ("644", 16), ("622126", 16)),
    *(("62", 19), ("3528", 16), ("3589", 16), ("5018", 16), ("6304", 18), ("6759", 19), ("2200", 16), ("81", 16)),
    *(("6062", 16), ("9792", 16), ("508", 16), ("6799", 17)),
)
"""First digits and length."""
PRINTED: dict[int, tuple[int, ...]] = {
    14: (4, 6, 4),
    15: (4, 6, 5),
    16: (4, 4, 4, 4),
    17: (4, 4, 4, 5),
    18: (6, 4, 4, 4),
    19: (4, 4, 4, 4, 3),
}
SCRIPTS = ("0", "٠", "۰", "०", "০", "๐", "０", "𝟎")
"""The zero of each."""


def pan(rng: random.Random) -> str:
    prefix, length = rng.choice(ISSUED)
    body = prefix + "".join(rng.choice("0123456789") for _ in range(length - len(prefix) - 1))
    return next(body + digit for digit in "0123456789" if passes_luhn(body + digit))


def printed(digits: str, between: str) -> str:
    at, groups = 0, []
    for size in PRINTED[len(digits)]:
        groups.append(digits[at : at + size])
        at += size
    return between.join(groups)


def in_script(text: str, zero: str) -> str:
    return "".join(chr(ord(zero) + int(letter)) if letter.isascii() and letter.isdigit() else letter for letter in text)


FORMS: tuple[Callable[[str], str], ...] = (
    lambda digits: digits,
    *(
        (lambda digits, mark=mark: printed(digits, mark))
        for mark in (" ", "-", ".", " - ", "\u00a0", "\u2011", "\n", "_")
    ),
    lambda digits: " ".join(digits),
    lambda digits: "-".join(digits),
    lambda digits: printed(digits, "\u200b "),
)
AROUND = (
    "{}",
    "My card is {}.",
    "Please take it from {} exp 12/27, thanks!",
    "visa{}",
    "(card {})",
    "Karte: {}, gültig bis 11/28",
    "卡号{}谢谢",
    "order PS-10023 was paid with {}",
    "call me on +49 151 2345678 about {}",
    "{}\nIs that enough?",
    "pay:{};12/26",
)


def written(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Without end: the digits of a card, and a text that holds it."""
    while True:
        digits = pan(rng)
        form, zero, around = rng.choice(FORMS), rng.choice(SCRIPTS[:1] * 6 + SCRIPTS), rng.choice(AROUND)
        yield digits, around.format(in_script(form(digits), zero))


def _digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def _iban(rng: random.Random) -> str:
    body = _digits(rng, 18)
    check = 98 - int(body + "131400") % 97
    whole = f"DE{check:02d}{body}"
    return rng.choice((whole, " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))))


OTHERS: dict[str, Callable[[random.Random], str]] = {
    "order number of a known form": lambda rng: f"PS-{_digits(rng, 14)} has not arrived",
    "order in three groups": lambda rng: f"It is {_digits(rng, 3)}-{_digits(rng, 7)}-{_digits(rng, 7)}",
    "telephone": lambda rng: (
        f"Call +{rng.choice('123456789')}{rng.choice(('', ' '))}{_digits(rng, rng.randint(9, 13))}"
    ),
    "telephone in groups": lambda rng: f"0{_digits(rng, 3)} {_digits(rng, 3)} {_digits(rng, 4)} or 0{_digits(rng, 10)}",
    "IBAN": lambda rng: f"Refund to {_iban(rng)} please",
    "parcel, said to be one": lambda rng: f"tracking: {_digits(rng, rng.choice((14, 16, 18)))}",
    "parcel with letters": lambda rng: f"1Z{_digits(rng, 16)} or RR{_digits(rng, 9)}DE",
    "instant": lambda rng: f"at 17{_digits(rng, 11)} ms",
}
BARE = "digits that nobody explains"
ORDER = "order number, said to be one"


def bare(rng: random.Random) -> str:
    return f"{_digits(rng, rng.randint(13, 19))}"


def order(rng: random.Random) -> str:
    return f"My order number is {bare(rng)}, where is it?"
