"""Detection of danger, requests and small talk in many languages, by phrases and by similarity to examples."""
