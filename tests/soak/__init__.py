"""A long load with a short retention: everything that grows must stop growing."""
