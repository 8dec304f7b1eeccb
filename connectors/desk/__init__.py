"""The part of a desk that does not depend on the vendor: acts come in, are done, and posts show what became of them."""
