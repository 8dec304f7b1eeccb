"""The commands of `parley knowledge`."""
