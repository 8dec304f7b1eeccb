"""Reading of a YAML file into plain values, with the position (file:line:column) of each of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from schemas.errors import ConfigInvalid

KeyPath = tuple[str | int, ...]
"""A path of keys and indexes from the root of the configuration."""

_VARIABLE = re.compile(r"\$\$(?=\{)|\$\{(?P<name>[^}:]*)(?P<default>:-(?P<text>[^}]*))?\}")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# As in YAML 1.2, "off" and "no" are texts and not booleans, and dates are texts too.
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_COMMENT = re.compile(r"""["']?\s*:\s+#\S""")
"""A colon after a key, and then a comment where a value may be meant."""


@dataclass
class YamlDocument:
    """The values of a file, their positions, and the problems found while reading."""

    values: dict[str, Any] = field(default_factory=dict)
    positions: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    commented: set[KeyPath] = field(default_factory=set)
    """Keys without a value, after which a comment follows at once."""
    unread: set[KeyPath] = field(default_factory=set)
    """Keys whose value is missing because a variable is not set, or a file cannot be read."""

    def position_of(self, path: KeyPath) -> str:
        """The position of a value. For a missing value, that of the mapping in which it belongs."""
        while path not in self.positions and path:
            path = path[:-1]
        return self.positions.get(path, "configuration")


