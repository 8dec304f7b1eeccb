"""Training of a LoRA adapter on this machine, with torch, transformers and peft. Never imported by a worker."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from agent_worker.learning.finetune.training_run import Attempt, LossPoint, TrainingRun
from schemas.errors import InvalidRequest, MissingDependency
from schemas.runtime.optional_dependencies import install_command

try:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import (
        AutoModelForCausalLM,
        AutoTokenizer,
        DynamicCache,
        EarlyStoppingCallback,
        Trainer,
        TrainerCallback,
        TrainingArguments,
        set_seed,
    )

    from agent_worker.learning.finetune.rehearsal import compute_divergence, write_answers
except ImportError as error:
    raise MissingDependency(
        f"training on this machine needs {error.name or 'torch'}, which is not installed",
        fix=install_command("finetune"),
    ) from error

_IGNORED = -100
"""The label of tokens that are not to be learned."""
_MIN_SHARED = 16
"""Tokens at the beginning of all rows of a batch from which it is worth reading them apart."""
_REHEARSAL_WEIGHT = 4.0
"""How much the divergence counts beside the loss."""
ADAPTER = "adapter"
REHEARSED = "rehearsed.jsonl"
"""The base model's own answers, in the folder of the run."""


@dataclass(frozen=True, slots=True)
class LoraOptions:
    """``evaluate_every``: steps between two looks at the held-out loss; ``patience``: looks without an improvement of
    ``threshold`` until the training stops early. ``max_tokens``: longer rows are left out. ``rehearsed``: prompts whose
    answers are to stay those of the base model, at least ``batch``, or none. ``callbacks``: further ones of
    transformers."""

    batch: int = 4
    evaluate_every: int = 20
    patience: int = 3
    threshold: float = 0.005
    max_tokens: int = 2048
    rehearsed: Sequence[str] = ()
    callbacks: Sequence[Any] = ()
    report: Callable[[str], None] = lambda _: None


def train_adapter(run: TrainingRun, first: Attempt, data: Path, folder: Path, options: LoraOptions) -> TrainingRun:
    """Train until an attempt does not overfit, at most three times. An interrupted run goes on at its last checkpoint.
    Raises InvalidRequest if there are too few rows."""
    while not run.model:
        attempt = run.attempts[-1] if run.attempts and not run.attempts[-1].model else run.plan_next(first)
        if attempt is None:
            best = run.best_attempt
            run.model = best.model if best is not None else ""
            run.save(folder)
            break
        if not run.attempts or run.attempts[-1] is not attempt:
            run.attempts.append(attempt)
            run.save(folder)
        name = f"attempt-{len(run.attempts)}"
        _train_once(run, attempt, data, folder / name, options)
        attempt.model, attempt.status = f"{name}/{ADAPTER}", "succeeded"
        run.save(folder)
    return run


def _train_once(run: TrainingRun, attempt: Attempt, data: Path, folder: Path, options: LoraOptions) -> None:
    set_seed(run.seed)
    tokenizer: Any = AutoTokenizer.from_pretrained(run.base_model)
    base: Any = AutoModelForCausalLM.from_pretrained(run.base_model)
    targets = _find_attention(base)
    lora = LoraConfig(r=attempt.rank, lora_alpha=2 * attempt.rank, target_modules=targets, task_type="CAUSAL_LM")
    rows = {split: read_rows(data / f"sft.{split}.jsonl", tokenizer, options) for split in ("train", "held-out")}
    padding = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    trainer = _AnswerTrainer(
        rehearsed=_read_rehearsed(base, tokenizer, folder.parent / REHEARSED, options),
        model=get_peft_model(base, lora),
        args=_build_arguments(run, attempt, folder, options),
        train_dataset=rows["train"],
        eval_dataset=rows["held-out"],
        data_collator=lambda batch: collate(batch, padding),
        callbacks=[EarlyStoppingCallback(options.patience, options.threshold), *options.callbacks],
    )
    resumes = any(folder.glob("checkpoint-*"))
    before = None if resumes else float(trainer.evaluate()["eval_loss"])
    options.report(f"{folder.name}: {len(rows['train'])} rows, learning rate {attempt.rate:g}, rank {attempt.rank}")
    trainer.train(resume_from_checkpoint=True if resumes else None)
    attempt.losses = _read_losses(trainer.state.log_history, before)
    trainer.model.save_pretrained(folder / ADAPTER)
    tokenizer.save_pretrained(folder / ADAPTER)


def _find_attention(model: Any) -> list[str]:
    """The names of the linear layers in the model's attention. To cite passages and to keep a form, they are enough;
    what a model knows is mostly in the others."""
    attention = [each for each in model.modules() if type(each).__name__.endswith("Attention")]
    return sorted(
        {name for each in attention for name, layer in each.named_modules() if isinstance(layer, torch.nn.Linear)}
    )


def _read_rehearsed(base: Any, tokenizer: Any, path: Path, options: LoraOptions) -> list[dict[str, list[int]]]:
    """The prompts to rehearse, with the base model's answers, which it writes once a run."""
    if not options.rehearsed:
        return []
    if not path.exists():
        options.report(f"the base model answers {len(options.rehearsed)} prompts, to be rehearsed")
        write_answers(base, tokenizer, options.rehearsed, path)
    return read_rows(path, tokenizer, options)


