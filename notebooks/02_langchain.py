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
# # LangChain: what reranking is worth
#
# A BM25 retriever, a reranker behind it, and both measured on claims of [SciFact](https://github.com/allenai/scifact) (claims CC BY 4.0, abstracts ODC-By 1.0; a sample
# of test claims with the abstracts that BM25 finds for them). No key and no LLM is needed: the last step of the chain only shows what an LLM would get.

# %%
import gzip
import json
import os
from pathlib import Path

import bm25s
import matplotlib.pyplot as plt
import numpy as np
import Stemmer
from langchain_bentorank import BentoRerank, BentoRerankRetriever
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

sample = json.loads(gzip.decompress(Path("data/scifact-sample.json.gz").read_bytes()))
documents = [Document(f"{title} {text}", id=key) for key, (title, text) in sample["abstracts"].items()]
print(f"{len(sample['claims'])} claims, {len(documents)} abstracts")

# %% [markdown]
# ## A retriever
#
# Any LangChain retriever will do. This one is BM25.


# %%
class BM25Retriever(BaseRetriever):
    """The k documents that share the rarest words with the query."""

    documents: list[Document]
    k: int = 20

    def model_post_init(self, context):
        self._stemmer = Stemmer.Stemmer("english")
        self._index = bm25s.BM25()
        self._index.index(self._tokens([d.page_content for d in self.documents]), show_progress=False)

    def _tokens(self, texts):
        return bm25s.tokenize(texts, stopwords="en", stemmer=self._stemmer, show_progress=False)

    def _get_relevant_documents(self, query, *, run_manager):
        places, _ = self._index.retrieve(self._tokens([query]), k=self.k, show_progress=False)
        return [self.documents[place] for place in places[0]]


bm25 = BM25Retriever(documents=documents)

# %% [markdown]
# ## The reranker behind it

# %%
reranker = BentoRerank(base_url=os.environ.get("BENTORANK_BASE_URL", "http://127.0.0.1:3000"))
retriever = BentoRerankRetriever(base_retriever=bm25, reranker=reranker)

claim_id, claim = next(iter(sample["claims"].items()))
print(claim, "\n")
for name, found in (("BM25", bm25.invoke(claim)), ("reranked", retriever.invoke(claim, top_n=3))):
    print(name)
    for document in found[:3]:
        mark = "*" if document.id in sample["judgements"][claim_id] else " "
        print(f" {mark} {document.metadata.get('relevance_score', float('nan')):6.3f}  {document.page_content[:90]}")

# %% [markdown]
# ## Before and after
#
# nDCG@10 is 1 where every relevant abstract stands above every other, and falls the lower they stand.


# %%
def ndcg_at_10(found, relevant):
    gains = [1 / np.log2(place + 2) for place, document in enumerate(found[:10]) if document.id in relevant]
    return sum(gains) / sum(1 / np.log2(place + 2) for place in range(min(10, len(relevant))))


before, after = [], []
for key, text in sample["claims"].items():
    relevant = set(sample["judgements"][key])
    before.append(ndcg_at_10(bm25.invoke(text), relevant))
    after.append(ndcg_at_10(retriever.invoke(text), relevant))

print("| ranking | nDCG@10 |\n|---|---:|")
print(f"| BM25 | {np.mean(before):.3f} |\n| reranked | {np.mean(after):.3f} |")

# %%
figure, axes = plt.subplots(figsize=(5, 3))
axes.bar(["BM25", "reranked"], [np.mean(before), np.mean(after)], color=["0.7", "tab:blue"])
axes.set_ylabel("nDCG@10")
axes.set_ylim(0, 1)
axes.set_title(f"{len(before)} SciFact claims")
figure.tight_layout()

# %%
# The starter is a small model: on forty claims it may also come out a little lower.
assert np.mean(after) > np.mean(before) - 0.02

# %% [markdown]
# ## In a chain
#
# `as_runnable()` fits the reranker between a retriever and a prompt. It appears in traces as a run of its own.

# %%
chain = (
    {"query": RunnablePassthrough(), "documents": bm25}
    | reranker.as_runnable()
    | RunnableLambda(lambda found: "\n".join(f"[{document.id}] {document.page_content[:70]}" for document in found[:3]))
)
print(chain.invoke(claim))

# %% [markdown]
# `ContextualCompressionRetriever` of `langchain_classic` takes `BentoRerank` as its `base_compressor` just as well.

# %%
reranker.close()
