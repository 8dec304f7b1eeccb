"""Composition of the processes: this package alone opens adapters and passes them to the other packages."""
