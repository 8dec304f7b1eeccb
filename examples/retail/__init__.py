"""A second example tenant: a general shop, whose database is a setting."""
