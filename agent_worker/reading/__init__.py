"""From passages to the sentences that answer a question, or to an honest no."""
