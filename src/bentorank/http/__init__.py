"""The HTTP layer: dialect to job, ranking to dialect, errors, limits, deadlines. Knows nothing of engines or queues."""
