"""Ranking the lines of files, or whole files, by their relevance to a query: `grep` for meaning, without a server."""
