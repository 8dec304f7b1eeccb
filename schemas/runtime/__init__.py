"""Runtime hooks that every layer uses: tracing, crash points for tests, and hints about optional dependencies."""
