"""Who answers a message: `local`, a cheap model, a strong one, or a person; and why."""