class _AnswerTrainer(Trainer):  # type: ignore[misc]  # untyped where it is not installed
    """Computes the loss with ``compute_answer_loss``. To each batch of the training it adds the divergence from the
    base model of as many ``rehearsed`` rows."""

    def __init__(self, *, rehearsed: Sequence[Mapping[str, list[int]]], **options: Any) -> None:
        super().__init__(**options)
        self._rehearsed = random.Random(self.args.data_seed).sample(rehearsed, len(rehearsed))

    def compute_loss(
        self, model: Any, inputs: Mapping[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        loss = compute_answer_loss(model, inputs, num_items_in_batch)
        if self._rehearsed and model.training:
            size = self.args.per_device_train_batch_size
            # The step decides which, so that a training that goes on after a kill rehearses the same ones.
            begin = self.state.global_step * size
            rows = [self._rehearsed[(begin + n) % len(self._rehearsed)] for n in range(size)]
            batch = {name: each.to(model.device) for name, each in self.data_collator(rows).items()}
            loss = loss + _REHEARSAL_WEIGHT * compute_divergence(model, batch, _IGNORED)
        return (loss, {"loss": loss}) if return_outputs else loss


def compute_answer_loss(model: Any, batch: Mapping[str, Any], learned: Any = None) -> Any:
    """The mean loss of the tokens to learn, of which there are ``learned``. It has the same gradients as the loss that
    the model computes itself, in half the time: a tenant's rows all begin with the same instructions, which are read
    once for the whole batch, and only answers are compared with the vocabulary."""
    ids, labels, mask = batch["input_ids"], batch["labels"], batch["attention_mask"]
    is_learned = labels[:, 1:] != _IGNORED
    columns = is_learned.any(dim=0).nonzero()[:, 0]
    shared = _count_shared(ids, int(columns[0]))
    cache = DynamicCache(config=model.config) if shared else None
    if cache is not None:
        model(input_ids=ids[:1, :shared], cache=cache, use_cache=True, logits_to_keep=1)
        cache.batch_repeat_interleave(len(ids))
    kept = columns - shared
    logits = model(input_ids=ids[:, shared:], attention_mask=mask, cache=cache, logits_to_keep=kept).logits
    targets = labels[:, columns + 1].flatten()
    loss = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1).float(), targets, ignore_index=_IGNORED, reduction="sum"
    )
    return loss / (is_learned.sum() if learned is None else learned)


def _count_shared(ids: Any, limit: int) -> int:
    """The number of tokens that all rows begin with, at most ``limit``; 0 if there are too few."""
    same = (ids[:, :limit] == ids[:1, :limit]).all(dim=0)
    shared = int(same.long().cumprod(dim=0).sum()) if len(ids) > 1 else 0
    return shared if shared >= _MIN_SHARED else 0


def _build_arguments(run: TrainingRun, attempt: Attempt, folder: Path, options: LoraOptions) -> Any:
    return TrainingArguments(
        output_dir=str(folder),
        learning_rate=attempt.rate,
        num_train_epochs=attempt.epochs,
        per_device_train_batch_size=options.batch,
        per_device_eval_batch_size=options.batch,
        eval_strategy="steps",
        eval_steps=options.evaluate_every,
        save_strategy="steps",
        save_steps=options.evaluate_every,
        save_total_limit=2,
        logging_steps=options.evaluate_every,
        load_best_model_at_end=True,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        seed=run.seed,
        data_seed=run.seed,
        report_to=[],
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
        label_names=["labels"],
    )


def read_rows(path: Path, tokenizer: Any, options: LoraOptions) -> list[dict[str, list[int]]]:
    """The rows as tokens, of which only those of the answer are learned. Raises InvalidRequest."""
    rows = []
    for line in path.read_bytes().splitlines():
        content = orjson.loads(line)
        *prompt, answer = content["messages"]
        template = {"tools": content.get("tools"), "tokenize": False}
        begin = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, **template)
        whole = tokenizer.apply_chat_template([*prompt, answer], **template)
        ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
        learned = len(tokenizer(begin, add_special_tokens=False)["input_ids"])
        if len(ids) <= options.max_tokens:
            rows.append({"input_ids": ids, "labels": [_IGNORED] * learned + ids[learned:]})
    if len(rows) < options.batch:
        raise InvalidRequest(f"{path} has {len(rows)} rows of at most {options.max_tokens} tokens: too few to train")
    return rows


def collate(batch: Sequence[Mapping[str, list[int]]], padding: int) -> dict[str, Any]:
    """Rows as tensors of one length."""
    longest = max(len(row["input_ids"]) for row in batch)

    def pad(values: Iterable[list[int]], fill: int) -> Any:
        return torch.tensor([[*row, *[fill] * (longest - len(row))] for row in values])

    mask = pad(([1] * len(row["input_ids"]) for row in batch), 0)
    ids, labels = pad((row["input_ids"] for row in batch), padding), pad((row["labels"] for row in batch), _IGNORED)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def _read_losses(history: Sequence[Mapping[str, Any]], before: float | None) -> list[LossPoint]:
    train = {int(each["step"]): float(each["loss"]) for each in history if "loss" in each}
    held_out = {int(each["step"]): float(each["eval_loss"]) for each in history if "eval_loss" in each}
    if before is not None:
        held_out[0] = before
    steps = sorted({*train, *held_out})
    return [LossPoint(step=step, train=train.get(step), held_out=held_out.get(step)) for step in steps]


__all__ = [
    "ADAPTER",
    "REHEARSED",
    "LoraOptions",
    "TrainerCallback",
    "collate",
    "compute_answer_loss",
    "read_rows",
    "train_adapter",
]
