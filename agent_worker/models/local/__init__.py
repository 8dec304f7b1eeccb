"""The extractive model that needs no key and no network."""
