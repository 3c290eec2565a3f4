# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Quickstart
#
# A retriever finds many passages quickly. A cross-encoder reads each of them together with the query and puts them in order. bentorank serves
# the cross-encoder; start it with `make serve`, or `bentorank serve`, and install the client as [its README](../integrations/client/README.md) says.

# %%
import os

from bentorank_client import Reranker

reranker = Reranker(base_url=os.environ.get("BENTORANK_BASE_URL", "http://127.0.0.1:3000"))
(model,) = reranker.models()
print(f"{model.name} on {model.device}, {model.engine} {model.precision}, {model.max_tokens} tokens a pair")

# %%
query = "how do owls find mice in the dark"
passages = [
    "The snowy owl breeds in the Arctic tundra and lays up to eleven eggs.",
    "A barn owl locates prey by sound: its ears sit at different heights, so it hears where a rustle comes from.",
    "Computer mice were once connected by a cable, and before that had a ball inside.",
    "Mice are active at night and eat seeds, fruit and insects.",
]
result = reranker.rerank(query, passages)
for ranked in result:
    print(f"{ranked.relevance_score:.3f}  {passages[ranked.index]}")

# %% [markdown]
# `index` points into the list that was sent, `relevance_score` is a probability by which to order. `top_n` keeps the best few. Every result says whether the
# model could read all of the passage, and the answer what it cost, where the time went, and what to know besides.

# %%
assert result[0].index == 1
print(reranker.rerank(query, passages, top_n=1))

# %% [markdown]
# A passage that is longer than the model's window is cut, and the result says so. With `overflow="chunk"` it is split into chunks that overlap and
# has the score of its best one; `span` says where that stands, so that a page can show it, or an LLM be given it alone.

# %%
chapter = "The line follows the river to the sea. " * 60 + passages[1] + " Trains stop at every harbour." * 60
(cut,) = reranker.rerank(query, [chapter])
(split,) = reranker.rerank(query, [chapter], overflow="chunk")
print(f"cut: {cut.truncated}; with overflow='chunk': {split.truncated}, {split.span} of {len(chapter)}")
assert passages[1] in chapter[split.span.start : split.span.end]

# %% [markdown]
# Several queries at once, and the same without blocking an event loop:

# %%
from bentorank_client import AsyncReranker, RerankRequest

async with AsyncReranker(base_url=reranker.options.base_url) as async_reranker:
    answers = await async_reranker.rerank_batch(
        [
            RerankRequest("what do mice eat", passages, top_n=1),
            RerankRequest("eggs of an arctic bird", passages, top_n=1),
        ]
    )
print([passages[answer[0].index] for answer in answers])
assert [answer[0].index for answer in answers] == [3, 0]

# %%
reranker.close()
