"""Other ways to serve the same model: what runs in an environment of its own, and how the benchmarks start it."""
