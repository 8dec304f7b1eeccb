"""Models of a provider. A package, so that its installation ends with its tests."""
