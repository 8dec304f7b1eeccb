"""Language models behind one port, selected by name."""
