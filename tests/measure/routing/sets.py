"""The public sets, as they lie in the data folder."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

Pair = tuple[str, str]
"""A message and its intent."""


@dataclass(frozen=True, slots=True)
class LabelledDataset:
    """``shown`` is learned from, ``held`` is judged by, ``strange`` was never shown."""

    name: str
    shown: Sequence[Pair]
    held: Sequence[Pair]
    strange: Sequence[str] = ()

    def examples(self) -> dict[str, list[str]]:
        made: defaultdict[str, list[str]] = defaultdict(list)
        for text, intent in self.shown:
            made[intent].append(text)
        return dict(made)


def banking77(data: Path) -> LabelledDataset:
    """A fifth of the published training part is held back, by a hash of the text: the test part is not here."""
    with (data / "banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        pairs = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    kept = [crc32(text.encode()) % 5 != 0 for text, _ in pairs]
    shown = [pair for pair, keep in zip(pairs, kept, strict=True) if keep]
    return LabelledDataset("banking77", shown, [pair for pair, keep in zip(pairs, kept, strict=True) if not keep])


def clinc150(data: Path) -> LabelledDataset:
    """Learned from the training part, judged by the validation part. No out-of-scope message is learned from, so both
    published lists of them are judged."""
    whole = json.loads((data / "clinc150" / "train_val.json").read_text(encoding="utf-8"))
    shown, held = ([(text, intent) for text, intent in whole[part]] for part in ("train", "val"))
    return LabelledDataset(
        "clinc150", shown, held, [text for part in ("oos_train", "oos_val") for text, _ in whole[part]]
    )
