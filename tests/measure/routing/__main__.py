"""Quality figures on public data, and the two curves as pictures.

python -m tests.measure.routing DATA [--out docs] [--only banking77] [--only clinc150] [--only stackfaq] [--only memory]
    [--encoder light]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from agent_worker.knowledge.ranking.training_sets import read_threads
from tests.measure.routing import sets
from tests.measure.routing.curves import Axis, picture
from tests.measure.routing.encoding import encoders
from tests.measure.routing.figures import risk_by_coverage
from tests.measure.routing.intents import IntentEvaluation, cascade, judge_intents
from tests.measure.routing.retrieval import Rows, memory, stackfaq

STACKFAQ = "stackfaq/stackfaq.json"
PARTS = ("banking77", "clinc150", "stackfaq", "memory")


def main() -> None:
    parser = argparse.ArgumentParser(description="Quality figures on public data.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, help="where images/ is, for the two pictures; none are drawn without")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--encoder", choices=("light", "strong"), help="with only one of the encoders there are")
    options = parser.parse_args()
    wanted = options.only or PARTS
    found = [
        judge_intents(given, encoder)
        for name, load in (("banking77", sets.banking77), ("clinc150", sets.clinc150))
        if name in wanted
        for given in [load(options.data)]
        for encoder in encoders(options.encoder)
    ]
    for each in found:
        tell(f"{each.given.name}, {each.encoder} ({each.kind})", sizes(each), each.rows())
    for encoder in encoders(options.encoder):
        if "stackfaq" in wanted:
            tell(
                f"stackfaq, {encoder.name} ({encoder.kind})",
                "",
                stackfaq(read_threads(options.data / STACKFAQ), encoder),
            )
        if "memory" in wanted and encoder.kind == "light":
            tell(f"memory, {encoder.name}", "", memory(encoder))
    if options.out is not None:
        draw(found, options.out / "images")


def sizes(each: IntentEvaluation) -> str:
    given = each.given
    strange = f", {len(given.strange)} out of scope" if given.strange else ""
    return f"learned from {len(given.shown)}, judged by {len(given.held)}{strange}"


def tell(what: str, about: str, rows: Rows) -> None:
    print(f"── {what}{': ' if about else ''}{about}")
    for name, value in rows:
        print(f"{name:36}{value}", flush=True)


def draw(found: Sequence[IntentEvaluation], folder: Path) -> None:
    """Only with all sets: a picture shows them together."""
    if {each.given.name for each in found} != {"banking77", "clinc150"}:
        return
    lines = {f"{each.given.name}, {each.kind}": risk_by_coverage(each.sure, each.right) for each in found}
    across, up = Axis("coverage: share of messages whose intent is taken", 0.0, 1.0), Axis("mistakes", 0.0, 0.1)
    (folder / "routing-risk.svg").write_text(
        picture("Mistakes, when only the surest readings are taken", across, up, lines), encoding="utf-8"
    )
    curves = {}
    for name in ("banking77", "clinc150"):
        pair = [each for each in found if each.given.name == name]
        if len(pair) == 2:
            curves[name] = cascade(*pair)
            first, last = float(pair[0].right.mean()), float(pair[1].right.mean())
            curves[f"{name}, chosen at random"] = [(pair[0].cost / pair[1].cost, first), (1.0, last)]
    if curves:
        values = [value for points in curves.values() for _, value in points]
        low, high = min(values) - 0.005, max(values) + 0.02
        cost = Axis("cost, where always asking the strong model is 100 %", 0.0, 1.0)
        text = picture(
            "Accuracy by cost: the strong model for what the cheap one is least sure of",
            cost,
            Axis("accuracy", low, high),
            curves,
        )
        (folder / "routing-cost.svg").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
