"""The figures that `make house` prints."""

from __future__ import annotations

from tests.harness.processes import ROOT
from tests.harness.source_tree import Module, load_modules
from tests.measure.house.change_costs import CHECKS_OF_ANSWERS, change_costs
from tests.measure.house.figures import FULL_FOLDER, find_splinters, modules_per_folder, static_figures


def test_the_files_of_a_change_are_files_of_the_checkout() -> None:
    costs = change_costs(ROOT)
    assert [cost.change for cost in costs if not (cost.written or cost.edited)] == []
    assert [path for cost in costs for path in cost.edited if not (ROOT / path).is_file()] == []
    assert [path for cost in costs for path in cost.written if (ROOT / path).exists()] == []


def test_a_change_costs_no_more_files_than_wanted() -> None:
    assert [(cost.change, cost.files) for cost in change_costs(ROOT) if cost.files > cost.most] == []


def test_no_folder_is_full() -> None:
    assert {folder: n for folder, n in modules_per_folder(load_modules()).items() if n > FULL_FOLDER} == {}


def test_a_state_engine_or_a_vendors_renderer_is_no_business_of_the_gateway() -> None:
    costs = {cost.change: cost for cost in change_costs(ROOT)}
    assert [path for path in costs["a state adapter (Postgres)"].edited if path.startswith("gateway/")] == []
    shown = costs["a field of the outbound message"].optional
    assert shown
    assert all(path.startswith(("connectors/", *CHECKS_OF_ANSWERS)) for path in shown)


def test_every_figure_has_a_value() -> None:
    figures = static_figures(ROOT)
    assert figures["product files (Python)"] == str(len(load_modules()))
    assert all(figures.values())


def test_a_small_module_with_one_importer_is_a_splinter() -> None:
    modules = [
        Module("connectors/outbound/pipeline.py", "from connectors.outbound import delays, edits\n"),
        Module("connectors/outbound/sender.py", "from connectors.outbound.edits import Edit\n"),
        Module("connectors/outbound/delays.py", "SECONDS = 3\n"),
        Module("connectors/outbound/edits.py", "class Edit: ...\n"),
        Module("connectors/outbound/__init__.py", ""),
        Module("gateway/commands/chat.py", "from gateway.commands import options\n"),
        Module("gateway/commands/options.py", "QUIET = False\n"),
    ]
    assert find_splinters(modules) == ["connectors/outbound/delays.py"]
    assert modules_per_folder(modules) == {"connectors/outbound": 4, "gateway/commands": 2}
