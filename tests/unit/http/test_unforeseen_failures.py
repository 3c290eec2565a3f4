"""What no error of ours describes: the caller gets a plain 500, and it counts as one."""

import asyncio

import httpx2
from prometheus_client import REGISTRY
from starlette.applications import Starlette
from starlette.routing import Route

from bentorank.engines.fake import FakeEngine
from bentorank.http.edge.body_limit import BodyLimits
from bentorank.http.edge.edge import Edge
from bentorank.http.edge.keys import KeyRing
from bentorank.http.routes.rerank import RerankRoutes
from bentorank.http.service_state import ServiceState
from bentorank.models import ServedModel, ServedModels
from bentorank.reranker import Reranker
from bentorank.scheduling import Scheduler
from bentorank.settings import Settings
from bentorank.wiring import job_rules, scheduler_limits


class BrokenTokenizer(FakeEngine):
    """Fails as none of our errors says."""

    def encode_chunks(self, pairs, policy):
        raise RuntimeError("words of the request")


def test_an_unforeseen_failure_is_a_500_and_counted(caplog):
    """Else the objective for errors would hold while every request fails."""
    settings, engine = Settings(), BrokenTokenizer()
    scheduler = Scheduler(engine, scheduler_limits(settings, engine.info))
    reranker = Reranker(engine, scheduler, tokenizer_threads=1)
    state = ServiceState(ServedModels(ServedModel("broken", reranker)))
    routes = RerankRoutes(state, job_rules(settings), settings.request_timeout_s)
    app = Starlette(routes=[Route("/rerank", routes.rerank, methods=["POST"])])
    edge = Edge(app, methods={"/rerank": frozenset({"POST"})}, keys=KeyRing([]), bodies=BodyLimits(1000, 10_000))

    async def ask():
        transport = httpx2.ASGITransport(edge)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/rerank", json={"query": "a", "documents": ["b"]})

    def counted():
        errors = REGISTRY.get_sample_value("rerank_errors_total", {"code": "internal_error"})
        return errors, REGISTRY.get_sample_value("rerank_requests_total", {"status": "500"})

    before = counted()
    scheduler.start()
    try:
        answer = asyncio.run(ask())
    finally:
        reranker.close()
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "words of the request" not in answer.text + caplog.text
    assert counted() == tuple(count + 1 for count in before)
