"""A YAML file as plain values that remember where they were written (file:line:column)."""

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
# YAML 1.2: "off" and "no" are words, not booleans, and dates are text.
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass
class Source:
    """What was read, where each part of it stands, and what is already known to be wrong with it."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Where, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def place(self, where: Where) -> str:
        """Where this value is written; for one that is missing, where it would belong."""
        while where not in self.places and where:
            where = where[:-1]
        return self.places.get(where, "configuration")


class Reader:
    """Turns a document's nodes into values: ``${VAR}`` filled in, ``file:`` read."""

    def __init__(self, file: Path, environment: Mapping[str, str]) -> None:
        self._shown = os.path.relpath(file) if file.is_relative_to(Path.cwd()) else str(file)
        self._folder = file.parent
        self._environment = environment
        self.source = Source()

    def read(self, text: str) -> Source:
        """Raises ConfigInvalid when it is not YAML; what else is wrong stands in the source's problems."""
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
            f"{place}: not valid YAML: {what}", fix='inside { } and [ ], write "${VARIABLE}" in quotes'
        )

    def scalar(self, text: str, place: str) -> str:
        """Fill in ``${VAR}``, then read the file a ``file:`` value names."""
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
        # What was filled in stays text: a token made of digits is not a number. The models convert where they may.
        if node.style or filled != text:
            return filled
        return plain(text)

    def _variable(self, match: re.Match[str], place: str) -> str:
        if match[0] == "$$":  # $${X} is how one writes a literal ${X}
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
    """An unquoted scalar by the YAML 1.2 rules: true/false, null, numbers, else text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) and not text.lstrip("+-").isdigit() else text


def dotted(where: Where) -> str:
    """``tenants.plantstore.channels``, and ``origins[0]`` for a list."""
    out = ""
    for part in where:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out
