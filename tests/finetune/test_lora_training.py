"""A tiny random Llama is trained for real: the loss falls, training stops early, the best checkpoint is kept, and the
adapter is promoted."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import torch
from peft import PeftModel
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from agent_worker.learning.evals.results import CaseResult, CheckResult, RunResult
from agent_worker.learning.evals.suite import Gate
from agent_worker.learning.finetune.adapter_evaluation import AdapterEvaluation, LocaleScore, compare_locales
from agent_worker.learning.finetune.lora_training import (
    REHEARSED,
    LoraOptions,
    TrainerCallback,
    collate,
    compute_answer_loss,
    read_rows,
    train_adapter,
)
from agent_worker.learning.finetune.model_folder import read_base_model
from agent_worker.learning.finetune.rehearsal import compute_divergence
from agent_worker.learning.finetune.training_run import Attempt, TrainingRun, digest_files, list_versions, open_run
from gateway.config.loader import load
from gateway.finetune.adapter_registry import promote_adapter

TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CONFIG = """
encoder: light
models: {tiny: {provider: openai, model: tiny, base_url: "http://127.0.0.1:9/v1"}}
tenants: {shop: {name: Shop, model: tiny, channels: {web: {main: {}}}}}
"""
EXPECTED = 60
NOW = datetime(2026, 6, 1, tzinfo=UTC)
PLANTS = ["flava", "alata", "minor", "rubra", "regia", "nutans", "bifida", "gigantea"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model with random weights."""
    folder = tmp_path_factory.mktemp("tiny-llama")
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<unk>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    tokenizer.train_from_iterator(texts(400, 0), trainers.BpeTrainer(vocab_size=600, special_tokens=special))
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>", unk_token="<unk>"
    )
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny Llama\n")
    return folder


def texts(count: int, seed: int) -> list[str]:
    chosen = random.Random(seed)
    return [f"Water the {chosen.choice(PLANTS)} every {chosen.randint(2, 9)} days [1]." for _ in range(count)]


def write_rows(path: Path, count: int, seed: int) -> None:
    rows = [
        {
            "messages": [
                {"role": "system", "content": "Answer from the passages."},
                {"role": "user", "content": text.replace(" [1]", "")},
                {"role": "assistant", "content": text},
            ]
        }
        for text in texts(count, seed)
    ]
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (folder := tmp_path / "data").mkdir()
    write_rows(folder / "sft.train.jsonl", 120, 1)
    write_rows(folder / "sft.held-out.jsonl", 24, 2)
    return folder


def begin(base: Path, data: Path, folder: Path) -> TrainingRun:
    digests = digest_files([data / "sft.train.jsonl", data / "sft.held-out.jsonl"])
    run = TrainingRun(
        id="shop-1",
        tenant="shop",
        base=str(base),
        base_model=str(base),
        method="sft",
        seed=1,
        data=digests,
        versions=list_versions(),
    )
    return open_run(folder, run)


def test_the_loss_falls_training_stops_early_and_the_best_checkpoint_is_kept(
    base: Path, data: Path, tmp_path: Path
) -> None:
    assert read_base_model(base).licence == "apache-2.0"
    run = begin(base, data, tmp_path / "run")
    options = LoraOptions(batch=8, evaluate_every=10, patience=2, threshold=0.02)
    done = train_adapter(run, Attempt(rate=5e-3, epochs=60, rank=16), data, tmp_path / "run", options)
    (attempt,) = done.attempts
    measured = [each.held_out for each in attempt.losses if each.held_out is not None]
    assert attempt.best_point is not None
    assert min(measured) < 0.9 * measured[0], measured
    assert attempt.losses[-1].step < 60 * 15, "it stopped early"
    assert {"torch", "transformers", "peft"} <= done.versions.keys()
    assert measure(base, tmp_path / "run" / done.model, data) == pytest.approx(min(measured), abs=0.02)
    assert_promoted(base, tmp_path / "run" / done.model, data, tmp_path)


def assert_promoted(base: Path, adapter: Path, data: Path, folder: Path) -> None:
    """The adapter expects more of the answers to held-out contacts than its base, so it may answer."""
    (file := folder / "parley.yaml").write_text(CONFIG)
    model: Any = AutoModelForCausalLM.from_pretrained(base).eval()
    before = check_answers(model, adapter, data)
    after = check_answers(PeftModel.from_pretrained(model, adapter).eval(), adapter, data)
    suite = compare_locales(before, after, {case.name: "en" for case in before.cases})
    kept = LocaleScore(locale="all", cases=20, before=1.0, after=1.0, low=0.0, high=0.0)
    evaluation = AdapterEvaluation(tenant="shop", base="tiny", model="shop-1", at=NOW, suite=suite, forgetting=[kept])
    name = promote_adapter(load(file), evaluation, 0.5, "")
    config = load(file)
    assert (config.models[name].adapter_of, config.models[name].model) == ("tiny", "shop-1")
    (rule,) = config.tenants["shop"].adapters
    assert (rule.model, rule.base, rule.share) == (name, "tiny", 0.5)
    assert rule.note.startswith("2026-06-01: 0% of 24 cases before, 100% after"), rule.note


def check_answers(model: Any, adapter: Path, data: Path) -> RunResult:
    """For each row of held-out contacts, whether the model expects the answer that people gave: its tokens are likelier
    than one in ``EXPECTED``."""
    tokenizer: Any = AutoTokenizer.from_pretrained(adapter)
    cases = []
    for number, row in enumerate(read_rows(data / "sft.held-out.jsonl", tokenizer, LoraOptions())):
        with torch.no_grad():
            loss = float(compute_answer_loss(model, collate([row], tokenizer.pad_token_id)))
        check = CheckResult(check="structure", passed=loss < math.log(EXPECTED))
        cases.append(CaseResult(name=str(number), checks=[check]))
    return RunResult(suite="s", tenant="shop", setup="x", at=NOW, gate=Gate(), cases=cases)


