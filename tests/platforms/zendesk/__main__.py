"""A simulated help centre by hand: ``python -m tests.platforms.zendesk``. Prints a source for ``parley.yaml``."""

from __future__ import annotations

import argparse
import asyncio

from tests.platforms.zendesk.library import ORDERS, SIGNED_IN, Library, SimulatedArticle, Translation
from tests.platforms.zendesk.server import EMAIL, SUBDOMAIN, TOKEN, SimulatedZendesk, serve

SOURCE = """\
tenants:
  shop:
    knowledge:
      sources:
        - location: zendesk://{subdomain}
          options: {{email: "{email}", token: "{token}", api_url: "{address}"}}
          sync_minutes: 0   # only when asked
      private_hosts: ["{host}"]
"""


def write_articles(library: Library) -> None:
    """The help centre of a shop for carnivorous plants, in two languages."""
    library.locales = ["en-us", "de"]
    warranty = {
        "en-us": Translation(
            "Warranty", "<h2>How long is the warranty on lamps?</h2><p>Lamps have a warranty of six years.</p>"
        ),
        "de": Translation(
            "Garantie", "<h2>Wie lange ist die Garantie?</h2><p>Auf Lampen geben wir sechs Jahre Garantie.</p>"
        ),
    }
    repotting = "<h2>When do I repot a flytrap?</h2><p>Repot a flytrap in February, before it grows.</p>"
    rebate = "<h2>Is there a rebate?</h2><p>After five orders you get a rebate of seven percent.</p>"
    library.add(
        SimulatedArticle(1, warranty),
        SimulatedArticle(2, {"en-us": Translation("Repotting", repotting)}),
        SimulatedArticle(3, {"en-us": Translation("Rebates", rebate)}, section=ORDERS, segment=SIGNED_IN),
        SimulatedArticle(4, {"en-us": Translation("Summer sale", "<p>Not yet decided.</p>", draft=True)}),
    )


def source_of(zendesk: SimulatedZendesk) -> str:
    """The configuration of a source that reads the simulator."""
    host = zendesk.address.removeprefix("http://")
    return SOURCE.format(subdomain=SUBDOMAIN, email=EMAIL, token=TOKEN, address=zendesk.address, host=host)


async def _run(port: int) -> None:
    async with serve(port) as zendesk:
        write_articles(zendesk.library)
        print(source_of(zendesk), flush=True)
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.platforms.zendesk", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    with asyncio.Runner() as runner:
        runner.run(_run(parser.parse_args().port))


if __name__ == "__main__":
    main()
