"""What the documentation begins with, and the groups that it puts the routes into."""

from __future__ import annotations

DESCRIPTION = """\
Orders documents by their relevance to a query. A model reads each document together with the query, so that the order
is that of meaning.

```sh
curl localhost:3000/rerank -H 'content-type: application/json' \\
  -d '{"query": "how tall is mount everest", "documents": ["K2 lies in Asia.", "Everest rises 8,849 m."], "top_k": 1}'
```

**Every example below is a request that works, with the answer that it has from the shipped model: press *Execute*.**

Where the service has keys, each request shows one: `Authorization: Bearer <key>`, `x-api-key` or `api-key`. Every
answer carries `X-Request-ID`. Errors have one shape, `ErrorBody`, and name the field and the limit; with 429 and 503
stands `Retry-After`. A deadline is set by the header `X-Request-Timeout: <seconds>`."""

PLAYGROUND_LINK = "\n\n[`/playground`](playground) is a page to try it on, with texts of your own."

RERANKING = "Rerank"
OTHER_APIS = "Rerank as other APIs do"
SCORES = "Score pairs"
CATALOGUE = "What is served"
PROBES = "Health"
METRICS = "Metrics"
ADMIN = "Change what is served"

GROUPS = {
    RERANKING: "The native API: a query and documents in, the documents in order of relevance out.",
    OTHER_APIS: (
        "The same for clients of other APIs, which need another base URL and nothing else. The keys of a body say which"
        " API it is wherever it comes: `texts` is TEI's, `passages` NVIDIA NIM's, `input` Mixedbread's, `truncation`"
        " Voyage's. Doubled slashes, and `/api`, a version or the name of an API too many in front, do not count."
    ),
    SCORES: "Scores or logits of pairs of texts, in their order and not ranked.",
    CATALOGUE: "The service, its models and its limits.",
    ADMIN: (
        "Load and unload models while the others serve. Wants the key of `BENTORANK_ADMIN_KEY`, and is there where that"
        " is set."
    ),
    PROBES: "For orchestrators and balancers: each answers 200 while all is well and 503 while it is not.",
    METRICS: "For Prometheus.",
}
