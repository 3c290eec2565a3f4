"""The reranking routes: from a request's body to its answer, whatever the dialect."""
