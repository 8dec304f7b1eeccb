"""Validation of a YAML file: pydantic's errors in an operator's words, with the position and a suggestion."""

from __future__ import annotations

import difflib
import types
from typing import Any, Generic, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.config.yaml_reader import KeyPath, YamlDocument, format_path
from schemas.errors import ConfigInvalid
from schemas.validation.problems import describe_problem

Model = TypeVar("Model", bound=BaseModel)


class Validation(Generic[Model]):
    """The problems of one file, in its order."""

    def __init__(self, document: YamlDocument, model: type[Model]) -> None:
        self._source = document
        self._model = model
        self.problems = list(document.problems)

    def add(self, path: KeyPath, message: str) -> None:
        self.problems.append(f"{self._source.position_of(path)}: {message}")

    def validate(self) -> Model | None:
        """The content as this model, or None if there are problems, which are added to ``problems``."""
        try:
            return self._model.model_validate(self._source.values)
        except ValidationError as error:
            # The input is left out because it may be a secret.
            for detail in error.errors(include_url=False, include_input=False):
                self._add_error(detail)
        return None

    def _add_error(self, detail: ErrorDetails) -> None:
        path = tuple(key for key in detail["loc"] if key != "[key]")
        path = self._strip_union_tags(path)
        if path in self._source.unread:
            return
        if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
            # The key that selects the branch of the union is wrong, not the mapping around it.
            path = (*path, detail["ctx"]["discriminator"].strip("'"))
        if detail["type"] == "extra_forbidden":
            self.add(path, f"{format_path(path)}: unknown key{suggest(str(path[-1]), self._known_keys(path[:-1]))}")
        elif detail["type"] in ("missing", "union_tag_not_found"):
            self.add(path, f"{format_path(path)}: must be set")
        elif self._value_at(path) is None:
            fix = "give it a value or remove the line"
            if path in self._source.commented:
                fix = "a # begins a comment, so put a value that begins with it in quotes"
            self.add(path, f"{format_path(path)}: is left empty; {fix}")
        else:
            self.add(path, f"{format_path(path)}: {_describe_error(detail, self._value_at(path))}")

    def _strip_union_tags(self, path: KeyPath) -> KeyPath:
        """The path as it is in the file, without the tags that pydantic adds for the branches of a union."""
        out: list[str | int] = []
        value: Any = self._source.values
        for index, key in enumerate(path):
            last = index == len(path) - 1
            if isinstance(value, dict) and key not in value and not last:
                continue
            out.append(key)
            value = _descend(value, key)
        return tuple(out)

    def _value_at(self, path: KeyPath) -> Any:
        value: Any = self._source.values
        for key in path:
            value = _descend(value, key)
        return value

    def _known_keys(self, path: KeyPath) -> list[str]:
        """The keys that are allowed in the mapping at this path."""
        kinds: list[Any] = [self._model]
        for key in path:
            kinds = [inner for kind in kinds for inner in _types_below(kind, key)]
        fields = [item for kind in kinds if _is_model(kind) for item in kind.model_fields.items()]
        return sorted({field.alias or name for name, field in fields})


def _descend(value: Any, key: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return None


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _types_below(kind: Any, key: str | int) -> list[Any]:
    """The types that a value of this type may have under a key or index."""
    if _is_model(kind):
        field = kind.model_fields.get(str(key))
        return _branches(field.annotation) if field else []
    if get_origin(kind) in (dict, list):
        return _branches(get_args(kind)[-1])
    return []


def _branches(kind: Any) -> list[Any]:
    if get_origin(kind) in (Union, types.UnionType):
        return [branch for one in get_args(kind) for branch in _branches(one)]
    if hasattr(kind, "__metadata__"):
        return _branches(get_args(kind)[0])
    return [kind]


def suggest(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; available: {', '.join(known)}" if known else ""


def _describe_error(detail: ErrorDetails, value: Any) -> str:
    if detail["type"] == "string_type" and isinstance(value, int | float):
        return "must be text; put it in quotes"
    if detail["type"] in ("model_type", "dict_type"):
        return "must be a mapping of settings"
    if detail["type"] == "list_type":
        return "must be a list"
    if detail["type"] == "union_tag_invalid":
        return f"must be one of {detail['ctx']['expected_tags']}"
    return describe_problem(detail)


def combine_problems(lines: list[str], file: str, fix: str) -> ConfigInvalid:
    """One error for all problems of a file."""
    if len(lines) == 1:
        return ConfigInvalid(lines[0], fix=fix)
    return ConfigInvalid(f"{len(lines)} problems in {file}:\n" + "\n".join(f"  {line}" for line in lines), fix=fix)
