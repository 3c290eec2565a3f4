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
# # LlamaIndex: rerank between retrieving and answering
#
# A query engine retrieves many nodes, a node postprocessor keeps the best, an LLM writes the answer. Here a mock stands for embedding and LLM, so that no key is
# needed: what matters is which nodes arrive.

# %%
import os

from llama_index.core import MockEmbedding, VectorStoreIndex
from llama_index.core.llms.mock import MockLLM
from llama_index.core.schema import TextNode
from llama_index.postprocessor.bentorank import BentoRerank

texts = [
    "The Eiffel Tower was finished in March 1889, after two years of work.",
    "Paris is the capital of France and lies on the Seine.",
    "Gustave Eiffel's company also made the frame of the Statue of Liberty.",
    "Mount Everest rises 8,849 m above sea level.",
    "The Golden Gate Bridge opened in 1937.",
]
index = VectorStoreIndex([TextNode(text=text) for text in texts], embed_model=MockEmbedding(embed_dim=8))
question = "When was the Eiffel Tower completed?"

# %% [markdown]
# Without a reranker the mock embedding finds any two. With one, all five are retrieved and the best two stay.

# %%
reranker = BentoRerank(
    base_url=os.environ.get("BENTORANK_BASE_URL", "http://127.0.0.1:3000"), top_n=2, keep_retrieval_score=True
)
engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=5, node_postprocessors=[reranker])
answer = engine.query(question)
for node in answer.source_nodes:
    print(f"{node.score:.3f}  (retrieved with {node.node.metadata['retrieval_score']:.3f})  {node.node.text}")
assert answer.source_nodes[0].node.text == texts[0]

# %% [markdown]
# The asynchronous path holds no thread while the service works:

# %%
answer = await engine.aquery(question)
assert answer.source_nodes[0].node.text == texts[0]

# %% [markdown]
# A pipeline's file keeps the address and leaves the key out.

# %%
restored = BentoRerank.from_dict(reranker.to_dict())
assert restored.base_url == reranker.base_url
print(restored)

# %%
await reranker.aclose()
