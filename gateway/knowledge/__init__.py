"""Management of a tenant's documents: editing, versions, uploads, citations and health."""
