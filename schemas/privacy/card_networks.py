"""Card numbers by network: first digits with their lengths (ISO/IEC 7812), and the check digit. A number that no
network issues is left alone, whatever its check digit."""

from __future__ import annotations

_BY_LENGTH: dict[int, tuple[tuple[str, str], ...]] = {
    13: (("4", "4"), ("50", "50"), ("56", "58"), ("63", "63"), ("67", "67")),
    14: (("300", "305"), ("3095", "3095"), ("36", "36"), ("38", "39"), ("50", "50"), ("56", "58"), ("63", "67")),
    15: (("34", "34"), ("37", "37"), ("1800", "1800"), ("2131", "2131"), ("50", "50"), ("56", "58"), ("63", "67")),
    16: (
        ("4", "4"),
        ("51", "55"),
        ("2221", "2720"),
        ("2200", "2205"),
        ("300", "305"),
        ("3095", "3095"),
        ("352", "358"),
        ("36", "36"),
        ("38", "39"),
        ("50", "50"),
        ("56", "69"),
        ("81", "82"),
        ("9792", "9792"),
    ),
    17: (("2200", "2205"), ("352", "358"), ("50", "50"), ("56", "69"), ("81", "81")),
    18: (("2200", "2205"), ("352", "358"), ("50", "50"), ("56", "69"), ("81", "81")),
    19: (("4", "4"), ("2200", "2205"), ("352", "358"), ("36", "36"), ("50", "50"), ("56", "69"), ("81", "81")),
}
"""By length, ranges of first digits: Visa, Mastercard, Mir, Diners Club, JCB, American Express, Maestro, Discover,
UnionPay, RuPay, Troy and the national cards that share their ranges."""
LENGTHS = (16, 15, 14, 19, 18, 17, 13)
"""The most likely lengths first."""
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def is_card(digits: str) -> bool:
    """``digits`` are ASCII."""
    return has_issuer(digits) and passes_luhn(digits)


def has_issuer(digits: str) -> bool:
    """Whether a network issues numbers with this beginning and length."""
    ranges = _BY_LENGTH.get(len(digits), ())
    return any(first <= digits[: len(first)] <= last for first, last in ranges)


def passes_luhn(digits: str) -> bool:
    """Whether the check digit of ISO/IEC 7812 (Luhn) is right. Zeros alone pass, and are nobody's card."""
    odd = sum(int(digit) for digit in digits[-1::-2])
    even = sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])
    return (odd + even) % 10 == 0


def is_ean(digits: str) -> bool:
    """Whether the check digit of an article number (EAN-13) is right. Many article numbers begin like cards."""
    return len(digits) == 13 and sum(int(digit) * (3 if at % 2 else 1) for at, digit in enumerate(digits)) % 10 == 0
