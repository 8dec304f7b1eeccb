"""`parley finetune train`: the training of a model on data that `parley finetune data` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gateway.commands.common.options import AsJson, ConfigFile, load, run
from gateway.commands.common.printing import note, print_json
from schemas.errors import ConfigInvalid, InvalidRequest
from schemas.validation.texts import describe_count

if TYPE_CHECKING:
    from agent_worker.learning.finetune.training_run import Attempt, TrainingRun
    from gateway.config.models import ModelEntry
    from gateway.config.settings import Config

PLOT = "losses.svg"
LOCAL_RATE = 5e-4
MIN_PROMPTS = 16
"""To rehearse. With fewer, an adapter learns them by heart and forgets the rest."""
Method = Literal["sft", "dpo"]
Rate = Annotated[
    float | None,
    typer.Option(
        help="The learning rate; at a provider a factor of its own.", show_default="1 at a provider, 0.0005 here"
    ),
]
RehearsedPrompts = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        help="Prompts, one a line, that an adapter trained here is to answer as its base does.",
    ),
]


def add(app: typer.Typer) -> None:
    app.command()(train)


def train(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The folder that `parley finetune data` wrote.")],
    base: Annotated[
        str, typer.Option(help="The entry of `models` to train at its provider, or a model's folder to train here.")
    ],
    out: Annotated[Path, typer.Option(help="The folder of the run. An interrupted run goes on where it ended.")] = Path(
        "finetune-run"
    ),
    method: Annotated[Method, typer.Option(help="Learn answers, or preferences.")] = "sft",
    epochs: Annotated[int, typer.Option(min=1, max=50, help="Passes over the data.")] = 3,
    rate: Rate = None,
    rank: Annotated[int, typer.Option(min=1, max=256, help="The rank of an adapter that is trained here.")] = 8,
    rehearse: RehearsedPrompts = None,
    accept_licence: Annotated[
        str, typer.Option(metavar="LICENCE", help="A licence of the folder's model that you have read and accept.")
    ] = "",
    seed: Annotated[int, typer.Option(help="The seed of the training.")] = 1,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Train a model at its provider, with a fine-tuning API like OpenAI's, or an adapter on this machine.

    If it overfits, two more attempts follow, more careful than the one before; the best one counts. Training here needs
    the extra `finetune`, and stops early when the held-out loss no longer falls."""
    from agent_worker.learning.finetune.training_run import Attempt, open_run
    from gateway.finetune.loss_plot import draw_losses

    entry = None if Path(base).is_dir() else _find_base(load(config), base)
    if entry is None and method != "sft":
        raise InvalidRequest("training here learns answers only", fix="leave --method out, or train at a provider")
    if entry is not None and rehearse is not None:
        raise InvalidRequest("a provider's training cannot rehearse", fix="leave --rehearse out, or train here")
    prompts = [] if rehearse is None else _read_prompts(rehearse)
    known = open_run(out, _describe_run(data, base, entry, method, seed, accept_licence, rehearse))
    if entry is None:
        done = _train_here(data, out, known, Attempt(rate=rate or LOCAL_RATE, epochs=epochs, rank=rank), prompts)
        then = "serve the adapter beside its base (vLLM, llama.cpp), then compare it: parley finetune evaluate"
    else:
        done = run(_train(entry, data, out, known, Attempt(rate=rate or 1.0, epochs=epochs)))
        then = f"compare it: parley finetune evaluate {done.model} --base {base}"
    (out / PLOT).write_text(draw_losses(done.attempts), encoding="utf-8")
    if as_json:
        print_json(done.model_dump(mode="json") | {"folder": str(out)})
    else:
        attempts = describe_count(len(done.attempts), "attempt")
        note(f"trained {done.model} in {attempts}; the record and {PLOT} are in {out}")
        note(then)


def _describe_run(
    data: Path,
    base: str,
    entry: ModelEntry | None,
    method: Method,
    seed: int,
    accept_licence: str,
    rehearse: Path | None,
) -> TrainingRun:
    """The run that these options ask for. Raises InvalidRequest if the data has no such rows."""
    from agent_worker.learning.finetune.model_folder import read_base_model
    from agent_worker.learning.finetune.training_files import read_card
    from agent_worker.learning.finetune.training_run import TrainingRun, digest_files, list_versions

    card = read_card(data)
    licence = card.licence if entry is not None else read_base_model(Path(base), accept_licence).licence
    files = [data / f"{method}.{split}.jsonl" for split in ("train", "held-out")]
    if missing := [path.name for path in files if not path.exists()] or ([] if card.files[files[0].name] else ["rows"]):
        raise InvalidRequest(f"{data} has no {', '.join(missing)}", fix="write them with `parley finetune data`")
    digests = digest_files(files if rehearse is None else [*files, rehearse])
    return TrainingRun(
        id=f"{card.tenant[:8]}-{digests[files[0].name][:6]}{seed}",
        tenant=card.tenant,
        base=base,
        base_model=str(Path(base).resolve()) if entry is None else entry.model,
        method=method,
        seed=seed,
        licence=licence,
        data=digests,
        versions=list_versions(),
    )


def _find_base(config: Config, base: str) -> ModelEntry:
    """The entry to train. Raises ConfigInvalid if what comes out of it could not be served."""
    entry = config.models.get(base)
    if entry is None:
        raise ConfigInvalid(f"there is no model {base!r} under `models`", fix="name the entry that answers today")
    if entry.provider != "openai":
        raise ConfigInvalid(
            f"{base} is of provider {entry.provider}, whose models cannot be trained here",
            fix="name an entry of provider openai, whose endpoint has a fine-tuning API",
        )
    if entry.adapter_of:
        raise ConfigInvalid(f"{base} is an adapter", fix=f"train {entry.adapter_of} on all the data instead")
    return entry


def _read_prompts(path: Path) -> list[str]:
    """The lines of the file that are not empty. Raises InvalidRequest."""
    try:
        prompts = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{path} is not UTF-8 text", fix="write one prompt a line") from error
    if len(prompts) < MIN_PROMPTS:
        raise InvalidRequest(f"{path} has {len(prompts)} prompts", fix=f"write {MIN_PROMPTS} at least, one a line")
    return prompts


def _train_here(data: Path, out: Path, begun: TrainingRun, first: Attempt, rehearsed: list[str]) -> TrainingRun:
    """Raises MissingDependency without the extra."""
    from agent_worker.learning.finetune.lora_training import LoraOptions, train_adapter

    return train_adapter(begun, first, data, out, LoraOptions(rehearsed=rehearsed, report=note))


async def _train(entry: ModelEntry, data: Path, out: Path, begun: TrainingRun, first: Attempt) -> TrainingRun:
    import aiohttp

    from gateway.finetune.provider_training import ProviderTraining

    async with aiohttp.ClientSession(trust_env=True) as http:
        key = entry.api_key.get_secret_value()
        return await ProviderTraining(http, entry.base_url.rstrip("/"), key, out, data, report=note).run(begun, first)
