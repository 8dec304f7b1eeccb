"""The definitions that all parts of Parley share: wire format, ports, errors, ids. Imports none of our other
packages."""
