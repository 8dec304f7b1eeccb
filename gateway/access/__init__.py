"""Access of programs and people: what each operation requires, API tokens, and the party behind a request."""