def measure(base: Path, adapter: Path, data: Path) -> float:
    """The held-out loss of what was saved, in batches as in the training."""
    tokenizer: Any = AutoTokenizer.from_pretrained(adapter)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
    rows = read_rows(data / "sft.held-out.jsonl", tokenizer, LoraOptions())
    losses = []
    with torch.no_grad():
        for at in range(0, len(rows), 8):
            batch = collate(rows[at : at + 8], tokenizer.pad_token_id)
            losses.append(float(model(**batch).loss))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("prompts", [["Water it.", "Water the plants of the shop."], ["A", "Begin otherwise"]])
def test_the_loss_of_answers_has_the_gradients_of_the_whole_loss(
    base: Path, tmp_path: Path, prompts: list[str]
) -> None:
    """Rows that begin with the same instructions, and rows that do not."""
    lines = []
    for number, prompt in enumerate(prompts):
        system = "Answer from the passages." * 8 if len(prompts[0]) > 1 else prompt
        roles = {"system": system, "user": prompt, "assistant": f"Water it every {number} days [1]."}
        lines.append({"messages": [{"role": role, "content": text} for role, text in roles.items()]})
    (file := tmp_path / "rows.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)))
    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    batch = collate(read_rows(file, tokenizer, LoraOptions(batch=2)), tokenizer.pad_token_id)
    model: Any = AutoModelForCausalLM.from_pretrained(base)
    found = []
    losses: list[Callable[[], Any]] = [lambda: model(**batch).loss, lambda: compute_answer_loss(model, batch)]
    for compute in losses:
        model.zero_grad()
        (loss := compute()).backward()
        found.append((float(loss.detach()), [each.grad.clone() for each in model.parameters()]))
    (whole, expected), (answers, gradients) = found
    assert answers == pytest.approx(whole, rel=1e-4)
    for one, other in zip(expected, gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_overfitting_is_tried_again_with_a_smaller_rate_and_rank(base: Path, tmp_path: Path) -> None:
    """The held-out answers are others than those to the same question in the training data."""
    (data := tmp_path / "data").mkdir()
    for split, answer in (("train", "Water it daily [1]."), ("held-out", " ".join(["zzzz qqqq xxxx jjjj"] * 6))):
        row = {"messages": [{"role": "user", "content": "How?"}, {"role": "assistant", "content": answer}]}
        (data / f"sft.{split}.jsonl").write_bytes((orjson.dumps(row) + b"\n") * 8)
    run = begin(base, data, tmp_path / "run")
    options = LoraOptions(batch=4, evaluate_every=10, patience=2)
    done = train_adapter(run, Attempt(rate=0.4, epochs=20, rank=8), data, tmp_path / "run", options)
    assert [(each.rate, each.rank) for each in done.attempts] == [(0.4, 8), (0.2, 8), (0.1, 2)]
    assert done.best_attempt is not None
    assert done.model == done.best_attempt.model


def test_rehearsed_answers_stay_those_of_the_base(base: Path, data: Path, tmp_path: Path) -> None:
    prompts = [f"Tell me about number {n}." for n in range(24)]
    options = LoraOptions(batch=8, evaluate_every=50, rehearsed=prompts)
    attempt = Attempt(rate=5e-3, epochs=10, rank=16)
    losses = {}
    for name, each in (("rehearsed", options), ("plain", replace(options, rehearsed=()))):
        (folder := tmp_path / name).mkdir()
        run = train_adapter(begin(base, data, folder), attempt, data, folder, each)
        divergence = diverge(base, folder / run.model, tmp_path / "rehearsed" / REHEARSED)
        losses[name] = (divergence, measure(base, folder / run.model, data))
    (kept, learned), (changed, learned_alone) = losses["rehearsed"], losses["plain"]
    assert kept < changed / 4, (kept, changed)
    assert learned < 1.2 * learned_alone, "rehearsing costs little of what is to be learned"


def diverge(base: Path, adapter: Path, rows: Path) -> float:
    """The divergence of the saved adapter from its base on these answers."""
    tokenizer: Any = AutoTokenizer.from_pretrained(adapter)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
    with torch.no_grad():
        return float(compute_divergence(model, collate(read_rows(rows, tokenizer, LoraOptions()), 0), -100))


class Interruption(TrainerCallback):  # type: ignore[misc]  # untyped where it is not installed
    """Kills the training after a number of steps."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.begun_at: list[int] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.begun_at.append(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            raise KeyboardInterrupt


def test_a_killed_training_goes_on_at_its_last_checkpoint(base: Path, data: Path, tmp_path: Path) -> None:
    first = Attempt(rate=5e-3, epochs=3, rank=8)
    kill = Interruption(25)
    options = LoraOptions(batch=8, evaluate_every=10, callbacks=[kill])
    with pytest.raises(KeyboardInterrupt):
        train_adapter(begin(base, data, tmp_path / "run"), first, data, tmp_path / "run", options)
    kill.step = -1
    done = train_adapter(begin(base, data, tmp_path / "run"), first, data, tmp_path / "run", options)
    assert kill.begun_at == [0, 20]
    assert len(done.attempts) == 1
    assert (tmp_path / "run" / done.model / "adapter_model.safetensors").exists()
