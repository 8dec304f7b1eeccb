"""The extractive model, which needs no key and no network."""