class YamlReader:
    """Reads a YAML document. Replaces ``${VAR}`` by the environment's value, and ``file:NAME`` by a file's content.
    ``mapping`` and ``example`` describe the right content to whoever wrote something else."""

    mapping, example = "a mapping of settings", "write settings such as `listen: 127.0.0.1:8080`"

    def __init__(self, file: Path, environment: Mapping[str, str]) -> None:
        self._file_name = os.path.relpath(file) if file.is_relative_to(Path.cwd()) else str(file)
        self._folder = file.parent
        self._environment = environment
        self.document = YamlDocument()
        self._lines: list[str] = []

    def read(self, text: str) -> YamlDocument:
        """The values of the document. Raises ConfigInvalid if it is not YAML; adds other errors to the problems."""
        try:
            self._lines = text.split("\n")
            root = _compose(text)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            if error.context_mark is not None and str(error.context).startswith("while scanning a quoted scalar"):
                # It is noticed only at the end of the file, or at the next quote.
                mark = error.context_mark
                raise ConfigInvalid(
                    f"{self._position(mark)}: not valid YAML: the quote that begins here does not end where it should",
                    fix="close it, and write a quote inside it twice",
                ) from error
            position = self._position(mark) if mark else self._file_name
            raise self._not_yaml(position, str(error.problem), error.context or "") from error
        except yaml.YAMLError as error:
            raise self._not_yaml(self._file_name, " ".join(str(error).split())) from error
        if root is None:
            self.document.positions[()] = f"{self._file_name}:1:1"
        elif isinstance(root, yaml.MappingNode):
            self.document.positions[()] = self._position(root.start_mark)
            self.document.values = self._read_mapping(root, (), ())
        else:
            position = self._position(root.start_mark)
            raise ConfigInvalid(f"{position}: must be {self.mapping}", fix=self.example)
        return self.document

    @staticmethod
    def _not_yaml(position: str, problem: str, context: str = "") -> ConfigInvalid:
        fix = "check the indentation, the colons and the quotes there"
        if "'\\t'" in problem:
            fix = "indent with spaces: YAML allows no tabs"
        elif "mapping values are not allowed" in problem:
            fix = 'put quotes around a value that contains ": ", and begin nested settings on a new line'
        elif "flow" in context:
            fix = 'inside { } and [ ], put quotes around "${VARIABLE}"'
        return ConfigInvalid(f"{position}: not valid YAML: {problem}", fix=fix)

    def fill_in(self, text: str, position: str) -> str:
        """The text with ``${VAR}`` replaced, or the content of the file if it begins with ``file:``."""
        filled = _VARIABLE.sub(lambda match: self._read_variable(match, position), text)
        if filled.startswith("file:") and not filled.startswith(("file://", "file: ")) and len(filled) > 5:
            return self._read_file(filled[5:], position)
        return filled

    def _position(self, mark: yaml.Mark) -> str:
        return f"{self._file_name}:{mark.line + 1}:{mark.column + 1}"

    def _add_problem(self, position: str, problem: str) -> None:
        self.document.problems.append(f"{position}: {problem}")

    def _read_node(self, node: yaml.Node, path: KeyPath, parents: tuple[yaml.Node, ...]) -> Any:
        if node in parents:
            raise ConfigInvalid(
                f"{self._position(node.start_mark)}: an alias may not contain itself", fix="remove the alias"
            )
        if isinstance(node, yaml.MappingNode):
            return self._read_mapping(node, path, parents)
        if isinstance(node, yaml.SequenceNode):
            return self._read_sequence(node, path, parents)
        if not isinstance(node, yaml.ScalarNode):
            return None
        known = len(self.document.problems)
        value = self._read_scalar(node)
        if len(self.document.problems) > known:
            self.document.unread.add(path)
        return value

    def _read_mapping(self, node: yaml.MappingNode, path: KeyPath, parents: tuple[yaml.Node, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            position = self._position(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self._add_problem(position, "a key must be plain text")
                continue
            key = key_node.value
            if key in out:
                self._add_problem(
                    position,
                    f"{format_path((*path, key))}: written twice, first at {self.document.positions[*path, key]}",
                )
                continue
            self.document.positions[*path, key] = position
            if self._begins_comment(key_node.end_mark):
                self.document.commented.add((*path, key))
            out[key] = self._read_node(value_node, (*path, key), (*parents, node))
        return out

    def _begins_comment(self, end: yaml.Mark) -> bool:
        """Return whether something that looks like a value after a key is a comment."""
        line = self._lines[end.line] if end.line < len(self._lines) else ""
        return _COMMENT.match(line[end.column :]) is not None

    def _read_sequence(self, node: yaml.SequenceNode, path: KeyPath, parents: tuple[yaml.Node, ...]) -> list[Any]:
        out = []
        for index, item in enumerate(node.value):
            self.document.positions[*path, index] = self._position(item.start_mark)
            out.append(self._read_node(item, (*path, index), (*parents, node)))
        return out

    def _read_scalar(self, node: yaml.ScalarNode) -> Any:
        text = str(node.value)
        filled = self.fill_in(text, self._position(node.start_mark))
        # A replaced text stays a text: a token that consists of digits is not a number.
        if node.style or filled != text:
            return filled
        return parse_scalar(text)

    def _read_variable(self, match: re.Match[str], position: str) -> str:
        if match[0] == "$$":  # $${X} stands for a literal ${X}
            return "$"
        name, default = match["name"], match["text"]
        value = self._environment.get(name, "")
        if value or (name in self._environment and match["default"] is None):
            return value
        if match["default"] is not None:
            return default
        self._add_problem(
            position,
            f"the environment variable {name} is not set: set it with `export {name}=…`, or write ${{{name}:-}} if it "
            "may be empty",
        )
        return ""

    def _read_file(self, name: str, position: str) -> str:
        path = self._folder / name
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
            self._add_problem(position, f"cannot read the file {path}: {reason}")
            return ""


def explain_unreadable(path: Path, error: Exception) -> str:
    """Say why a file cannot be read, in words that name it."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"there is no file {path}"
    if isinstance(error, IsADirectoryError):
        return f"{path} is a folder, not a file"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
    return f"cannot read {path}: {reason}"


def _compose(text: str) -> yaml.Node | None:
    """The document's nodes. The parser in C is many times faster, but words errors in its own way."""
    if fast_loader := getattr(yaml, "CSafeLoader", None):
        with suppress(yaml.YAMLError):
            return yaml.compose(text, Loader=fast_loader)
    return yaml.compose(text, Loader=yaml.SafeLoader)


def parse_scalar(text: str) -> Any:
    """The value of an unquoted scalar by the rules of YAML 1.2: a boolean, null, a number, or else the text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) and not text.lstrip("+-").isdigit() else text


def format_path(path: KeyPath) -> str:
    """The path in the form ``tenants.plantstore.channels``, or ``origins[0]`` for an item of a list."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out
