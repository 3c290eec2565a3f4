"""The reranking server that most tutorials teach, kept as they write it: it is what bentorank is compared with.

MODEL=models/starter uvicorn benchmarks.baselines.tutorial_fastapi:app
"""

import os

from fastapi import FastAPI
from pydantic import BaseModel
from sentence_transformers import CrossEncoder

app = FastAPI()
model = CrossEncoder(os.environ["MODEL"])


class RerankRequest(BaseModel):
    query: str
    documents: list[str]


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


@app.post("/rerank")
async def rerank(request: RerankRequest) -> dict[str, list[dict[str, float]]]:
    pairs = [(request.query, document) for document in request.documents]
    scores = model.predict(pairs, batch_size=32)
    results = [{"index": index, "relevance_score": float(score)} for index, score in enumerate(scores)]
    results.sort(key=lambda result: result["relevance_score"], reverse=True)
    return {"results": results}
