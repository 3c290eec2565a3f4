"""The APIs that published reranking clients speak, one module each: its bodies, body to job, ranking to body.

Which one a request speaks is told by its body and path: `selection.py`. Sources of the shapes: docs/dialects.md.
"""
