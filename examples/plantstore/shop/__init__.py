"""The example shop's order system: small, with the habits of a real one. `python -m examples.plantstore.shop`."""
