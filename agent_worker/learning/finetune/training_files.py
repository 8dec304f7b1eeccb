"""The files of training data: rows for each way of training, split by contact, and their data card."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import orjson

from agent_worker.learning.finetune.data_card import OWN_LICENCE, DataCard, describe_examples, render_card
from agent_worker.learning.finetune.example_filters import FilterResult
from agent_worker.learning.finetune.training_example import TrainingExample, TrainingModel
from schemas.errors import InvalidRequest

Split = Literal["train", "held-out"]
SPLITS: tuple[Split, ...] = get_args(Split)
CARD, CARD_PAGE, INDEX = "data-card.json", "data-card.md", "examples.jsonl"
DEFAULT_HELD_OUT = 0.1
_DIGITS = 8


class FileOptions(TrainingModel):
    """``held_out``: the share of contacts whose examples are kept for measuring; ``seed``: of the split."""

    tenant: str
    since: str = ""
    held_out: float = DEFAULT_HELD_OUT
    seed: int = 1
    model_share: float = 0.5
    licence: str = OWN_LICENCE


def assign_split(contact: str, held_out: float, seed: int) -> Split:
    """The split of everything that a contact said. It stays the same when more examples are added."""
    digest = hashlib.sha256(f"{seed}:{contact}".encode()).hexdigest()
    return "held-out" if int(digest[:_DIGITS], 16) < held_out * 16**_DIGITS else "train"


def write_training_files(folder: Path, filtered: FilterResult, options: FileOptions, created_at: datetime) -> DataCard:
    """Write `sft`, `dpo` and `kto` rows for each split, an index of the examples, and the data card. Raises
    InvalidRequest if the folder has other files."""
    _prepare(folder)
    by_split = _split(filtered.kept, options)
    files: dict[str, int] = {}
    for split, examples in by_split.items():
        for kind, rows in build_rows(examples).items():
            name = f"{kind}.{split}.jsonl"
            files[name] = len(rows)
            _write_lines(folder / name, rows)
    _write_lines(folder / INDEX, _index(by_split))
    card = DataCard(
        tenant=options.tenant,
        created_at=created_at,
        since=options.since,
        files=files,
        splits={split: len({each.contact for each in examples}) for split, examples in by_split.items()},
        model_share_limit=options.model_share,
        licence=options.licence,
        seed=options.seed,
        **describe_examples(filtered),
    )
    (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    (folder / CARD_PAGE).write_text(render_card(card), encoding="utf-8")
    return card


def build_rows(examples: Iterable[TrainingExample]) -> Mapping[str, list[dict[str, Any]]]:
    """The rows of each way of training."""
    every = list(examples)
    return {
        "sft": [each.to_sft() for each in every if each.chosen],
        "dpo": [each.to_dpo() for each in every if each.chosen and each.rejected],
        "kto": [row for each in every for row in each.to_kto()],
    }


def read_card(folder: Path) -> DataCard:
    """Raises InvalidRequest if it is not a folder of training data."""
    try:
        return DataCard.model_validate_json((folder / CARD).read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{folder} has no {CARD}", fix="write it with `parley finetune data`") from error


def _prepare(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (folder / CARD).exists():
        raise InvalidRequest(f"{folder} has other files in it", fix="name an empty folder")


def _split(examples: Iterable[TrainingExample], options: FileOptions) -> dict[Split, list[TrainingExample]]:
    by_split: dict[Split, list[TrainingExample]] = {split: [] for split in SPLITS}
    for each in sorted(examples, key=lambda each: (each.at, each.id)):
        by_split[assign_split(each.contact, options.held_out, options.seed)].append(each)
    return by_split


def _index(by_split: Mapping[Split, Sequence[TrainingExample]]) -> Iterator[dict[str, Any]]:
    """Where each example comes from, without its texts, which are in the rows."""
    texts = {"prompt", "tools", "chosen", "rejected", "question", "note", "problem"}
    for split, examples in by_split.items():
        for each in examples:
            yield {"split": split} | each.model_dump(mode="json", exclude=texts)


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    # Conversations are in it, so nobody else on the machine may read it.
    path.touch(mode=0o600)
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
