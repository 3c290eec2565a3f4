"""What each route is called in the documentation, its group, and the other paths that it answers at."""

from __future__ import annotations

from dataclasses import dataclass

from bentorank.http.documentation.groups import ADMIN, CATALOGUE, METRICS, OTHER_APIS, PROBES, RERANKING, SCORES
from bentorank.http.edge.model_paths import ADMIN_PATH, ADMIN_TEMPLATE, MODEL_TEMPLATE, NIM_TEMPLATE


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of the documentation. `aliases` are answered alike and have no entry of their own."""

    group: str
    summary: str
    description: str
    aliases: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The description, with the aliases named."""
        also = ", ".join(f"`{alias}`" for alias in self.aliases)
        return f"{self.description}\n\nAlso at {also}." if also else self.description


POSTS = {
    "/rerank": Operation(
        RERANKING,
        "Rerank documents",
        "Orders `documents` by their relevance to `query`, best first. `top_k` is how many come back. Documents are"
        " texts, or objects with `content` and `metadata`, which come back with them. Long ones are cut, and told, or"
        " split with `overflow: chunk`. A body with `texts` is TEI's, and has TEI's answer.",
    ),
    "/rerank/batch": Operation(
        RERANKING,
        "Rerank several lists",
        "Several requests of `POST /rerank` in one body, computed together: a list is answered by a list,"
        " `requests` by `responses`. One that fails fails the batch, and the error names it.",
    ),
    "/v1/rerank": Operation(
        OTHER_APIS,
        "Cohere v1, Jina, vLLM, Xinference, SiliconFlow, llama.cpp; Voyage",
        "With `top_k` or `truncation` the body is Voyage's; its answer has `data`. All others have `results`, and"
        " `data` as well, since some of Voyage's clients send nothing to be told by.",
        ("/api/rerank", "/reranking"),
    ),
    "/v2/rerank": Operation(
        OTHER_APIS, "Cohere v2", "Long documents are split and have the score of their best chunk."
    ),
    "/v1/reranking": Operation(OTHER_APIS, "Mixedbread", "`input` in, `data` out."),
    "/v1/ranking": Operation(
        OTHER_APIS,
        "NVIDIA NIM",
        "Answers with raw logits. Without `truncate: END`, texts that do not fit are refused.",
        (NIM_TEMPLATE,),
    ),
    "/infinity/rerank": Operation(OTHER_APIS, "Infinity", "The documents that come back are bare texts."),
    "/voyage/rerank": Operation(
        OTHER_APIS, "Voyage", "For clients that send neither `top_k` nor `truncation`: the answer has `data` alone."
    ),
    "/score": Operation(
        SCORES,
        "Score pairs, as vLLM does",
        "One text with one or with many, or as many with as many.",
        ("/v1/score",),
    ),
}

GETS = {
    "/": Operation(CATALOGUE, "The service", "Name, version, what is loaded, and every endpoint."),
    "/info": Operation(CATALOGUE, "The model and the limits", "As TEI tells them, and with the limits of a request."),
    "/v1/models": Operation(
        CATALOGUE, "The models", "What is loaded, as OpenAI's clients ask for it.", ("/models", "/infinity/models")
    ),
    MODEL_TEMPLATE: Operation(CATALOGUE, "One model", "Any name is answered unless the service takes names strictly."),
    "/v1/cluster/auth": Operation(
        CATALOGUE, "Whether keys are wanted", "Xinference's client asks before it sends its key."
    ),
    "/health": Operation(
        PROBES, "Health for people", "Whether new requests are wanted.", ("/ping", "/infinity/health")
    ),
    "/v1/health/live": Operation(PROBES, "NIM's liveness", "Whether the model's thread lives and is not stuck."),
    "/v1/health/ready": Operation(PROBES, "NIM's readiness", "Whether new requests are wanted."),
    ADMIN_PATH: Operation(
        ADMIN, "How the models are", "All that are served, and one that is to be, could not be, or is about to leave."
    ),
    ADMIN_TEMPLATE: Operation(ADMIN, "How a model is", "Loading, serving, unloading or failed, and why."),
}
LOAD = Operation(
    ADMIN,
    "Load a model",
    "Begins to load a model, as an entry of the list of models describes it, and does not wait: `GET /admin/models`"
    " says when it serves.",
)
UNLOAD = Operation(
    ADMIN, "Unload a model", "It is served no more, and unloaded once it has answered the requests that it has."
)

# BentoML answers these, ahead of our application.
LIVEZ = Operation(
    PROBES,
    "Liveness",
    "For Kubernetes' `livenessProbe`. 503 means that only a restart helps: the model's thread is stuck.",
    ("/healthz",),
)
READYZ = Operation(
    PROBES,
    "Readiness",
    "For Kubernetes' `readinessProbe` and for balancers. 503 while the model loads, while the service drains, and while"
    " the device fails.",
)
METRICS_PAGE = Operation(
    METRICS,
    "Prometheus metrics",
    "`rerank_…` are ours: requests, documents, tokens, queue, batches, cache, errors. `bentoml_service_…` are"
    " BentoML's. Needs a key only where `BENTORANK_METRICS_NEED_KEY` is set.",
)
BENTOML_SCORE = Operation(
    SCORES,
    "Logits of pairs, for BentoML's clients",
    "The method `score` of a `bentoml.SyncHTTPClient`: a list of raw logits, one for each pair.",
)
