"""Reading of a YAML file into plain values, with the position (file:line:column) of each of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from schemas.errors import ConfigInvalid

Where = tuple[str | int, ...]
"""A path of keys and indexes from the root of the configuration."""

_VARIABLE = re.compile(r"\$\$(?=\{)|\$\{(?P<name>[^}:]*)(?P<default>:-(?P<text>[^}]*))?\}")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
# As in YAML 1.2, "off" and "no" are texts and not booleans, and dates are texts too.
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass
class Source:
    """The values of a file, their positions, and the problems found while reading."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Where, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def place(self, where: Where) -> str:
        """The position of a value. For a missing value, that of the mapping in which it belongs."""
        while where not in self.places and where:
            where = where[:-1]
        return self.places.get(where, "configuration")


class Reader:
    """Reads a YAML document. Replaces ``${VAR}`` by the environment's value, and ``file:NAME`` by a file's content."""

    def __init__(self, file: Path, environment: Mapping[str, str]) -> None:
        self._shown = os.path.relpath(file) if file.is_relative_to(Path.cwd()) else str(file)
        self._folder = file.parent
        self._environment = environment
        self.source = Source()

    def read(self, text: str) -> Source:
        """The values of the document. Raises ConfigInvalid if it is not YAML; adds other errors to the problems."""
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise self._not_yaml(self._at(mark) if mark else self._shown, str(error.problem)) from error
        except yaml.YAMLError as error:
            raise self._not_yaml(self._shown, " ".join(str(error).split())) from error
        if root is None:
            self.source.places[()] = f"{self._shown}:1:1"
        elif isinstance(root, yaml.MappingNode):
            self.source.places[()] = self._at(root.start_mark)
            self.source.values = self._mapping(root, (), ())
        else:
            place = self._at(root.start_mark)
            raise ConfigInvalid(f"{place}: must be a mapping of settings", fix="such as `listen: 127.0.0.1:8080`")
        return self.source

    @staticmethod
    def _not_yaml(place: str, what: str) -> ConfigInvalid:
        return ConfigInvalid(
            f"{place}: not valid YAML: {what}",
            fix='inside { } and [ ], put quotes around "${VARIABLE}"',
        )

    def scalar(self, text: str, place: str) -> str:
        """The text with ``${VAR}`` replaced, or the content of the file if it begins with ``file:``."""
        filled = _VARIABLE.sub(lambda match: self._variable(match, place), text)
        if filled.startswith("file:") and not filled.startswith(("file://", "file: ")) and len(filled) > 5:
            return self._contents(filled[5:], place)
        return filled

    def _at(self, mark: yaml.Mark) -> str:
        return f"{self._shown}:{mark.line + 1}:{mark.column + 1}"

    def _problem(self, place: str, what: str) -> None:
        self.source.problems.append(f"{place}: {what}")

    def _value(self, node: yaml.Node, where: Where, parents: tuple[yaml.Node, ...]) -> Any:
        if node in parents:
            raise ConfigInvalid(f"{self._at(node.start_mark)}: an alias may not contain itself", fix="remove the alias")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where, parents)
        if isinstance(node, yaml.SequenceNode):
            return self._sequence(node, where, parents)
        return self._scalar(node) if isinstance(node, yaml.ScalarNode) else None

    def _mapping(self, node: yaml.MappingNode, where: Where, parents: tuple[yaml.Node, ...]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = self._at(key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(place, "a key must be plain text")
                continue
            key = key_node.value
            if key in out:
                self._problem(
                    place, f"{dotted((*where, key))}: written twice, first at {self.source.places[*where, key]}"
                )
                continue
            self.source.places[*where, key] = place
            out[key] = self._value(value_node, (*where, key), (*parents, node))
        return out

    def _sequence(self, node: yaml.SequenceNode, where: Where, parents: tuple[yaml.Node, ...]) -> list[Any]:
        out = []
        for index, item in enumerate(node.value):
            self.source.places[*where, index] = self._at(item.start_mark)
            out.append(self._value(item, (*where, index), (*parents, node)))
        return out

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = str(node.value)
        filled = self.scalar(text, self._at(node.start_mark))
        # A replaced text stays a text: a token that consists of digits is not a number.
        if node.style or filled != text:
            return filled
        return plain(text)

    def _variable(self, match: re.Match[str], place: str) -> str:
        if match[0] == "$$":  # $${X} stands for a literal ${X}
            return "$"
        name, default = match["name"], match["text"]
        value = self._environment.get(name, "")
        if value or (name in self._environment and match["default"] is None):
            return value
        if match["default"] is not None:
            return default
        self._problem(place, f"the environment variable {name} is not set (write ${{{name}:-}} if it may be empty)")
        return ""

    def _contents(self, name: str, place: str) -> str:
        path = self._folder / name
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
            self._problem(place, f"cannot read the file {path}: {reason}")
            return ""


def plain(text: str) -> Any:
    """The value of an unquoted scalar by the rules of YAML 1.2: a boolean, null, a number, or else the text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) and not text.lstrip("+-").isdigit() else text


def dotted(where: Where) -> str:
    """The path in the form ``tenants.plantstore.channels``, or ``origins[0]`` for an item of a list."""
    out = ""
    for part in where:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out
