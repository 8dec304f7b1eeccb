"""Files of suites: reading, writing, and adding of cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from agent_worker.learning.evals.results import RunResult
from agent_worker.learning.evals.suite import Case, Suite
from gateway.config.validation import Model, Validation, combine_problems
from gateway.config.yaml_reader import YamlReader, explain_unreadable, parse_scalar
from schemas.errors import ConfigInvalid

_FIX = "docs/how-to/evals.md describes the format"
_HEAD = "# Cases of conversations, and what is expected of the answers. `parley eval run` runs them.\n\ncases:\n"
_WIDTH = 110


class _SuiteReader(YamlReader):
    """Leaves texts as they are: a contact may have written ``${HOME}`` or ``file:secret``."""

    mapping, example = "a mapping with a list `cases`", "begin the list of cases with `cases:`"

    def fill_in(self, text: str, position: str) -> str:
        """See YamlReader."""
        return text


def read_suite(path: Path) -> Suite:
    """Raises ConfigInvalid, which lists all problems with their places."""
    return read_cases(path, Suite, _FIX)


def read_cases(path: Path, model: type[Model], fix: str) -> Model:
    """Read a file with a list of cases. Raises ConfigInvalid, as ``read_suite`` does."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(explain_unreadable(path, error), fix="check the path of the suite") from error
    return _read(path, text, model, fix)


def _read(path: Path, text: str, model: type[Model], fix: str = _FIX) -> Model:
    validation = Validation(_SuiteReader(path.absolute(), {}).read(text), model)
    suite = validation.validate()
    if suite is None or validation.problems:
        raise combine_problems(validation.problems, path.name, fix)
    return suite


def read_results(path: Path) -> RunResult:
    """The results that a run kept. Raises ConfigInvalid."""
    try:
        return RunResult.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ConfigInvalid(
            explain_unreadable(path, error)
            if isinstance(error, OSError)
            else f"{path} has no results of `parley eval run`",
            fix="write them with `parley eval run --out FILE`",
        ) from error


def format_suite(cases: Sequence[dict[str, Any]]) -> str:
    """A file of a suite with these cases."""
    return _HEAD + _indent(_dump(list(cases)), 2)


def add_case(path: Path, case: dict[str, Any]) -> None:
    """Add a case at the end of the file, which is created if there is none. Everything else in it stays as it is.
    Raises ConfigInvalid."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    known = len(_read(path, before, Suite).cases) if before.strip() else 0
    text = before if before.strip() else _HEAD
    added = text.rstrip("\n") + "\n" + _indent(_dump([case]), _find_indentation(text))
    suite = _read(path, added, Suite)
    if len(suite.cases) != known + 1 or suite.cases[-1] != Case.model_validate(case):
        raise ConfigInvalid(f"{path}: a case cannot be added at its end", fix="put `cases` last in the file")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(added, encoding="utf-8")


def _find_indentation(text: str) -> int:
    """The spaces before the last case."""
    lines = text[text.rfind("\ncases:") + 1 :].splitlines()[1:]
    items = [len(line) - len(line.lstrip()) for line in lines if line.lstrip().startswith("- ")]
    return min(items, default=2)


def _indent(text: str, spaces: int) -> str:
    return "".join(f"{' ' * spaces}{line}" if line.strip() else line for line in text.splitlines(keepends=True))


class _YamlWriter(yaml.SafeDumper):
    """Writes what ``YamlReader`` reads as the same value."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_text = isinstance(parse_scalar(text), str)
    style = "|" if "\n" in text else None if is_text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_YamlWriter.add_representer(str, _represent_text)


def _dump(value: Any) -> str:
    return yaml.dump(value, Dumper=_YamlWriter, sort_keys=False, allow_unicode=True, width=_WIDTH)
