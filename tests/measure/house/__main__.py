"""Figures of the house: how the source is laid out, what importing it costs, the path of a turn, the cost of changes.

python -m tests.measure.house [REVISION] [--lists] [--static]

Prints them for REVISION and for the checkout, side by side. REVISION is read with ``git archive`` into a temporary
folder; its test runs are not known. ``--static`` leaves out what runs code (imports and the path of a turn): seconds
instead of about a minute. ``--lists`` adds the places behind the figures of the checkout.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness import lazy_imports
from tests.harness.processes import ROOT
from tests.harness.source_tree import load_modules
from tests.measure.house.change_costs import Cost, change_costs
from tests.measure.house.figures import FULL_FOLDER, find_splinters, modules_per_folder, static_figures
from tests.measure.house.import_times import import_figures
from tests.measure.house.turn_path import TurnPath, record_path

BEFORE = "ad158ba"
"""The revision before the source was laid out anew."""


@contextmanager
def archived(revision: str) -> Iterator[Path]:
    """The tree of a revision in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "tree.tar"
        made = subprocess.run(
            ["git", "archive", "-o", str(archive), revision], cwd=ROOT, capture_output=True, text=True
        )
        if made.returncode:
            raise SystemExit(f"git cannot read {revision}: {made.stderr.strip()}")
        tree = Path(folder) / "tree"
        tree.mkdir()
        subprocess.run(["tar", "-xf", str(archive), "-C", str(tree)], check=True)
        yield tree.resolve()


def figures_of(root: Path, static: bool) -> tuple[dict[str, str], TurnPath | None]:
    figures = static_figures(root)
    path = None if static else record_path(root)
    if path is not None:
        figures |= import_figures(root)
        figures |= {
            "one message through a turn: module visits": f"{len(path.visits)}",
            "  modules": f"{path.modules}",
            "  returns to a module": f"{path.returns}",
        }
    for cost in change_costs(root):
        figures[f"files for {cost.change}"] = f"{cost.files} (at most {cost.most})"
        if cost.optional:
            figures[f"  if {cost.when}, up to"] = f"{len(cost.optional)} more"
    return figures, path


def print_table(before: dict[str, str], after: dict[str, str], revision: str) -> None:
    wide = max(len(label) for label in after)
    print(f"{'':{wide}}  {revision:>24}  {'checkout':>24}")
    for label, figure in after.items():
        print(f"{label:{wide}}  {before.get(label, ''):>24}  {figure:>24}")


def print_costs(costs: list[Cost]) -> None:
    for cost in costs:
        note = f" ({cost.note})" if cost.note else ""
        print(f"\n{cost.change}: {cost.files} files, at most {cost.most} wanted{note}")
        for path in cost.written:
            print(f"  new   {path}")
        for path in cost.edited:
            print(f"  edit  {path}")
        if cost.optional:
            print(f"  only if {cost.when}:")
        for path in cost.optional:
            print(f"  edit  {path}")


def print_lists(root: Path, path: TurnPath | None) -> None:
    modules = load_modules(root)
    print(f"\nFolders with more than {FULL_FOLDER} modules")
    for folder, count in modules_per_folder(modules).items():
        if count > FULL_FOLDER:
            print(f"  {count:3}  {folder}")
    print("\nSplinters")
    for splinter in find_splinters(modules):
        print(f"  {splinter}")
    print("\nImports inside functions outside the listed places")
    for module in modules:
        for found in module.function_imports():
            if not lazy_imports.is_allowed(found):
                print(f"  {found.path}:{found.line}: {found.module}")
    if path is not None:
        print("\nThe path of a turn", *(f"  {visit}" for visit in path.visits), sep="\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make house", description="Figures of the source tree, then and now.")
    parser.add_argument("revision", nargs="?", default=BEFORE)
    parser.add_argument("--lists", action="store_true", help="print the places behind the figures")
    parser.add_argument("--static", action="store_true", help="run no code: no import times, no path of a turn")
    options = parser.parse_args()
    with archived(options.revision) as tree:
        before, _ = figures_of(tree, options.static)
    after, path = figures_of(ROOT, options.static)
    print_table(before, after, options.revision)
    print_costs(change_costs(ROOT))
    if options.lists:
        print_lists(ROOT, path)


if __name__ == "__main__":
    main()
