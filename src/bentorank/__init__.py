"""Self-hosted reranking: a cross-encoder behind a BentoML service. Docs: docs/design.md."""

# Here rather than in the package's metadata, because a Bento imports the package without installing it.
__version__ = "0.1.0"
