"""Code shared by the commands: options, output, and access to an instance."""
