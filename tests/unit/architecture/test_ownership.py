"""Only schemas/handoff changes the owner of a conversation and decides approvals: everybody else calls it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.harness.source_tree import Module, load_modules

HOME = "schemas/handoff/"
MODELS = frozenset({"OwnerRequested", "ApprovalDecided", "HandoffResolved"})
MAKERS = frozenset({"model_validate", "model_validate_json", "model_construct"})


def breaches(module: Module) -> Iterator[tuple[int, str]]:
    """Calls of ``own`` on anything, and constructions of the events that ask for another owner, resolve or approve."""
    for node in module.nodes:
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Attribute):
            if called.attr == "own":
                yield node.lineno, "own"
            elif called.attr in MODELS:
                yield node.lineno, called.attr
            elif called.attr in MAKERS and isinstance(called.value, ast.Name) and called.value.id in MODELS:
                yield node.lineno, called.value.id
        elif isinstance(called, ast.Name) and called.id in MODELS:
            yield node.lineno, called.id


def test_the_owner_is_changed_and_approvals_are_decided_in_schemas_handoff_alone() -> None:
    found = {
        f"{module.path}:{line}: {what}"
        for module in load_modules()
        if not module.path.startswith(HOME)
        for line, what in breaches(module)
    }
    assert found == set()


def test_the_service_is_where_this_test_looks_for_it() -> None:
    inside = [what for module in load_modules() if module.path.startswith(HOME) for _, what in breaches(module)]
    assert inside.count("own") == 1
    assert set(inside) >= MODELS


@pytest.mark.parametrize(
    "source",
    [
        "await state.conversations.own(found.id, 'person')",
        "OwnerRequested(id='x')",
        "c.ApprovalDecided(id='x')",
        "HandoffResolved.model_validate({})",
    ],
)
def test_a_breach_is_found(source: str) -> None:
    assert len([*breaches(Module("gateway/x.py", source))]) == 1
