"""Texts that make a regular expression or a function work hard, and the time that these take for them.

A pattern is slow where a repeat can match in many ways before something after it fails. So each repeat is reached by
the shortest text that leads to it, fed with what it repeats, and ended by something that it does not expect: all this
is read off the pattern's own parse tree. Functions get texts made of what repeats in what strangers write."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import gc
import importlib
import inspect
import pkgutil
import re
import time
import types
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

from schemas.errors import MissingDependency
from tests.harness import sizes

PACKAGES = ("schemas", "infra", "connectors", "agent_worker", "gateway")
SIZE = 65_536
SIZES = ((24, None), (512, None), (4_096, sizes.size(6, full=10_000)))
"""Characters, rising, and of how many texts, the slowest: what is exponential shows at the first, so that nothing ever
hangs."""
COMMON = " \t\naAzZ014.,-/|'\"=<>[](){}*_~`#@:;!?\\&+%$€éßÀ中🙂\u200b²"
MIXED = (
    "4111 1111 ",
    "a ",
    "1,",
    "1 ",
    "<a ",
    "[a](",
    "a.b@",
    "a.",
    " ,",
    "- ",
    "\n\n",
    "a\n",
    "aA1 ",
    "**a",
    "1.000,",
    "and 1",
)
LONG = 12
"""A repeat of at most so many is not worth a text of its own."""
_REPEATS = (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT)
_CATEGORIES = {
    sre.CATEGORY_DIGIT: re.compile(r"\d"),
    sre.CATEGORY_NOT_DIGIT: re.compile(r"\D"),
    sre.CATEGORY_SPACE: re.compile(r"\s"),
    sre.CATEGORY_NOT_SPACE: re.compile(r"\S"),
    sre.CATEGORY_WORD: re.compile(r"\w"),
    sre.CATEGORY_NOT_WORD: re.compile(r"\W"),
}
AnyPattern = re.Pattern[Any]


# ── patterns of the packages ─────────────────────────────────────────────────────────────────────────────────────────


@functools.cache
def modules(packages: tuple[str, ...] = PACKAGES) -> tuple[types.ModuleType, ...]:
    """All modules of the packages, but for those that start a program when they are imported, or need torch."""
    found = []
    for package in packages:
        root = importlib.import_module(package)
        found.append(root)
        for each in pkgutil.walk_packages(root.__path__, f"{package}."):
            if not each.name.endswith("__main__"):
                with contextlib.suppress(MissingDependency):
                    found.append(importlib.import_module(each.name))
    return tuple(found)


def patterns_of(loaded: Iterable[types.ModuleType]) -> dict[str, AnyPattern]:
    """Every compiled pattern that a module holds, by where it was found first: in globals, containers, dataclasses,
    classes, defaults of functions and what they enclose."""
    found: dict[int, tuple[str, AnyPattern]] = {}
    seen: set[int] = set()
    for module in loaded:
        queue = deque((f"{module.__name__}.{name}", value) for name, value in vars(module).items())
        while queue:
            where, value = queue.popleft()
            if isinstance(value, re.Pattern):
                found.setdefault(id(value), (where, value))
            elif id(value) not in seen and not isinstance(value, str | bytes | int | float | types.ModuleType):
                seen.add(id(value))
                queue.extend((f"{where}.{name}", each) for name, each in _inside(value, module.__name__))
    return dict(found.values())


def _inside(value: Any, module: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key)[:20], each) for key, each in value.items())
    elif isinstance(value, list | tuple | set | frozenset | deque):
        yield from ((str(n), each) for n, each in enumerate(value))
    elif isinstance(value, functools.partial):
        yield from (("args", value.args), ("keywords", value.keywords), ("func", value.func))
    elif isinstance(value, types.FunctionType):
        yield from (("defaults", value.__defaults__), ("kwdefaults", value.__kwdefaults__))
        yield from (("cell", cell.cell_contents) for cell in value.__closure__ or () if _is_filled(cell))
        yield from ((name, each) for name, each in vars(value).items())
    elif isinstance(value, classmethod | staticmethod):
        yield ("func", value.__func__)
    elif isinstance(value, property):
        yield from (("get", value.fget), ("set", value.fset))
    elif isinstance(value, type):
        if getattr(value, "__module__", "") == module:
            yield from ((name, each) for name, each in vars(value).items())
    elif _is_ours(type(value)):
        yield from ((name, each) for name, each in _attributes(value))


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] in (*PACKAGES, "tests")


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(value, "__dict__", {}).items()
    names = {name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())}
    if dataclasses.is_dataclass(value):
        names |= {each.name for each in dataclasses.fields(value)}
    yield from ((name, getattr(value, name)) for name in names if not callable(getattr(value, name, len)))


def _is_filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


_AS = dict.fromkeys(("sub", "subn", "findall", "finditer", "split"), "finditer")
_METHODS = {"match": "match", "fullmatch": "fullmatch", "search": "search", **_AS}
_ANY_USE = frozenset({"match", "finditer"})


def uses_of(loaded: Iterable[types.ModuleType]) -> dict[int, set[str]]:
    """By the id of a pattern, the methods that the modules call of it. One that is handed on may be used in any way."""
    found: dict[int, set[str]] = {}
    for module in loaded:
        tree = ast.parse(inspect.getsource(module)) if "re" in vars(module) or _holds_pattern(module) else None
        called = set[int]()
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in _METHODS:
                pattern = vars(module).get(node.value.id)
                if isinstance(pattern, re.Pattern):
                    found.setdefault(id(pattern), set()).add(_METHODS[node.attr])
                    called.add(id(node.value))
            elif isinstance(node, ast.Attribute) and node.attr in ("pattern", "flags"):
                called.add(id(node.value))
        for node in ast.walk(tree) if tree else ():
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in called:
                pattern = vars(module).get(node.id)
                if isinstance(pattern, re.Pattern):
                    found.setdefault(id(pattern), set()).update(_ANY_USE)
    return found


def _holds_pattern(module: types.ModuleType) -> bool:
    return any(isinstance(value, re.Pattern) for value in vars(module).values())


# ── hostile texts ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass(frozen=True, slots=True)
class Hostile:
    """``prefix``, then ``pump`` as often as it fits, then ``suffix``."""

    prefix: str
    pump: str
    suffix: str

    def text(self, size: int) -> str:
        room = max(size - len(self.prefix) - len(self.suffix), 1)
        return self.prefix + (self.pump * (room // len(self.pump) + 1))[:room] + self.suffix


def hostile_texts(pattern: AnyPattern) -> list[Hostile]:
    """Without doubles; the order is that of the pattern."""
    source = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    return list(dict.fromkeys(_Tree(source, pattern.flags).texts()))


class _Tree:
    def __init__(self, source: str, flags: int) -> None:
        self._ignores_case = bool(flags & re.IGNORECASE)
        self._nodes: list[tuple[Any, Any]] = []
        self._root = list(_parser.parse(source, flags & ~re.DEBUG))
        self._collect(self._root)
        literals = dict.fromkeys(chr(code) for kind, code in self._nodes if kind is sre.LITERAL)
        told = dict.fromkeys(self._classes_literals())
        self._letters = self._representatives([*COMMON, *literals, *told])

    def texts(self) -> Iterator[Hostile]:
        samples = [made for variant in range(3) if (made := self._sample(self._root, variant))]
        for pump in (*self._letters, *MIXED, *samples):
            yield Hostile("", pump, "")
            yield Hostile("", pump, "\x00")
        for prefix, body in self._repeats(self._root, ""):
            first = self._of_one(body)
            own = [letter for letter in self._letters if first and self._matches(first, letter)]
            others = [letter for letter in self._letters if not (first and self._matches(first, letter))]
            pumps = dict.fromkeys([*own[:6], *(made for n in range(3) if (made := self._sample(body, n)))])
            for pump in pumps:
                for suffix in ("", *dict.fromkeys(("\x00", *others[:1]))):
                    yield Hostile(prefix, pump, suffix)

    def _collect(self, nodes: Iterable[tuple[Any, Any]]) -> None:
        for kind, given in nodes:
            if kind in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY):
                self._nodes.append((kind, given))
            for inner in _inner(kind, given):
                self._collect(inner)

    def _classes_literals(self) -> Iterator[str]:
        for kind, given in self._nodes:
            if kind is sre.IN:
                for part, code in given:
                    if part is sre.LITERAL:
                        yield chr(code)
                    elif part is sre.RANGE:
                        yield chr(code[0])

    def _representatives(self, letters: Iterable[str]) -> list[str]:
        """One letter of all that no part of the pattern tells apart."""
        found: dict[tuple[bool, ...], str] = {}
        for letter in letters:
            found.setdefault(tuple(self._matches(node, letter) for node in self._nodes), letter)
        return list(found.values())

    def _matches(self, node: tuple[Any, Any], letter: str) -> bool:
        kind, given = node
        if kind is sre.ANY:
            return letter != "\n"
        if kind is sre.IN:
            parts = list(given)
            negated = bool(parts) and parts[0][0] is sre.NEGATE
            return negated != any(self._is_in(part, letter) for part in parts if part[0] is not sre.NEGATE)
        same = letter in self._cases(chr(given))
        return same if kind is sre.LITERAL else not same

    def _is_in(self, part: tuple[Any, Any], letter: str) -> bool:
        kind, given = part
        if kind is sre.CATEGORY:
            return _CATEGORIES[given].match(letter) is not None
        low, high = given if kind is sre.RANGE else (given, given)
        return any(low <= ord(each) <= high for each in self._cases(letter))

    def _cases(self, letter: str) -> set[str]:
        if not self._ignores_case:
            return {letter}
        return {each for each in (letter, letter.lower(), letter.upper()) if len(each) == 1}

    def _sample(self, nodes: Iterable[tuple[Any, Any]], variant: int) -> str:
        return "".join(self._one(kind, given, variant) for kind, given in nodes)

    def _one(self, kind: Any, given: Any, variant: int) -> str:
        if kind is sre.LITERAL:
            return chr(given)
        if kind in (sre.NOT_LITERAL, sre.IN, sre.ANY):
            fitting = [letter for letter in self._letters if self._matches((kind, given), letter)]
            return fitting[variant % len(fitting)] if fitting else ""
        if kind in _REPEATS:
            least, most, body = given
            return self._sample(body, variant) * max(int(least), min(variant, int(most)))
        if kind is sre.BRANCH:
            return self._sample(given[1][variant % len(given[1])], variant)
        if kind in (sre.ASSERT, sre.ASSERT_NOT):
            return ""
        return "".join(self._sample(inner, variant) for inner in _inner(kind, given))

    def _repeats(self, nodes: Iterable[tuple[Any, Any]], before: str) -> Iterator[tuple[str, list[tuple[Any, Any]]]]:
        """Each long repeat, with the shortest text that leads to it."""
        for kind, given in nodes:
            if kind in _REPEATS and given[1] > LONG:
                yield before, list(given[2])
            for inner in _inner(kind, given):
                yield from self._repeats(inner, before)
            before += self._one(kind, given, 0)

    def _of_one(self, body: list[tuple[Any, Any]]) -> tuple[Any, Any] | None:
        while len(body) == 1 and body[0][0] is sre.SUBPATTERN:
            body = list(body[0][1][3])
        one = len(body) == 1 and body[0][0] in (sre.LITERAL, sre.NOT_LITERAL, sre.IN, sre.ANY)
        return body[0] if one else None


def _inner(kind: Any, given: Any) -> list[Any]:
    if kind in _REPEATS:
        return [given[2]]
    if kind is sre.SUBPATTERN:
        return [given[3]]
    if kind is sre.BRANCH:
        return list(given[1])
    if kind in (sre.ASSERT, sre.ASSERT_NOT):
        return [given[1]]
    if kind is sre.ATOMIC_GROUP:
        return [given]
    if kind is sre.GROUPREF_EXISTS:
        return [each for each in given[1:] if each is not None]
    return []


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

_REFERENCE = re.compile(r"[ab]?c|[^\W\d_]{3}!")
_REFERENCE_TEXT = "ab 1" * (SIZE // 4)
_REFERENCE_SECONDS = 0.0023
"""What it takes on the machine for which the bounds are set, when that does nothing else."""
TRIES = 12


def excess(work: Callable[[], object], bound: float) -> float:
    """The processor time of the work over what it may take: 1.0 is just allowed. ``bound`` in seconds, on a machine on
    which the reference takes ``_REFERENCE_SECONDS``; it is measured beside the work, so that a slow machine and a busy
    one are told from slow work. What is over the bound is measured again: noise only ever adds."""
    least = reference = allowed = float("inf")
    for tried in range(1, TRIES + 1):
        least = min(least, _took(work))
        if least <= bound:
            return least / bound
        reference = min(reference, _took(lambda: _REFERENCE.search(_REFERENCE_TEXT)))
        allowed = bound * max(1.0, reference / _REFERENCE_SECONDS)
        if least <= allowed or (least > 3 * allowed and tried >= 3) or least > 20 * allowed:
            break
    return least / allowed


def _took(work: Callable[[], object]) -> float:
    """Without collecting garbage: that takes as long as the whole process is large, whatever the work."""
    gc.disable()
    try:
        begun = time.thread_time()
        work()
        return time.thread_time() - begun
    finally:
        gc.enable()


# ── patterns under load ──────────────────────────────────────────────────────────────────────────────────────────────

BOUND = 0.020
"""Seconds for one text of ``SIZE`` characters."""
WORST = sizes.size(1, full=3)
"""Of so many texts, the slowest of their pattern, all of ``SIZE`` is tried."""


def slowness_of(pattern: AnyPattern, uses: Iterable[str] = _ANY_USE) -> str:
    """The first text for which the pattern takes too long, in words; empty when there is none."""
    texts = hostile_texts(pattern)
    for use in sorted(uses):
        run = _runner(pattern, use)

        def work(hostile: Hostile, size: int, run: Callable[[Any], object] = run) -> Callable[[], object]:
            text = hostile.text(size)
            given = text.encode("latin-1", "ignore") if isinstance(pattern.pattern, bytes) else text
            return lambda: run(given)

        costs: dict[Hostile, float] = {}
        for size, most in SIZES:
            for hostile in texts if most is None else sorted(texts, key=costs.__getitem__)[-most:]:
                # Looser than in proportion: it only keeps what is far worse from being tried at all of its length.
                costs[hostile] = excess(work(hostile, size), 4 * BOUND * size / SIZE + 0.0005)
                if costs[hostile] > 1:
                    return f"{use} with {size} characters, {costs[hostile]:.1f} times too slow: {hostile}"
        for hostile in sorted(texts, key=costs.__getitem__)[-WORST:]:
            if (cost := excess(work(hostile, SIZE), BOUND)) > 1:
                return f"{use} with {SIZE} characters, {cost:.1f} times too slow: {hostile}"
    return ""


def _runner(pattern: AnyPattern, use: str) -> Callable[[Any], object]:
    if use == "finditer":
        return lambda text: deque(pattern.finditer(text), 0)
    return getattr(pattern, use)  # type: ignore[no-any-return]


# ── functions under load ─────────────────────────────────────────────────────────────────────────────────────────────

PER_KB = 0.008
"""Seconds that a function may take for 1,000 characters."""
LENGTHS = (
    (200, None),
    (1_000, sizes.size(12, full=10_000)),
    (8_000, sizes.size(2, full=4)),
    (sizes.size(24_000, full=64_000), 1),
)
"""Characters, and of how many texts: the slowest."""
PUMPS = (
    *(
        "a",
        "A",
        "1",
        " ",
        "\n",
        "\t",
        ".",
        ",",
        "-",
        "?",
        "#",
        "*",
        "_",
        "`",
        "~",
        "|",
        "\\",
        "<",
        ">",
        "[",
        "]",
        "(",
        "{",
        "&",
    ),
    *("$", "%", "@", "/", ":", ";", "'", '"', "=", "€", "é", "中", "👍", "\u200b", "\r\n", "\x00"),
    *(
        "a ",
        "A. ",
        "a.b",
        "a@b.c ",
        "a-",
        "1,",
        "1 ",
        "1.",
        "1:",
        "0 000 ",
        "12.5. ",
        "4111 1111 1111 1111 ",
        "4111,",
        "4444 ",
    ),
    *(
        "www.a.de ",
        "http://a/",
        "x@",
        "etc. A ",
        "Mr. ",
        "and ",
        "und ",
        "one ",
        "today ",
        "in 2 days ",
        "3 May ",
        "5 € ",
        "-1 € ",
    ),
    *(
        "why? ",
        "if a? ",
        "no, ",
        "ok - ",
        "yes! ",
        "<a ",
        "<!--",
        "&lt;",
        "<b>",
        "</b>",
        "[a](b) ",
        "![",
        "](",
        "**a** ",
        "_a_ ",
    ),
    *(
        "*a ",
        "`a` ",
        "```\n",
        "> ",
        "- a\n",
        "1. a\n",
        "# a\n",
        "a\n\n",
        "|a|\n",
        "|-|\n",
        "a: b\n",
        "---\n",
        "\n \n",
        "  a\n",
    ),
    *(
        "{a}",
        "${a",
        "<@U1> ",
        "<!here>",
        ":a:",
        ":smile: ",
        "@here ",
        "a'b",
        "a’s ",
        "ein ",
        "talk to a human ",
        "my order ",
        "не ",
    ),
    *("日本語 ", "👩‍👩‍👧 ", "e\u0301", '{"a":', "[[", '"a",'),
)


def text_functions(
    loaded: Iterable[types.ModuleType], fills: Mapping[str, object]
) -> dict[str, Callable[[str], object]]:
    """All public functions that take a text first, and then nothing or what ``fills`` holds, by the annotation."""
    found: dict[str, Callable[[str], object]] = {}
    for module in loaded:
        for name, value in vars(module).items():
            function = inspect.unwrap(value) if callable(value) and not isinstance(value, type) else value
            if not isinstance(function, types.FunctionType) or function.__module__ != module.__name__:
                continue
            if name.startswith("_") or inspect.iscoroutinefunction(function):
                continue
            if (work := _of_text(function, fills)) is not None:
                found[f"{module.__name__}.{name}"] = work
    return found


def _of_text(function: types.FunctionType, fills: Mapping[str, object]) -> Callable[[str], object] | None:
    needed = [
        each
        for each in inspect.signature(function).parameters.values()
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    kinds = [str(each.annotation) for each in needed]
    if not kinds or kinds[0] not in ("str", "bytes") or not all(kind in ("str", "bytes", *fills) for kind in kinds):
        return None

    def work(text: str) -> object:
        given = {"str": text, "bytes": text.encode(), **fills}
        by_name = {
            each.name: given[kind] for each, kind in zip(needed, kinds, strict=True) if each.kind == each.KEYWORD_ONLY
        }
        rest = [given[kind] for each, kind in zip(needed, kinds, strict=True) if each.kind != each.KEYWORD_ONLY]
        return function(*rest, **by_name)

    return work


def toil_of(function: Callable[[str], object], raises: tuple[type[Exception], ...] = (Exception,)) -> str:
    """The first text for which the function takes too long, in words; empty when there is none. What it raises says
    that it has looked at the text."""

    def work(pump: str, size: int) -> Callable[[], object]:
        text = (pump * size)[:size]

        def run() -> None:
            try:
                made = function(text)
                if isinstance(made, Iterator):
                    deque(made, 0)
            except raises:
                pass

        return run

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _toil(work)


def _toil(work: Callable[[str, int], Callable[[], object]]) -> str:
    work("a", 10)()  # what is done once in a process
    costs: dict[str, float] = {}
    for size, most in LENGTHS:
        bound = PER_KB * max(size, 2_000) / 1_000
        for pump in PUMPS if most is None else sorted(PUMPS, key=costs.__getitem__)[-most:]:
            costs[pump] = excess(work(pump, size), bound)
            if costs[pump] > 1:
                return f"{size} characters, {costs[pump]:.1f} times too slow: {pump!r}"
    return ""
