"""Values that parsers, validators and stores stumble over, and how a JSON document is bent with them."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]

RAW = {
    "@huge-int": "9" * 5000,
    "@big-int": "9" * 30,
    "@exponent": "1e400",
    "@tiny": "1e-400",
    "@nan": "NaN",
    "@infinity": "-Infinity",
    "@negative-zero": "-0.0",
    "@surrogate": '"\\ud800"',
    "@surrogate-pair": '"\\ud83d\\ude00"',
    "@swapped-pair": '"\\ude00\\ud83d"',
    "@nul": '"a\\u0000b"',
    "@deep": "[" * 3000 + "]" * 3000,
    "@deep-objects": '{"a":' * 2000 + "1" + "}" * 2000,
    "@half": '"unfinished',
    "@comment": "/* */ 1",
    "@doubled": '{"a": 1, "a": 2}',
}
"""Written into the text as they stand: Python's own writer would not make them."""

STRINGS = (
    *(
        "",
        " ",
        "\n",
        "\t\r\n",
        "\x7f",
        "\u200b",
        "\u202eabc",
        "\ufeff",
        "\uffff",
        "é" * 100,
        "a" * 65,
        "a" * 8001,
        "a" * 70_000,
    ),
    *(
        "null",
        "true",
        "0",
        "-1",
        "[]",
        "{}",
        "' OR 1=1 --",
        "<script>alert(1)</script>",
        "../../etc/passwd",
        "%00",
        "${HOME}",
    ),
    *("{{7*7}}", "\U0001f600" * 50, "e\u0301" * 500, "\u0660\u0661", "00000000-0000-0000-0000-000000000000", "person"),
)
NUMBERS = (0, 1, -1, 2**31, 2**53, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**30, 0.1, 1e308, 5e-324)
OTHERS: tuple[Any, ...] = (None, True, False, [], {}, [None], {"": None}, [[]], [{}] * 50, DEEP)


def hostile(rng: random.Random) -> Any:
    kind = rng.random()
    if kind < 0.35:
        return rng.choice(STRINGS)
    if kind < 0.55:
        return rng.choice(NUMBERS)
    if kind < 0.75:
        return copy.deepcopy(rng.choice(OTHERS))  # whoever gets it may bend it further
    return rng.choice(list(RAW))


def bend(rng: random.Random, document: Any) -> Any:
    """A copy with one to three changes somewhere in it."""
    bent = copy.deepcopy(document)
    for _ in range(rng.randint(1, 3)):
        bent = _bend_once(rng, bent)
    return bent


def _bend_once(rng: random.Random, document: Any) -> Any:
    holders = [holder for holder in _holders(document) if holder]
    if not holders or rng.random() < 0.08:
        return hostile(rng)
    holder = rng.choice(holders)
    key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
    deed = rng.random()
    if deed < 0.6:
        holder[key] = hostile(rng)
    elif deed < 0.75:
        del holder[key]
    elif deed < 0.85:
        holder[key] = [holder[key]]
    elif isinstance(holder, dict):
        holder[str(hostile(rng))[:200]] = hostile(rng)
    else:
        holder.extend(holder[:50] * 3)
    return document


def _holders(document: Any) -> list[Any]:
    found: list[Any] = []
    left = [document]
    while left and len(found) < 100:
        node = left.pop()
        if isinstance(node, dict | list):
            found.append(node)
            left.extend(node.values() if isinstance(node, dict) else node)
    return found


def encode_hostile_json(rng: random.Random, document: Any) -> bytes:
    """As JSON text, sometimes not quite; raw values stand in it as they are."""
    text = json.dumps(document, ensure_ascii=rng.random() < 0.5)
    for name, raw in RAW.items():
        if name in text:
            text = text.replace(f'"{name}"', raw)
    data = text.encode(errors="surrogatepass")
    return corrupt_bytes(rng, data) if rng.random() < 0.15 else data


def corrupt_bytes(rng: random.Random, data: bytes) -> bytes:
    """With some bytes changed, cut off, put in or doubled."""
    held = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(held) + 1)
        deed = rng.random()
        if deed < 0.3 and at < len(held):
            held[at] ^= 1 << rng.randrange(8)
        elif deed < 0.5:
            held[at:at] = rng.choice(
                (b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b"\xc0\x80", b"\xef\xbb\xbf", b'"', b"}", b"\\u")
            )
        elif deed < 0.7:
            del held[at:]
        elif deed < 0.85:
            del held[at : at + rng.randint(1, 20)]
        else:
            held[at:at] = held[: rng.randint(0, 50)]
    return bytes(held)
