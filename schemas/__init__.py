"""What the parts of Parley agree on: the wire, the words, the ports, the failures. Imports nothing of ours."""
