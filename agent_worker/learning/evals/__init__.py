"""Evaluation of the agent: suites of cases, the checks of their answers, and the comparison of two setups."""
