"""The `bentorank` command."""
