"""The playground: a page to try reranking on, and the files that it is made of."""
