"""Rules for the names of modules, classes and functions, and for the first words of modules' docstrings."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from connectors.registry import CHANNELS
from tests.harness.processes import ROOT
from tests.harness.source_tree import FUNCTION, Function, Module, load_modules

HERE = Path(__file__).parent
FIELD_TERMS = HERE / "field_terms.txt"
TEST_TERMS = HERE / "terms_of_tests.txt"
"""Words that modules and classes of the tests may have besides."""

BARE_WORDS = HERE / "bare_words.txt"
"""Participles, adjectives, adverbs, prepositions and words of questions that no ending gives away."""
NOT_BARE = HERE / "not_bare.txt"
"""Words with the ending of a participle or adverb that are verbs (feed) or nouns (setting, rendering)."""
BARE_ENDINGS = ("ed", "ing", "ally", "ately", "edly", "ently", "idly", "ingly", "ively", "ainly", "ortly")
PORT_OPERATIONS = frozenset({"now", "published", "unresolved"})
"""Operations that the ports have by agreement (`Conversations.published`, `Journal.unresolved`), or a library's port
(`now` of slack_sdk's `Clock`)."""


@dataclass(frozen=True, order=True)
class Violation:
    """``kind``: module, class, function or docstring. ``place`` is the module, ``name`` the name in it."""

    kind: str
    place: str
    name: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.place} {self.name}".rstrip()


def find_violations(modules: Sequence[Module], more_terms: frozenset[str] = frozenset()) -> Iterator[Violation]:
    """``more_terms`` are known beside the field terms and the glossary. A class of errors may be called after what
    happened, such as Fenced or Unavailable."""
    errors = _error_classes(modules)
    for module in modules:
        if module.opens_with_question:
            yield Violation("docstring", module.name, "", "begins with a question word")
        if why := _fault_of_noun(_stem(module), more_terms):
            yield Violation("module", module.name, "", why)
        for name, node in _definitions(module.tree):
            if isinstance(node, ast.ClassDef):
                why = _fault_of_noun(node.name, more_terms, may_be_bare=node.name in errors)
            else:
                why = _fault_of_function(node)
            if why:
                yield Violation("class" if isinstance(node, ast.ClassDef) else "function", module.name, name, why)


def _definitions(node: ast.AST, outer: str = "") -> Iterator[tuple[str, ast.ClassDef | Function]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.ClassDef, *FUNCTION)):
            yield f"{outer}{child.name}", child
            yield from _definitions(child, f"{outer}{child.name}.")
        elif not isinstance(child, ast.expr):
            yield from _definitions(child, outer)


def _stem(module: Module) -> str:
    """A package is called what its folder is called; `__main__` has no name of its own."""
    if module.stem == "__init__":
        return module.folder.rpartition("/")[2]
    return "" if module.stem == "__main__" else module.stem


def _error_classes(modules: Iterable[Module]) -> set[str]:
    """The names of all classes that are raised."""
    bases = {
        node.name: {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        for module in modules
        for node in module.nodes
        if isinstance(node, ast.ClassDef)
    }
    found = {
        name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
    }
    while more := {name for name, parents in bases.items() if name not in found and parents & found}:
        found |= more
    return found


def _fault_of_noun(name: str, more_terms: frozenset[str], *, may_be_bare: bool = False) -> str:
    words = _join_compounds(split_words(name))
    unknown = [word for word in words if not is_known(word, more_terms)]
    if unknown:
        return f"{', '.join(unknown)}: neither in the glossary nor a field term"
    if len(words) == 1 and not may_be_bare and is_bare(words[0]):
        return "no noun"
    return ""


def _fault_of_function(node: Function) -> str:
    words = split_words(node.name)
    if node.name.startswith("__") or len(words) != 1 or words[0] in PORT_OPERATIONS or _is_fact(node):
        return ""
    return "a bare participle, adjective or adverb" if is_bare(words[0]) else ""


def _is_fact(node: Function) -> bool:
    """Whether it is a property that states a fact: `retryable`, `settled`."""
    is_property = any("property" in ast.unparse(each) for each in node.decorator_list)
    return is_property and node.returns is not None and ast.unparse(node.returns) == "bool"


def split_words(name: str) -> list[str]:
    """The words of an identifier in lower case: `HttpClient` and `http_client` have two. Digits end a word."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+\d*|[A-Z]+\d*", name)]


def _join_compounds(words: Sequence[str]) -> list[str]:
    """Two words that are one term together (`small_talk`) become one word."""
    joined: list[str] = []
    for word in words:
        if joined and is_known(f"{joined[-1]}_{word}"):
            joined[-1] += f"_{word}"
        else:
            joined.append(word)
    return joined


def is_bare(word: str) -> bool:
    """Whether the word alone is a participle, adjective or adverb."""
    if word in read_words(NOT_BARE) or word in glossary_words():
        return False
    return word in read_words(BARE_WORDS) or word.endswith(BARE_ENDINGS)


def is_known(word: str, more_terms: frozenset[str] = frozenset()) -> bool:
    """Whether the word or its singular is in the glossary, a term of the field or a channel's name."""
    forms = {word}
    if word.endswith("ies"):
        forms.add(f"{word[:-3]}y")
    forms |= {word.removesuffix("es"), word.removesuffix("s")}
    return not forms.isdisjoint(glossary_words() | read_words(FIELD_TERMS) | CHANNELS.keys() | more_terms)


@cache
def glossary_words() -> frozenset[str]:
    """The words of the terms in the glossary's first column."""
    rows = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    terms = [row.split("|")[1].lower() for row in rows if row.startswith("| ") and not row.startswith("| term")]
    return frozenset(word for term in terms for word in re.findall(r"[a-z]+", term))


@cache
def read_words(path: Path) -> frozenset[str]:
    """A word list: one word on each line."""
    return frozenset(path.read_text(encoding="utf-8").split())


def find_test_violations() -> Iterator[Violation]:
    """In the tests: their modules, classes and docstrings. Their functions are sentences or helpers of one file."""
    tests = load_modules(folders=("tests",))
    return (each for each in find_violations(tests, read_words(TEST_TERMS)) if each.kind != "function")
