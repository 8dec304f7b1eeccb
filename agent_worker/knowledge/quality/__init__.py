"""Quality of the agent's answers: suites of customers' messages, graded by rules."""
