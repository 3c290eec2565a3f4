"""A load generator that runs in a process of its own: `python -m benchmarks.load --help`."""
