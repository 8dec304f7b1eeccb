"""Execution of people's commands at the desk, in the order in which they were given."""
