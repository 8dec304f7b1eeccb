"""Rehearsal: while an adapter is trained, its answers to prompts that have nothing to do with the task stay those of
the base model. Without it, a few hundred rows are enough to make a small model forget what it knew."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from schemas.errors import MissingDependency
from schemas.runtime.optional_dependencies import install_command

try:
    import torch
except ImportError as error:
    raise MissingDependency("rehearsal needs torch, which is not installed", fix=install_command("finetune")) from error

MAX_TOKENS = 64
"""Of an answer. What the base writes first shows enough of what it knows."""
_AT_ONCE = 16


def write_answers(model: Any, tokenizer: Any, prompts: Sequence[str], path: Path) -> None:
    """Write what the model itself answers, as rows with ``messages``."""
    conversations = [[{"role": "user", "content": prompt}] for prompt in prompts]
    rows = []
    for begin in range(0, len(prompts), _AT_ONCE):
        batch = conversations[begin : begin + _AT_ONCE]
        texts = [tokenizer.apply_chat_template(each, add_generation_prompt=True, tokenize=False) for each in batch]
        options = {"return_tensors": "pt", "padding": True, "padding_side": "left", "add_special_tokens": False}
        tokens = tokenizer(texts, **options).to(model.device)
        written = model.generate(**tokens, max_new_tokens=MAX_TOKENS, do_sample=False)
        answers = tokenizer.batch_decode(written[:, tokens["input_ids"].shape[1] :], skip_special_tokens=True)
        rows += [
            {"messages": [*each, {"role": "assistant", "content": text}]}
            for each, text in zip(batch, answers, strict=True)
        ]
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    os.replace(temporary, path)


def compute_divergence(model: Any, batch: Mapping[str, Any], ignored: int) -> Any:
    """How far the adapter's predictions of these answers are from those of its base: the Kullback-Leibler divergence of
    a token, on average. ``ignored``: the label of tokens that are no part of an answer."""
    learned = batch["labels"][:, 1:] != ignored
    tokens = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad(), model.disable_adapter():
        expected = _predict(model, tokens, learned)
    predicted = _predict(model, tokens, learned)
    return torch.nn.functional.kl_div(predicted, expected, log_target=True, reduction="batchmean")


def _predict(model: Any, tokens: Mapping[str, Any], learned: Any) -> Any:
    """The logarithms of the probabilities, tokens × vocabulary."""
    return model(**tokens).logits[:, :-1][learned].float().log_softmax(dim=-1)
