"""What a GPU host without a package registry reaches: `python -m benchmarks.device --help`."""
