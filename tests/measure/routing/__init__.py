"""Quality figures on public data: `make measure DATA=…`. Prints and draws, asserts nothing; not part of the tests."""
