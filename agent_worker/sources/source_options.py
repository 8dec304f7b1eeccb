"""Options of a source, validated without repeating a value, because values may be secrets."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.errors import InvalidRequest
from schemas.validation.problems import describe_problem


class SourceOptions(BaseModel):
    """The base of a source's options. ``private_hosts`` is given to every source: ``knowledge.private_hosts``."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    private_hosts: tuple[str, ...] = ()

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Raises InvalidRequest with the option's name."""
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            problem = error.errors(include_input=False, include_url=False)[0]
        raise _refusal(cls, ".".join(map(str, problem["loc"])), problem["type"], describe_problem(problem))


def _refusal(model: type[SourceOptions], name: str, type: str, message: str) -> InvalidRequest:
    known = [each for each in model.model_fields if each != "private_hosts"]
    if type == "extra_forbidden":
        similar = get_close_matches(name, known, n=1)
        fix = f"did you mean {similar[0]!r}?" if similar else f"the options are: {', '.join(known) or 'none'}"
        return InvalidRequest(f"options of the source: there is no option {name!r}", fix=fix)
    said = f"{name}: {message}" if name else message
    return InvalidRequest(f"options of the source: {said}", fix=f"the options are: {', '.join(known)}")
