"""The files of a local Kafka broker: jars, a formatted data directory, a class archive. Cached by version."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from string import Template

from infra.deploy.process import ServerError

_JAVA_VERSION = re.compile(r'version "(\d+)')
KAFKA_VERSION = "4.3.1"

_SOURCE = Path(__file__).parent / "kafka"
_REPOSITORY = Path(__file__).parents[2]
_MINIMUM_JAVA = 17
_DOWNLOAD_TIMEOUT_S = 900.0
_INSTALL_HINT = "on Debian: apt-get install -y openjdk-17-jre-headless maven"


@dataclass(frozen=True)
class KafkaFiles:
    """Paths of one prepared version."""

    java: str
    jars: Path
    template: Path
    archive: Path

    def jvm(self) -> list[str]:
        """The start of every command line: the JVM, quiet and quick to start, with the classpath."""
        classpath = os.pathsep.join(str(jar) for jar in sorted(self.jars.glob("*.jar")))
        log4j = (_SOURCE / "log4j2.properties").as_uri()
        return [
            self.java, "-XX:+UseSerialGC", "-Xshare:auto", "-Xlog:disable", "-Xlog:all=error:stderr",
            "-Djava.awt.headless=true", f"-Dlog4j2.configurationFile={log4j}", "-cp", classpath,
        ]  # fmt: skip


def cache_dir() -> Path:
    """The folder for downloads: `PARLEY_CACHE`, else `.cache` at the top of the repository."""
    return Path(os.environ.get("PARLEY_CACHE") or _REPOSITORY / ".cache").resolve()


def missing_tools() -> str | None:
    """The tools that must be installed before `prepare` can work, or None."""
    try:
        java = _java()
    except ServerError as error:
        return str(error)
    if _is_prepared(_root(), java) or shutil.which("mvn"):
        return None
    return f"Kafka's jars come through Maven, and `mvn` is not on PATH ({_INSTALL_HINT})"


def prepare(say: Callable[[str], None] = lambda _line: None) -> KafkaFiles:
    """Download and format once, then answer from the cache. Raises ServerError with what to do."""
    java, root = _java(), _root()
    if not _is_prepared(root, java):
        if reason := missing_tools():
            raise ServerError(reason)
        root.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=root.parent) as partial:
            building = _files(Path(partial) / "new", java)
            say(f"kafka {KAFKA_VERSION}: downloading jars with Maven")
            _download(building.jars)
            say(f"kafka {KAFKA_VERSION}: formatting an empty data directory")
            _format(building)
            publish_files(Path(partial) / "new", root, root.is_dir)
    say(f"kafka {KAFKA_VERSION}: ready in {root}")
    return _files(root, java)


def server_properties(port: int, controller_port: int, data_dir: Path) -> str:
    """The broker's configuration as text."""
    template = Template((_SOURCE / "server.properties").read_text().replace("$NAMES", "$$NAMES"))
    return template.substitute(port=port, controller_port=controller_port, data_dir=data_dir)


def _root() -> Path:
    recipe = (_SOURCE / "pom.xml").read_bytes() + (_SOURCE / "server.properties").read_bytes()
    return cache_dir() / "kafka" / f"{KAFKA_VERSION}-{hashlib.sha256(recipe).hexdigest()[:8]}"


def _files(root: Path, java: str) -> KafkaFiles:
    # A class archive fits only the JVM that wrote it.
    runtime = hashlib.sha256(str(Path(java).resolve()).encode()).hexdigest()[:8]
    return KafkaFiles(java, root / "jars", root / "template", root / f"classes-{runtime}.jsa")


def _is_prepared(root: Path, java: str) -> bool:
    return _files(root, java).template.is_dir()


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if java is None:
        raise ServerError(f"Kafka needs Java {_MINIMUM_JAVA} or later, and no `java` was found ({_INSTALL_HINT})")
    banner = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = _JAVA_VERSION.search(banner)
    if version is None or int(version[1]) < _MINIMUM_JAVA:
        raise ServerError(
            f"Kafka needs Java {_MINIMUM_JAVA} or later; {java} is {banner.splitlines()[:1]} ({_INSTALL_HINT})"
        )
    return java


def _download(jars: Path) -> None:
    command = [
        "mvn", "-q", "-B", "-f", str(_SOURCE / "pom.xml"), f"-Dkafka.version={KAFKA_VERSION}",
        "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}",
    ]  # fmt: skip
    result = _run(command, _DOWNLOAD_TIMEOUT_S)
    if result.returncode or not list(jars.glob("kafka_2.13-*.jar")):
        raise ServerError(
            "Maven could not fetch Kafka's jars. Check that Maven Central (or the mirror in ~/.m2/settings.xml) can be "
            f"reached, then run `python -m infra.deploy.servers fetch` again. Maven said:\n{result.stdout[-2000:]}"
        )


def _format(files: KafkaFiles) -> None:
    config = files.template.with_name("format.properties")
    config.write_text(server_properties(9092, 9093, files.template))
    arguments = ["format", "-t", str(uuid.uuid4()), "-c", str(config)]
    result = _run([*files.jvm(), "kafka.tools.StorageTool", *arguments], 120.0)
    if result.returncode:
        raise ServerError(f"Kafka's storage could not be formatted:\n{result.stdout[-2000:]}")


def publish_files(built: Path, target: Path, is_present: Callable[[], bool]) -> None:
    """Move files into the cache."""
    # The rename keeps an interrupted download invisible; of two processes the first one's files stay.
    try:
        built.rename(target)
    except OSError:
        if not is_present():
            raise


def _run(command: list[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ServerError(f"`{command[0]}` did not finish in {timeout_s:.0f} s") from error
